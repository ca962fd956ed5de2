"""Tensor maps from a preprocessed volume, file to files: ours, MRtrix and DIPY in one run.

    python benchmarks/tensor.py [--threads 1 2] [--repeats 5]

The volume is 96x96x60x65 (2.5 mm), as our own step writes it (``.nii.gz``, float32), with a brain mask. MRtrix
(``dwi2tensor`` and ``tensor2metric``) must be installed. Ours and DIPY are timed warm, in a process that has run once,
and DIPY's time is that of its fit with reading and writing as we do it. The programs run in turns, so that other load
on the machine meets all of them. MRtrix reweights twice by default and fits what we fit with ``-iter 1``.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import nibabel as nib
import numpy as np
from dipy.core.gradients import gradient_table
from dipy.reconst.dti import TensorModel
from threadpoolctl import threadpool_limits

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging.images import array, like, load_image, load_signals
from bids_stroke.preprocess.dwi.gradients import Gradients, bval_text, bvec_text, read_gradients
from bids_stroke.preprocess.dwi.tensor.wls import fit_tensor, scalar_maps
from bids_stroke.simulate.diffusion import Degeneration, simulate_dwi
from bids_stroke.simulate.head import draw_head
from bids_stroke.simulate.lesion import draw_lesion
from bids_stroke.simulate.options import RESOLUTIONS

MAPS = ("fa", "md", "rd", "ad")
MIN_SIGNAL = 1e-4
EQUAL_FA = 1e-6


def simulate(folder: Path) -> None:
    """Write the volume that all read: a full-size head of the simulator."""
    sizes = RESOLUTIONS["full"]
    rng = np.random.default_rng(0)
    lesion = draw_lesion(rng)
    series = simulate_dwi(draw_head(rng, lesion, 60.0, sizes), sizes, Degeneration(0.0, 1.0), False, rng)
    data = np.asarray(series.image.dataobj, dtype=np.float32)
    outputs = Outputs(folder, "1")
    image = nib.Nifti1Image(data, series.image.affine)
    mask = data[..., series.bvals == 0].mean(axis=3) > 0.4 * np.percentile(data[..., 0], 95)
    outputs.save_image(folder / "dwi.nii.gz", image, {})
    outputs.save_image(folder / "mask.nii.gz", nib.Nifti1Image(mask.astype(np.uint8), image.affine), {})
    gradients = Gradients(series.bvals, series.bvecs)
    (folder / "dwi.bval").write_text(bval_text(gradients))
    (folder / "dwi.bvec").write_text(bvec_text(gradients))


def read(folder: Path) -> tuple[nib.Nifti1Image, np.ndarray, Gradients]:
    """Series, mask and gradients."""
    series, mask = load_image(folder / "dwi.nii.gz", 4), load_image(folder / "mask.nii.gz", 3)
    return series, array(mask) > 0.5, read_gradients(folder / "dwi.bval", folder / "dwi.bvec", series.shape[3])


def write(folder: Path, name: str, grid: nib.Nifti1Image, maps: dict[str, np.ndarray]) -> None:
    """Maps as our step writes them."""
    outputs = Outputs(folder, "1")
    for kind, data in maps.items():
        outputs.save_image(folder / f"{name}_{kind}.nii.gz", like(grid, data.astype(np.float32)), {})


def ours(folder: Path) -> None:
    """Our kernel."""
    grid = load_image(folder / "mask.nii.gz", 3)
    mask, signals = array(grid) > 0.5, load_signals(folder / "dwi.nii.gz", grid)
    gradients = read_gradients(folder / "dwi.bval", folder / "dwi.bvec", signals.shape[1])
    found = scalar_maps(fit_tensor(signals, gradients, MIN_SIGNAL))
    maps = {kind: np.zeros(mask.shape, dtype=np.float32) for kind in MAPS}
    for kind in MAPS:
        maps[kind][mask] = getattr(found, kind)
    write(folder, "ours", grid, maps)


def dipy(folder: Path) -> None:
    """DIPY's weighted least squares on the same arrays."""
    series, mask, gradients = read(folder)
    bvecs = gradients.bvecs * [-1, 1, 1] if np.linalg.det(series.affine[:3, :3]) > 0 else gradients.bvecs
    table = gradient_table(gradients.bvals, bvecs=bvecs, b0_threshold=50)
    fit = TensorModel(table, fit_method="WLS", min_signal=MIN_SIGNAL).fit(array(series).astype(np.float64), mask=mask)
    write(folder, "dipy", like(series, mask.astype(np.uint8)), {kind: getattr(fit, kind) for kind in MAPS})


