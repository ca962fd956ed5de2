"""Tissues of real heads: ours, an older version's and ANTs' Atropos on the same mask and bias-corrected image.

    python benchmarks/tissues.py --peers-python PATH [--before PATH] [--subjects 01 03]

Reads ``bids_real_open`` in ``BIDS_STROKE_TEST_DATA``. ``--peers-python`` is an environment with antspyx; ``--before`` a
checkout whose tissues are shown beside, from the same image, mask and priors. Nobody knows the truth in these heads:
what is measured is how far each agrees with Atropos. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.settings import Settings
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.standard_space import standard_grid
from bids_stroke.imaging.transforms import resample
from bids_stroke.preprocess.anat import step
from bids_stroke.preprocess.anat.inputs import read_inputs
from bids_stroke.preprocess.anat.tissues import segment

HERE = Path(__file__).parents[1]
DATA = Path(os.environ.get("BIDS_STROKE_TEST_DATA", HERE.parent / "shared" / "data")) / "bids_real_open"
GREY, WHITE = 2, 3
ATROPOS = """
import sys, ants, numpy as np
found = np.load(sys.argv[1])
zooms = found["zooms"].tolist()
t1w, mask = (ants.from_numpy(found[name].astype("float32"), spacing=zooms) for name in ("t1w", "mask"))
result = ants.atropos(a=t1w, x=mask, i="kmeans[3]", m="[0.1,1x1x1]", c="[5,0]")
np.save(sys.argv[2], result["segmentation"].numpy().astype("u1"))
"""
SEGMENT = """
import sys, numpy as np
from bids_stroke.preprocess.anat.tissues import segment
found = np.load(sys.argv[1])
probability = segment(found["t1w"], found["mask"], found["prior"]).probability
np.save(sys.argv[2], np.where(found["mask"], probability.argmax(-1) + 1, 0).astype("u1"))
"""
"""Labels 1, 2, 3: CSF, grey, white."""

Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers-python", required=True)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--subjects", nargs="+", default=["01", "03"])
    given = parser.parse_args()
    print("| head | | GM | WM | WM beside GM | WM of the cerebellum | GM, WM (ml) |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for subject in given.subjects:
            path = Path(folder) / f"{subject}.npz"
            below, zooms = prepare(subject, path)
            peer = labels(given.peers_python, ATROPOS, path)
            checkouts = {"before": given.before, "now": HERE} if given.before else {"now": HERE}
            for name, checkout in checkouts.items():
                found = labels(sys.executable, SEGMENT, path, checkout.resolve())
                print(f"| {subject} | {name} | {' | '.join(compared(found, peer, below))} | {volumes(found, zooms)} |")
            print(f"| {subject} | Atropos | | | | | {volumes(peer, zooms)} |", flush=True)


def prepare(subject: str, path: Path) -> tuple[Mask, npt.NDArray[np.float64]]:
    """Write what `segment` gets of this head; returns where the cerebellum is, roughly, and the voxels' size (mm)."""
    (session, *_) = find_sessions(Selection(DATA, participant_labels=(subject,)))
    settings = Settings()
    work = path.parent
    inputs = read_inputs(session, settings.anat.several, work, seed=0)
    with mock.patch.object(step, "segment", wraps=segment) as called:
        files = step.LesionFiles.of(session.lesion)
        anatomy, _ = step.process(inputs, files, settings.anat, work, seed=0)
    t1w, mask, prior = called.call_args.args
    zooms = np.array(inputs.t1w.header.get_zooms()[:3], dtype=np.float64)
    np.savez(path, t1w=t1w, mask=mask, prior=prior, zooms=zooms)
    grid = standard_grid()
    world = np.moveaxis(np.indices(grid.shape), 0, -1) @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    low = ((world[..., 1] < -42) & (world[..., 2] < -24)).astype(np.float32)
    box = ndimage.find_objects((anatomy.brain & ~anatomy.lesion).astype(np.uint8))[0]
    return array(resample(like(grid, low), inputs.t1w.slicer[box], [anatomy.warp.inverse])) > 0.5, zooms


def labels(python: str, code: str, path: Path, checkout: Path = HERE) -> Labels:
    """What a program makes of it."""
    target = path.with_name("labels.npy")
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    subprocess.run([python, "-c", code, str(path), str(target)], check=True, env=environment, cwd=path.parent)
    return np.asarray(np.load(target), dtype=np.uint8)


def compared(found: Labels, peer: Labels, below: Mask) -> Iterator[str]:
    """Dice of grey and white; share of the outermost white voxels that are white; Dice of white in the cerebellum."""
    yield from (f"{dice(found == tissue, peer == tissue):.3f}" for tissue in (GREY, WHITE))
    outer = (peer == WHITE) & ndimage.binary_dilation(peer == GREY)
    yield f"{(found[outer] == WHITE).mean():.3f}"
    yield f"{dice((found == WHITE) & below, (peer == WHITE) & below):.3f}"


def dice(first: Mask, second: Mask) -> float:
    """Dice coefficient."""
    return 2 * float((first & second).sum()) / float(first.sum() + second.sum())


def volumes(found: Labels, zooms: npt.NDArray[np.float64]) -> str:
    """Grey and white in ml."""
    return ", ".join(f"{(found == tissue).sum() * zooms.prod() / 1000:.0f}" for tissue in (GREY, WHITE))


if __name__ == "__main__":
    main()
