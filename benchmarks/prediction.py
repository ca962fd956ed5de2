"""Six published networks on one person's six maps: this app against Keras, in one run.

    python benchmarks/prediction.py [--keras-python PATH] [--threads 2 1] [--rounds 3]

PATH is the Python of an environment with tensorflow, h5py and nibabel; without it this app is timed alone.
Both sides read the same maps and, as a check, must give the same probabilities (weights are random); they take turns.

cold   a fresh process, from its start to the six predictions: imports, six networks with their weights, six maps
warm   one prediction of one map, network and map in memory
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from prediction_keras import COVARIATES, MAPS, SHAPE, Way, peak_mb, serve

KERAS = Path(__file__).with_name("prediction_keras.py")
PERSON = {"age": 85 * COVARIATES[0][0], "sex": COVARIATES[0][1], "days_since_stroke": 6368 * COVARIATES[0][2]}


def write_maps(folder: Path) -> None:
    """Six smooth maps on the standard grid, compressed, 0 outside a ball."""
    import nibabel as nib
    import numpy as np
    from scipy.ndimage import gaussian_filter

    from bids_stroke.features.readers import GRID_AFFINE

    inside = np.linalg.norm(np.indices(SHAPE) - np.array(SHAPE).reshape(3, 1, 1, 1) / 2, axis=0) < 42
    for seed, name in enumerate(MAPS):
        noise = gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), 2)
        data = np.where(inside, np.abs(noise) / np.abs(noise).max(), 0).astype(np.float32)
        nib.Nifti1Image(data, GRID_AFFINE).to_filename(folder / f"{name.lower()}.nii.gz")


def start(threads: int) -> None:
    """Import torch as the app does."""
    from bids_stroke.networks.torch_import import import_torch

    import_torch()
    import torch

    torch.set_num_threads(threads)


def unit(folder: Path) -> Any:
    from bids_stroke.core.records import UnitFeatures

    return UnitFeatures("1", None, {n.lower(): (folder / f"{n.lower()}.nii.gz",) for n in MAPS}, {}, PERSON, "bench")


def cold(folder: Path) -> dict[str, Any]:
    from bids_stroke.ensemble.bundle import load_bundle
    from bids_stroke.ensemble.predict import predict

    prediction = predict(load_bundle(folder / "bundle"), unit(folder), "cpu")
    return {"poor": [prediction.members[name.lower()].probability for name in MAPS]}


def warm(folder: Path) -> dict[str, Way]:
    import numpy as np
    import torch

    from bids_stroke.ensemble.bundle import load_bundle
    from bids_stroke.ensemble.one_unit import run_network
    from bids_stroke.ensemble.weights import restore_network
    from bids_stroke.features.readers import read_samples
    from bids_stroke.networks.device import KEPT_BETWEEN_LAYERS, keep_memory

    state, here = load_bundle(folder / "bundle").state("fa"), torch.device("cpu")
    model = restore_network("miccai2025", {}, state, here)
    data = read_samples("fa", [folder / "fa.nii.gz"], {}).data
    known = np.array(COVARIATES, dtype=np.float32)
    keep_memory(KEPT_BETWEEN_LAYERS)
    return {"run_network": lambda: run_network(model, data, known, here)}


def environment(threads: int) -> dict[str, str]:
    """What the app sets for its processes; Keras is told its threads by its own script."""
    from bids_stroke.app.executors import PATIENT, THREAD_VARIABLES

    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | PATIENT


def measure(command: list[str], threads: int) -> dict[str, Any]:
    """A part in a process of its own, with the seconds from its start to its result: wall, and CPU."""
    with tempfile.TemporaryFile("w+") as errors:  # a pipe that nobody reads would fill
        began = time.perf_counter()
        with subprocess.Popen(
            [*command, str(threads)], env=environment(threads), text=True, stdout=subprocess.PIPE, stderr=errors
        ) as program:
            assert program.stdout
            line = program.stdout.readline()
            took = time.perf_counter() - began
            program.stdout.read()
        if program.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{errors.read()}")
    result = json.loads(line)
    return {"took": {"process": [took, result.pop("cpu")]}, **result}


def take_turns(commands: dict[str, list[str]], threads: int, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Rounds of programs that stay alive (`prediction_keras.serve`), one at a time; the first round is not told."""
    running = {
        side: subprocess.Popen(
            [*command, str(threads)], env=environment(threads), text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )
        for side, command in commands.items()
    }  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in running}
    for _ in range(rounds + 1):
        for side, program in running.items():
            assert program.stdin and program.stdout
            program.stdin.write("\n")
            program.stdin.flush()
            line = program.stdout.readline()
            if not line:
                sys.exit(f"{' '.join(commands[side])} failed; run it by hand to see why.")
            found[side].append(json.loads(line))
            print(f"round {len(found[side]) - 1}, {side}: {line.strip()}", file=sys.stderr, flush=True)
    for program in running.values():
        program.communicate()
    return {side: results[1:] for side, results in found.items()}


