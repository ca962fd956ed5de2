"""BOLD at full size (64x64x35x120): our step against the same steps written with nilearn and dipy calls, in one run.

    python benchmarks/bold.py [--threads 1]

Both start from the raw file and end with the cleaned series and mean, ALFF, fALFF, ReHo and tSNR maps in standard space
(3 mm); neither uses a T1w. Each runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TR = 2.0
BAND = (0.01, 0.1)
PARTS = ("ours", "nilearn and dipy")
SIMULATE = "simulate"


def simulate(folder: Path) -> None:
    """Write the run that both read."""
    import numpy as np

    from bids_stroke.simulate.bold import simulate_bold
    from bids_stroke.simulate.head import draw_head
    from bids_stroke.simulate.lesion import draw_lesion
    from bids_stroke.simulate.options import RESOLUTIONS

    rng = np.random.default_rng(0)
    head = draw_head(rng, draw_lesion(rng), 60.0, RESOLUTIONS["full"])
    image = simulate_bold(head, RESOLUTIONS["full"], 0.5, first_axis_left=True, rng=rng)
    image.to_filename(folder / "sub-1_task-rest_bold.nii.gz")


def ours(folder: Path) -> None:
    """Our step, which also writes the series on its own grid, confounds and seed maps."""
    from bids_stroke.core.records import BidsFile, Session
    from bids_stroke.core.settings import Settings
    from bids_stroke.derivatives.outputs import Outputs
    from bids_stroke.preprocess.bold import step
    from bids_stroke.preprocess.registry import StepContext

    source = BidsFile(folder / "sub-1_task-rest_bold.nii.gz", {"task": "rest"}, {"RepetitionTime": TR}, "bids:raw:x")
    step.run(
        StepContext(Session("1", None, raw={"bold": (source,)}), Outputs(folder / "ours", "1"), Settings(), {}, folder)
    )


def peer(folder: Path) -> None:
    """The same steps, each by the library's own function."""
    import nibabel as nib
    import numpy as np
    from dipy.align import motion_correction, resample
    from dipy.align.imaffine import AffineRegistration, MutualInformationMetric
    from dipy.align.transforms import AffineTransform3D, RigidTransform3D
    from dipy.core.gradients import gradient_table
    from nilearn.image import clean_img, mean_img, resample_img
    from nilearn.masking import compute_epi_mask
    from scipy.stats import rankdata

    from bids_stroke.imaging.standard_space import standard_grid, template

    image = nib.load(folder / "sub-1_task-rest_bold.nii.gz").slicer[..., 2:]
    still = gradient_table(np.zeros(image.shape[3]), bvecs=np.zeros((image.shape[3], 3)))
    corrected, motions = motion_correction(image, still)
    mask = compute_epi_mask(corrected)
    mean = np.asarray(mean_img(corrected, copy_header=True).dataobj) * np.asarray(mask.dataobj)
    target = template("T1w")
    registration = AffineRegistration(metric=MutualInformationMetric(32), verbosity=0)
    static, moving = np.asarray(target.dataobj), mean
    affine = None
    for transform in (RigidTransform3D(), AffineTransform3D()):
        found = registration.optimize(static, moving, transform, None, static_grid2world=target.affine,
                                      moving_grid2world=image.affine, starting_affine=affine)  # fmt: skip
        affine = found.affine
    grid = standard_grid(3.0)
    volumes = [
        resample(corrected.dataobj[..., index], np.zeros(grid.shape), moving_affine=image.affine,
                 static_affine=grid.affine, between_affine=affine).get_fdata()
        for index in range(corrected.shape[3])
    ]  # fmt: skip
    series = nib.Nifti1Image(np.stack(volumes, axis=-1).astype(np.float32), grid.affine)
    brain = resample_img(template("mask"), grid.affine, grid.shape, interpolation="nearest", force_resample=True,
                         copy_header=True)  # fmt: skip
    inside = np.asarray(brain.dataobj) > 0
    poses = np.asarray(motions).transpose(2, 0, 1)[:, :3].reshape(image.shape[3], -1)
    confounds = np.hstack([poses, np.vstack([np.zeros(12), np.diff(poses, axis=0)])])
    options = {"detrend": True, "standardize": None, "t_r": TR, "mask_img": brain}
    band = clean_img(series, confounds=confounds, low_pass=BAND[1], high_pass=BAND[0], **options)
    broad = clean_img(series, confounds=confounds, **options)
    signals = np.asarray(broad.dataobj)[inside].T
    frequencies = np.fft.rfftfreq(len(signals), TR)
    spectrum = np.abs(np.fft.rfft(signals, axis=0))
    within = (frequencies >= BAND[0]) & (frequencies <= BAND[1])
    alff, falff = spectrum[within].mean(axis=0), spectrum[within].sum(axis=0) / spectrum[1:].sum(axis=0)
    filtered = np.asarray(band.dataobj)
    ranks = np.zeros(filtered.shape, np.float32)
    ranks[inside] = rankdata(filtered[inside], axis=1)
    reho = np.zeros(inside.shape)
    for x, y, z in np.argwhere(inside):
        cube = ranks[x - 1 : x + 2, y - 1 : y + 2, z - 1 : z + 2].reshape(-1, ranks.shape[3])
        total = cube.sum(axis=0)
        reho[x, y, z] = 12 * ((total - total.mean()) ** 2).sum() / (len(cube) ** 2 * (len(total) ** 3 - len(total)))
    maps = {"mean": np.asarray(series.dataobj).mean(axis=3), "reho": reho}
    for name, values in (("alff", alff), ("falff", falff)):
        maps[name] = np.zeros(inside.shape)
        maps[name][inside] = values
    for name, data in maps.items():
        nib.Nifti1Image(data.astype(np.float32), grid.affine).to_filename(folder / f"peer_{name}.nii.gz")
    nib.save(series, folder / "peer_bold.nii.gz")


def measure(part: str, folder: Path, threads: int) -> dict[str, float]:
    """Seconds and peak memory (GB) of one part in a process of its own."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    environment = os.environ | dict.fromkeys(variables, str(threads))
    command = [sys.executable, __file__, "--part", part, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Measure both, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--part", choices=(*PARTS, SIMULATE))
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    if arguments.part:
        begin = time.perf_counter()
        {"ours": ours, "nilearn and dipy": peer, SIMULATE: simulate}[arguments.part](arguments.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"seconds": time.perf_counter() - begin, "memory_gb": peak}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        measure(SIMULATE, Path(temporary), 1)  # apart: a child's peak memory begins with its parent's
        found = {part: measure(part, Path(temporary), arguments.threads) for part in PARTS}
    print("| BOLD 64x64x35x120 | seconds | peak memory, GB |\n|---|---|---|")
    for part, row in found.items():
        print(f"| {part} | {row['seconds']:.0f} | {row['memory_gb']:.1f} |")
    print(f"\nRatio of times: {found[PARTS[1]]['seconds'] / found['ours']['seconds']:.1f}")


if __name__ == "__main__":
    main()