def mrtrix(folder: Path, threads: int, iterations: int) -> None:
    """``dwi2tensor`` (two reweightings by default) and ``tensor2metric``."""
    common = ["-quiet", "-force", "-nthreads", str(threads)]
    gradients = ["-fslgrad", folder / "dwi.bvec", folder / "dwi.bval", "-mask", folder / "mask.nii.gz"]
    tensor = folder / "tensor.nii.gz"
    fit = ["dwi2tensor", folder / "dwi.nii.gz", tensor, *gradients, "-iter", str(iterations), *common]
    flags = {"fa": "-fa", "md": "-adc", "rd": "-rd", "ad": "-ad"}
    wanted = [part for kind in MAPS for part in (flags[kind], folder / f"mrtrix_{kind}.nii.gz")]
    subprocess.run([str(part) for part in fit], check=True)
    subprocess.run([str(part) for part in ("tensor2metric", tensor, *wanted, *common)], check=True)


def cpu_seconds() -> float:
    """CPU time of this process and of those that it started and that have ended."""
    usage = [resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def side_by_side(repeats: int, actions: dict[str, Callable[[], None]]) -> dict[str, list[tuple[float, float]]]:
    """Seconds and CPU seconds of each run, one program after the other in turns; a first round does not count."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for turn in range(repeats + 1):
        for name, action in actions.items():
            begin, cpu = time.perf_counter(), cpu_seconds()
            action()
            if turn:
                seconds[name].append((time.perf_counter() - begin, cpu_seconds() - cpu))
    return seconds


def table(folder: Path, threads: int, repeats: int) -> str:
    """Rows of the Markdown table for a number of threads."""
    with threadpool_limits(threads):
        actions: dict[str, Callable[[], None]] = {
            "ours": lambda: ours(folder),
            "MRtrix": lambda: mrtrix(folder, threads, 2),
            "MRtrix, -iter 1": lambda: mrtrix(folder, threads, 1),
        }
        seconds = side_by_side(repeats, actions)
        if threads == 1:
            seconds |= side_by_side(1, {"DIPY, WLS": lambda: dipy(folder)})
    rows = []
    for name, runs in seconds.items():
        wall, cpu = zip(*runs, strict=True)
        own_wall, own_cpu = zip(*seconds["ours"], strict=True)
        figures = [f"{value:.2f}" for value in (min(wall), median(wall), median(cpu))]
        pairs = ((min(wall), min(own_wall)), (median(wall), median(own_wall)), (median(cpu), median(own_cpu)))
        figures += [f"{one / two:.1f}" for one, two in pairs]
        rows.append(f"| {name} | {threads} | {' | '.join(figures)} |")
    return "\n".join(rows)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        simulate(folder)
        print("| tensor maps | threads | s, least | s, median | CPU s, median | times ours: least | median | CPU |")
        print("|---" * 8 + "|", flush=True)
        for threads in arguments.threads:
            print(table(folder, threads, arguments.repeats), flush=True)
        mask = nib.load(folder / "mask.nii.gz").get_fdata() > 0
        fa = {name: nib.load(folder / f"{name}_fa.nii.gz").get_fdata()[mask] for name in ("ours", "dipy", "mrtrix")}
    worst = float(np.abs(fa["ours"] - fa["dipy"]).max())
    print(f"\nLargest FA difference from DIPY: {worst:.1e}; median from MRtrix (-iter 1): "
          f"{np.median(np.abs(fa['ours'] - fa['mrtrix'])):.1e}; {mask.sum()} voxels.")  # fmt: skip
    if worst > EQUAL_FA:
        raise SystemExit(f"FA differs from DIPY by more than {EQUAL_FA:g}")


if __name__ == "__main__":
    main()
