"""MP-PCA denoising of a full-size series on one mask: ours, MRtrix' ``dwidenoise`` and, if asked for, DIPY's.

    python benchmarks/denoise.py [--rounds 3] [--dipy]

96x96x60x65 (2.5 mm), simulated; the mask is made as the app's own step makes it. MRtrix must be installed. All with one
thread, in turns; CPU seconds, of MRtrix with its reading and writing. Errors are root mean squares of the difference
from the same series without noise, in the brain, in SDs of the noise. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from unittest import mock

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from bids_stroke.preprocess.dwi.denoise.local_pca import mppca
from bids_stroke.preprocess.dwi.registration import rough_mask
from bids_stroke.simulate import diffusion
from bids_stroke.simulate.head import draw_head
from bids_stroke.simulate.lesion import draw_lesion
from bids_stroke.simulate.options import RESOLUTIONS

SNR = 25.0
"""At b=0, of the brain's median."""
RADII = (2, 2, 2)

Volumes = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dipy", action="store_true", help="DIPY too, once: minutes")
    given = parser.parse_args()
    clean, noisy, brain, sigma = simulate()
    near = np.asarray(binary_dilation(brain, iterations=2))
    seconds: dict[str, list[float]] = {"the app": [], "dwidenoise": []}
    found: dict[str, Volumes] = {"as measured": noisy}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.rounds):
            begin = time.process_time()
            found["the app"] = mppca(noisy, near, RADII)[0]
            seconds["the app"].append(time.process_time() - begin)
            spent, found["dwidenoise"] = mrtrix(Path(folder), noisy, near)
            seconds["dwidenoise"].append(spent)
    if given.dipy:
        from dipy.denoise.localpca import mppca as dipy_mppca

        begin = time.process_time()
        found["DIPY"] = dipy_mppca(noisy, mask=near, patch_radius=2)
        seconds["DIPY"] = [time.process_time() - begin]
    print("| | CPU s, least | median | ratio | error |\n|---|---|---|---|---|")
    for name, volumes in found.items():
        error = f"{float(np.sqrt(np.mean((volumes[brain] - clean[brain]) ** 2))) / sigma:.3f}"
        taken = seconds.get(name)
        times = "| | |" if taken is None else (
            f"| {min(taken):.1f} | {median(taken):.1f} | {median(taken) / median(seconds['the app']):.2f} |"
        )  # fmt: skip
        print(f"| {name} {times} {error} |")


def simulate() -> tuple[Volumes, Volumes, Mask, float]:
    """Series without and with noise (Gaussian, so that the mean is the truth), brain mask, SD of the noise."""
    rng, sizes = np.random.default_rng(0), RESOLUTIONS["full"]
    head = draw_head(rng, draw_lesion(rng), 60.0, sizes)
    with mock.patch.object(diffusion, "_NOISE", 0.0):
        series = diffusion.simulate_dwi(head, sizes, diffusion.Degeneration(0.0, 1.0), False, rng)
    clean = np.asarray(series.image.dataobj, dtype=np.float32)
    unweighted = clean[..., series.bvals == 0].mean(axis=3)
    brain = rough_mask(unweighted)
    sigma = float(np.median(unweighted[brain])) / SNR
    return clean, clean + rng.normal(0, sigma, clean.shape).astype(np.float32), brain, sigma


def mrtrix(folder: Path, volumes: Volumes, mask: Mask) -> tuple[float, Volumes]:
    """CPU seconds and result of ``dwidenoise -nthreads 0``."""
    for name, data in (("in", volumes), ("mask", mask.astype(np.uint8))):
        nib.Nifti1Image(data, np.diag([2.5, 2.5, 2.5, 1.0])).to_filename(folder / f"{name}.nii")
    line = ["dwidenoise", "-nthreads", "0", "-quiet", "-force", "-mask", "mask.nii", "in.nii", "out.nii"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(line, check=True, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, np.asarray(nib.load(folder / "out.nii").dataobj, dtype=np.float32)


if __name__ == "__main__":
    main()
