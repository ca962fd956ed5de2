"""Seconds of CPU until a command that is refused has said why: whole commands, with the start of Python.

    python benchmarks/startup.py [--before PATH] [--rounds 5]

``--before`` is a checkout of another version, with which each command is run in turns. Prints a Markdown table.
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
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parents[1]
COMMANDS = {
    "help": "--help",
    "unknown level": "{raw} {out} subject",
    "unknown option": "{raw} {out} participant --colour",
    "unknown modality": "{raw} {out} participant --modalities pet",
    "BIDS_DIR does not exist": "{raw}/none {out} participant",
    "no dataset_description.json": "{raw}/sub-01 {out} participant",
    "OUTPUT_DIR inside a subject's folder": "{raw} {raw}/sub-01/out participant",
    "OUTPUT_DIR below a file": "{raw} {raw}/README/out participant",
    "--work-dir below a file": "{raw} {out} participant --work-dir {raw}/README/work",
    "--device of another name": "{raw} {out} participant --device tpu",
    "--device cuda without a GPU": "{raw} {out} participant --device cuda:99",
    "filter file with an unknown entity": "{raw} {out} participant --bids-filter-file {files}/filter.json",
    "--derivatives that is no folder": "{raw} {out} participant --derivatives x={raw}/none",
    "--config with an unknown key": "{raw} {out} participant --config {files}/config.yml",
    "--outcome that is no rule": "{raw} {out} participant --outcome fma",
    "--outcome that the model does not predict": "{raw} {out} participant --outcome nihss>=5",
    "--model that does not exist": "{raw} {out} participant --model {raw}/none",
    "--model with a changed file": "{raw} {out} participant --model {files}/model",
    "train, --outcome that no table has": "{raw} {out} train --outcome nihss>=5",
    "train, a network that does not read its modality": "{raw} {out} train --config {files}/network.yml",
    "unknown participant": "{raw} {out} participant --participant-label 99",
    "unknown session": "{raw} {out} participant --session-label 99",
}


def main() -> None:
    """Run all commands, each version in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="checkout of another version")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    checkouts = {"now": HERE} | ({"before": given.before.resolve()} if given.before else {})
    with tempfile.TemporaryDirectory() as folder:
        places = make_places(Path(folder))
        print(
            "| refused: CPU s (wall s) |", " | ".join(checkouts), "| exit code |\n|---|" + "---|" * (len(checkouts) + 1)
        )
        for name, text in COMMANDS.items():
            arguments = [word.format(**places) for word in text.split()]
            print(f"| {name} |", " | ".join(cells(arguments, checkouts, given.rounds)), "|", flush=True)


def make_places(folder: Path) -> dict[str, Path]:
    """A dataset of one person, files to refuse, and a model of which one file was changed."""
    raw, files = folder / "raw", folder / "files"
    files.mkdir()
    (raw / "sub-01" / "anat").mkdir(parents=True)
    (raw / "sub-01" / "anat" / "sub-01_T1w.nii.gz").write_bytes(b"")
    (raw / "README").write_text("A cohort of one.")
    (raw / "participants.tsv").write_text("participant_id\tage\tfma_le\nsub-01\t60\t12\n")
    (raw / "dataset_description.json").write_text(json.dumps({"Name": "One", "BIDSVersion": "1.11.1"}))
    (files / "filter.json").write_text('{"bold": {"colour": "red"}}')
    (files / "network.yml").write_text("training: {members: {x: {modality: fa, network: lstm}}}")
    (files / "config.yml").write_text("colour: red\n")
    shipped = HERE / "bids_stroke" / "data" / "demonstration"
    for path in (path for path in shipped.rglob("*") if path.is_file()):
        copy = files / "model" / path.relative_to(shipped)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes() + (b"x" if path.name == "splits.tsv" else b""))
    return {"raw": raw, "out": folder / "out", "files": files}


def cells(arguments: list[str], checkouts: dict[str, Path], rounds: int) -> Iterator[str]:
    """For each checkout the median of CPU and wall seconds, then the exit code."""
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in checkouts}
    for _ in range(rounds):
        for name, checkout in checkouts.items():
            found[name].append(timed(arguments, checkout))
    for runs in found.values():
        cpu, wall, _ = (statistics.median(column) for column in zip(*runs, strict=True))
        yield f"{cpu:.2f} ({wall:.2f})"
    yield " or ".join(sorted({str(code) for runs in found.values() for *_, code in runs}))


def timed(arguments: list[str], checkout: Path) -> tuple[float, float, int]:
    """CPU and wall seconds of one command, children included, and its exit code."""
    command = [sys.executable, "-m", "bids_stroke", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    begin = time.monotonic()
    with subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime, time.monotonic() - begin, process.returncode


if __name__ == "__main__":
    main()