def show(part: str, threads: int, found: dict[str, list[dict[str, Any]]]) -> None:
    """Rows of the table: least and median of the rounds."""
    for side, results in found.items():
        for way in results[0]["took"]:
            wall, cpu = zip(*(result["took"][way] for result in results), strict=True)
            numbers = (min(wall), statistics.median(wall), min(cpu), statistics.median(cpu))
            peak = max(result["peak_mb"] for result in results)
            print(
                f"| {part} | {threads} | {side}, {way} | {' | '.join(f'{n:.2f}' for n in numbers)} | {peak:.0f} |",
                flush=True,
            )


def header() -> None:
    print(f"load average {' '.join(f'{load:.1f}' for load in os.getloadavg())}\n")
    print("| | threads | | s, least | median | CPU s, least | median | peak MB |\n|---|---|---|---|---|---|---|---|")


def commands(script: str, part: str, folder: Path, keras_python: str | None) -> dict[str, list[str]]:
    """How each side is started; the number of threads comes last."""
    found = {"ours": [sys.executable, script, "--folder", str(folder), "--part", part, "--one-thread-count"]}
    return found | ({"Keras": [keras_python, str(KERAS), part, str(folder)]} if keras_python else {})


def compare(folder: Path, options: argparse.Namespace, threads: int) -> None:
    """Rows for one number of threads; the sides take turns."""
    cold_ones = commands(__file__, "cold", folder, options.keras_python)
    for command in cold_ones.values():
        measure(command, threads)  # files into the system's cache, compiled modules written
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in cold_ones}
    for _ in range(options.rounds):
        for side, command in cold_ones.items():
            found[side].append(measure(command, threads))
    show("cold", threads, found)
    turns = take_turns(commands(__file__, "warm", folder, options.keras_python), threads, 2 * options.rounds)
    show("warm", threads, turns)
    if options.keras_python:
        both = zip(found["ours"][0]["poor"], found["Keras"][0]["poor"], strict=True)
        print(f"| largest difference of a probability | | | {max(abs(a - b) for a, b in both):.1e} | | | | |")


def prepare(folder: Path, options: argparse.Namespace) -> None:
    """Maps, weight files and bundle."""
    from bids_stroke.convert.miccai2025 import FILE_NAME, import_keras

    write_maps(folder)
    if options.weights:
        for name in MAPS:
            (folder / FILE_NAME.format(name)).symlink_to((options.weights / FILE_NAME.format(name)).resolve())
    else:
        measure([options.keras_python, str(KERAS), "prepare", str(folder)], 2)
    import_keras(folder, folder / "bundle")


def parse(description: str | None, rounds: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras-python")
    parser.add_argument("--weights", type=Path, help="folder with the published weight files; else Keras makes some")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--part", choices=["cold", "warm", "train"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one-thread-count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not (options.weights or options.keras_python or options.part):
        parser.error("give --keras-python or --weights")
    return options


def main() -> None:
    options = parse(__doc__, 3)
    if options.part:
        start(options.one_thread_count)
        if options.part == "warm":
            serve(warm(options.folder))
        else:
            print(json.dumps({**cold(options.folder), "peak_mb": peak_mb(), "cpu": time.process_time()}), flush=True)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, options)
        header()
        for threads in options.threads:
            compare(folder, options, threads)


if __name__ == "__main__":
    main()
