"""DWI and T1w of one full-size subject: the app against the same pipeline written straight with dipy calls.

    python benchmarks/dwi_t1w.py [--threads 1] [--nprocs 1] [--volumes 8] [--before PATH] [--sides ours dipy]

A simulated head: T1w 180x220x210 (1 mm), DWI 96x96x60x65 (2.5 mm) that moves. Ours is the command line, from the BIDS
folder to maps in standard space and the report. DIPY's side denoises (MP-PCA), corrects motion, finds the brain, fits
the tensor, registers T1w to the template (affine and SyN) and DWI to T1w, and carries the maps over. It does less
(neither tissues, bias field, eddy currents nor distortion) and is given a brain mask of the T1w, which dipy does not
find without a download: the app's own, so that both registrations start from the same, or with ``--brain true`` the
simulated one. Its motion correction takes very long: it is run on ``--volumes`` volumes and its time scaled to all.

Dice: the head's true brain, grey and white matter, carried to standard space by each side's transform, against the
template they were made from. Memory: of the largest process. CPU minutes are shown because they depend less on what
else the machine does. ``--before`` shows an older checkout of the app beside; ``--nprocs`` is the app's.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TRUTH = {"brain": "mask", "gm": "GM", "wm": "WM"}
"""Names in the simulator and of the template."""
HERE = Path(__file__).parents[1]
ANAT, DWI = "bids/sub-01/anat/sub-01_T1w", "bids/sub-01/dwi/sub-01_dwi"
APP = ("before", "ours")
SIDES = (*APP, "dipy")


def simulate(folder: Path) -> None:
    """Write the subject as a BIDS dataset, and the truth beside it."""
    import nibabel as nib
    import numpy as np

    from bids_stroke.preprocess.dwi.gradients import Gradients, bval_text, bvec_text
    from bids_stroke.simulate.anatomy import T1W_SIDECAR, simulate_t1w
    from bids_stroke.simulate.diffusion import DWI_SIDECAR, Degeneration, simulate_dwi
    from bids_stroke.simulate.head import draw_head, draw_pose, view
    from bids_stroke.simulate.lesion import draw_lesion
    from bids_stroke.simulate.options import RESOLUTIONS

    sizes, rng = RESOLUTIONS["full"], np.random.default_rng(0)
    head = draw_head(rng, draw_lesion(rng), 60.0, sizes)
    t1w = simulate_t1w(head, sizes, False, rng)[0]
    series = simulate_dwi(head.moved(draw_pose(rng, 3.0, 3.0)), sizes, Degeneration(0.0, 1.0), False, rng)
    for name in (ANAT, DWI):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    description = {"Name": "benchmark", "BIDSVersion": "1.9.0"}
    (folder / "bids/dataset_description.json").write_text(json.dumps(description))
    for name, image, sidecar in ((ANAT, t1w, T1W_SIDECAR), (DWI, series.image, DWI_SIDECAR)):
        image.to_filename(folder / f"{name}.nii.gz")
        (folder / f"{name}.json").write_text(json.dumps(sidecar))
    gradients = Gradients(series.bvals, series.bvecs)
    (folder / f"{DWI}.bval").write_text(bval_text(gradients))
    (folder / f"{DWI}.bvec").write_text(bvec_text(gradients))
    seen = view(head, t1w.shape, t1w.affine)
    for name in TRUTH:
        nib.Nifti1Image(seen.share(name).astype(np.float32), t1w.affine).to_filename(folder / f"truth_{name}.nii.gz")


def run_app(folder: Path, side: str, arguments: argparse.Namespace) -> None:
    """Our command line, of this checkout or of the older one."""
    output = folder / side
    shutil.rmtree(output, ignore_errors=True)
    line = [
        sys.executable, "-m", "bids_stroke", str(folder / "bids"), str(output), "participant",
        "--modalities", "fa", "md", "rd", "ad", "gm", "wm", "--model", "none", "--skip-bids-validation",
        "--nprocs", str(arguments.nprocs), "--omp-nthreads", str(arguments.threads), "--device", "cpu",
    ]  # fmt: skip
    checkout = (arguments.before if side == "before" else HERE).resolve()
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    subprocess.run(line, check=True, stdout=sys.stderr, cwd=checkout, env=environment)


def carry_ours(folder: Path, side: str) -> None:
    """The truth in standard space, by the transform that the app wrote (not in its time)."""
    import nibabel as nib

    from bids_stroke.imaging.standard_space import standard_grid
    from bids_stroke.imaging.transforms import resample

    [warp] = (folder / side).glob("sub-01/anat/*from-T1w_to-*_xfm.nii.gz")
    for name in TRUTH:
        truth = nib.load(folder / f"truth_{name}.nii.gz")
        resample(truth, standard_grid(), [warp]).to_filename(folder / f"{side}_{name}.nii.gz")


def peer(folder: Path, n_volumes: int, brain_from: str) -> tuple[dict[str, float], float]:
    """The same steps, each by dipy's own function; seconds by stage, and CPU seconds of all."""
    import nibabel as nib
    import numpy as np
    from dipy.align import affine_registration, motion_correction, resample, syn_registration
    from dipy.core.gradients import gradient_table
    from dipy.denoise.localpca import mppca
    from dipy.io.gradients import read_bvals_bvecs
    from dipy.reconst.dti import TensorModel
    from dipy.segment.mask import median_otsu

    from bids_stroke.imaging.standard_space import template

    seconds: dict[str, float] = {}
    cpu: dict[str, float] = {}

    @contextmanager
    def stage(name: str, factor: float = 1.0) -> Iterator[None]:
        begin, cpu_begin = time.perf_counter(), time.process_time()
        yield
        seconds[name] = factor * (time.perf_counter() - begin)
        cpu[name] = factor * (time.process_time() - cpu_begin)
        print(name, seconds[name], file=sys.stderr, flush=True)

    series = nib.load(folder / f"{DWI}.nii.gz")
    data, affine = np.asarray(series.dataobj, dtype=np.float32), series.affine
    bvals, bvecs = read_bvals_bvecs(str(folder / f"{DWI}.bval"), str(folder / f"{DWI}.bvec"))
    still = np.flatnonzero(bvals < 50)
    with stage("denoise"):
        _, mask = median_otsu(data, vol_idx=still)
        data = mppca(data, mask=mask)
    with stage("motion", len(bvals) / n_volumes):
        part = gradient_table(bvals[:n_volumes], bvecs=bvecs[:n_volumes])
        corrected, _ = motion_correction(data[..., :n_volumes], part, affine=affine)
        data[..., :n_volumes] = np.asarray(corrected.dataobj)
    with stage("brain"):
        b0, mask = median_otsu(data[..., still].mean(axis=3))
    with stage("tensor"):
        fit = TensorModel(gradient_table(bvals, bvecs=bvecs), fit_method="WLS").fit(data, mask=mask)
        maps = {kind: np.asarray(getattr(fit, kind), dtype=np.float32) for kind in ("fa", "md", "rd", "ad")}
    head, target = nib.load(folder / f"{ANAT}.nii.gz"), template("T1w")
    truth = {name: np.asarray(nib.load(folder / f"truth_{name}.nii.gz").dataobj) for name in TRUTH}
    found = "truth_brain.nii.gz" if brain_from == "true" else "ours/sub-01/anat/sub-01_desc-brain_mask.nii.gz"
    brain = np.asarray(head.dataobj, dtype=np.float32) * (np.asarray(nib.load(folder / found).dataobj) > 0.5)
    grids = {"moving_affine": head.affine, "static_affine": target.affine}
    static = np.asarray(target.dataobj)
    with stage("T1w to template"):
        _, matrix = affine_registration(brain, static, **grids)
        _, mapping = syn_registration(brain, static, prealign=matrix, **grids)
    with stage("DWI to T1w"):
        rigid = ["center_of_mass", "translation", "rigid"]
        _, placed = affine_registration(b0, brain, moving_affine=affine, static_affine=head.affine, pipeline=rigid)
    with stage("maps to template"):
        for kind, values in maps.items():
            on_t1w = resample(values, brain, moving_affine=affine, static_affine=head.affine, between_affine=placed)
            carried = mapping.transform(np.asarray(on_t1w.dataobj))
            nib.Nifti1Image(carried.astype(np.float32), target.affine).to_filename(folder / f"peer_{kind}.nii.gz")
    for name, share in truth.items():
        carried = mapping.transform(share).astype(np.float32)
        nib.Nifti1Image(carried, target.affine).to_filename(folder / f"dipy_{name}.nii.gz")
    return seconds, sum(cpu.values())


