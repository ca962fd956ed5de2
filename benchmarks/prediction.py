"""Six published networks on one person's six maps: this app against Keras, in one run.

    python benchmarks/prediction.py [--keras-python PATH] [--threads 1 2] [--train]

PATH is the Python of an environment with tensorflow, h5py and nibabel; without it this app is timed alone.
Both sides read the same maps and, as a check, must give the same probabilities (weights are random).

cold   a fresh process: imports, six networks with their weights, six maps read, six predictions (all of it timed)
warm   one prediction of one map, network and map in memory: median of 7
train  a step of one network with 8 maps of 91 x 109 x 91 (takes 20 GB of memory and minutes)
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from prediction_keras import BATCH, COVARIATES, MAPS, SHAPE, median_seconds, peak_mb

KERAS = Path(__file__).with_name("prediction_keras.py")
PERSON = {"age": 85 * COVARIATES[0][0], "sex": COVARIATES[0][1], "days_since_stroke": 6368 * COVARIATES[0][2]}


def write_maps(folder: Path) -> None:
    """Six smooth maps on the standard grid, compressed, 0 outside a ball."""
    import nibabel as nib
    import numpy as np
    from scipy.ndimage import gaussian_filter

    from bids_stroke.features import GRID_AFFINE

    inside = np.linalg.norm(np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2, axis=0) < 42
    for seed, name in enumerate(MAPS):
        noise = gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), 2)
        data = np.where(inside, np.abs(noise) / np.abs(noise).max(), 0).astype(np.float32)
        nib.Nifti1Image(data, GRID_AFFINE).to_filename(folder / f"{name.lower()}.nii.gz")


def start(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)


def unit(folder: Path) -> Any:
    from bids_stroke.records import UnitFeatures

    return UnitFeatures("1", None, {n.lower(): (folder / f"{n.lower()}.nii.gz",) for n in MAPS}, {}, PERSON, "bench")


def cold(folder: Path) -> dict[str, Any]:
    from bids_stroke.bundle import load_bundle
    from bids_stroke.inference import predict

    prediction = predict(load_bundle(folder / "bundle"), unit(folder), "cpu")
    return {"poor": [prediction.members[name.lower()].probability for name in MAPS]}


def warm(folder: Path) -> dict[str, Any]:
    import numpy as np
    import torch

    from bids_stroke.bundle import load_bundle
    from bids_stroke.features import read_samples
    from bids_stroke.inference import restore_network, run_network

    state, here = load_bundle(folder / "bundle").state("fa"), torch.device("cpu")
    model = restore_network("miccai2025", {}, state, here)
    data = read_samples("fa", [folder / "fa.nii.gz"], {}).data
    known = np.array(COVARIATES, dtype=np.float32)
    return {"seconds": median_seconds(lambda: run_network(model, data, known, here))}


def train(folder: Path) -> dict[str, Any]:
    """Like ``train_on_batch``: loss, gradients, Adam."""
    import torch

    from bids_stroke import networks
    from bids_stroke.features import read_samples

    torch.manual_seed(0)
    model = networks.build("miccai2025").train()
    adam = torch.optim.Adam(model.parameters(), 1e-4)
    data = torch.from_numpy(read_samples("fa", [folder / "fa.nii.gz"], {}).data).repeat(BATCH, 1, 1, 1, 1)
    known, poor = torch.tensor(COVARIATES).repeat(BATCH, 1), (torch.arange(BATCH) % 2).float()

    def step() -> None:
        logit = model(data, known)[:, networks.POOR_LOGIT]
        adam.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(logit, poor).backward()
        adam.step()

    return {"seconds": median_seconds(step, 2)}


def measure(command: list[str], threads: int) -> dict[str, Any]:
    """A part in a process of its own, with the seconds of the whole process."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
    began = time.perf_counter()
    done = subprocess.run([*command, str(threads)], env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return {"process_seconds": seconds, **json.loads(done.stdout.splitlines()[-1])}


def compare(folder: Path, keras_python: str | None, threads: int, training: bool) -> None:
    """Print a table for one number of threads; the sides take turns."""
    ours = [sys.executable, __file__, "--part"]
    sides = {"ours": lambda part: measure([*ours, part, "--folder", str(folder), "--one-thread-count"], threads)}
    if keras_python:
        sides["Keras"] = lambda part: measure([keras_python, str(KERAS), part, str(folder)], threads)
    print(f"\n{threads} thread{'s' if threads > 1 else ''}")
    found = {}
    for part in ("cold", "warm", *(["train"] if training else [])):
        for side, run in sides.items():
            run(part) if part == "cold" else None  # files into the system's cache, compiled modules written
            found[part, side] = result = run(part)
            shown = {"process": result["process_seconds"]} if part == "cold" else result
            seconds = ", ".join(
                f"{name.removeprefix('seconds').strip('_')} {value:.3f} s".strip()
                for name, value in shown.items() if name.startswith(("seconds", "process"))
                and (part == "cold" or name != "process_seconds")
            )  # fmt: skip
            print(f"  {part:5} {side:5} {seconds}; peak {result['peak_mb']:.0f} MB")
    if keras_python:
        both = zip(found["cold", "ours"]["poor"], found["cold", "Keras"]["poor"], strict=True)
        print(f"  largest difference of a probability: {max(abs(a - b) for a, b in both):.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras-python")
    parser.add_argument("--weights", type=Path, help="folder with the published weight files; else Keras makes some")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--part", choices=["cold", "warm", "train"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one-thread-count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        start(options.one_thread_count)
        result = {"cold": cold, "warm": warm, "train": train}[options.part](options.folder)
        result["peak_mb"] = peak_mb()
        print(json.dumps(result))
        return
    if not (options.weights or options.keras_python):
        parser.error("give --keras-python or --weights")
    from bids_stroke.published import FILE_NAME, import_keras

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_maps(folder)
        if options.weights:
            for name in MAPS:
                (folder / FILE_NAME.format(name)).symlink_to((options.weights / FILE_NAME.format(name)).resolve())
        else:
            measure([options.keras_python, str(KERAS), "prepare", str(folder)], 2)
        import_keras(folder, folder / "bundle")
        for threads in options.threads:
            compare(folder, options.keras_python, threads, options.train)


if __name__ == "__main__":
    main()