def dice(folder: Path, side: str) -> dict[str, float]:
    """Overlap of the carried truth with the template, by tissue."""
    import nibabel as nib
    import numpy as np

    from bids_stroke.imaging.standard_space import template

    found = {}
    for name, kind in TRUTH.items():
        one = np.asarray(nib.load(folder / f"{side}_{name}.nii.gz").dataobj) > 0.5
        two = np.asarray(template(kind).dataobj) > 0.5
        found[name] = float(2 * (one & two).sum() / (one.sum() + two.sum()))
    return found


def measure(arguments: argparse.Namespace, part: str, folder: Path) -> dict[str, float]:
    """Run one part in a process of its own; what it prints last."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    environment = os.environ | dict.fromkeys(variables, str(arguments.threads))
    options = ["--threads", str(arguments.threads), "--volumes", str(arguments.volumes), "--folder", str(folder)]
    options += ["--brain", arguments.brain, "--nprocs", str(arguments.nprocs)]
    if arguments.before:
        options += ["--before", str(arguments.before)]
    line = [sys.executable, __file__, "--part", part, *options]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def be(part: str, folder: Path, arguments: argparse.Namespace) -> None:
    """Be one of the measured processes."""
    stages: dict[str, float] = {}
    cpu = 0.0
    begin = time.perf_counter()
    if part == "simulate":
        simulate(folder)
    elif part in APP:
        run_app(folder, part, arguments)
    else:
        stages, cpu = peer(folder, arguments.volumes, arguments.brain)
    seconds = sum(stages.values()) or time.perf_counter() - begin
    usage = [resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    peak = max(one.ru_maxrss for one in usage) / 2**20
    cpu = cpu or sum(one.ru_utime + one.ru_stime for one in usage)
    if part in APP:
        carry_ours(folder, part)
    found = {"seconds": seconds, "cpu": cpu, "memory_gb": peak, **{f"stage {k}": v for k, v in stages.items()}}
    if part in SIDES:
        found |= {f"dice_{name}": value for name, value in dice(folder, part).items()}
    print(json.dumps(found))


def table(found: dict[str, dict[str, float]], volumes: int) -> str:
    """Markdown."""
    lines = [
        "| DWI 96x96x60x65, T1w 180x220x210 | minutes | CPU minutes | peak GB | Dice brain | GM | WM |",
        "|---" * 7 + "|",
    ]
    for side, row in found.items():
        overlap = " | ".join(f"{row[f'dice_{name}']:.3f}" for name in TRUTH)
        lines.append(
            f"| {side} | {row['seconds'] / 60:.1f} | {row['cpu'] / 60:.1f} | {row['memory_gb']:.1f} | {overlap} |"
        )
    for other in found.keys() - {"ours"} if "ours" in found else ():
        ratios = [found[other][key] / found["ours"][key] for key in ("seconds", "cpu")]
        lines.append(f"\n{other}: {ratios[0]:.2f} times our time, {ratios[1]:.2f} times our CPU time.")
    if "dipy" in found:
        stages = {key.removeprefix("stage "): value for key, value in found["dipy"].items() if key.startswith("stage ")}
        parts = [f"{name} {seconds:.0f} s" for name, seconds in stages.items()]
        lines.append(f"\nDIPY by stage: {', '.join(parts)} (motion run on {volumes} volumes, scaled to 65).")
    return "\n".join(lines)


def main() -> None:
    """Measure both, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--volumes", type=int, default=8, help="of DIPY's motion correction")
    parser.add_argument("--brain", choices=("app", "true"), default="app", help="mask that DIPY is given")
    parser.add_argument("--nprocs", type=int, default=1, help="of the app")
    parser.add_argument("--before", type=Path, help="an older checkout")
    parser.add_argument("--sides", nargs="+", choices=("ours", "dipy"), default=("ours", "dipy"))
    parser.add_argument("--part", choices=(*SIDES, "simulate"))
    parser.add_argument("--folder", type=Path, help="keep files here instead of in a temporary folder")
    arguments = parser.parse_args()
    if arguments.part:
        be(arguments.part, arguments.folder, arguments)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if not (folder / "bids").exists():
            measure(arguments, "simulate", folder)  # apart: a child's peak memory begins with its parent's
        sides = ("before", *arguments.sides) if arguments.before else arguments.sides
        found = {side: measure(arguments, side, folder) for side in sides}
    print(table(found, arguments.volumes))


if __name__ == "__main__":
    main()
