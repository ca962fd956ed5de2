"""The plan of a cohort, the whole command: ours, pybids, bids2table and ancpbids in one run, each a process of its own.

    python benchmarks/discovery.py [--people 1000 10000] [--repeats 3] [--peers-python PATH] [--before PATH]

The datasets are made here: 16 files a person (T1w, DWI, BOLD, EEG, EMG with their sidecars and tables; images and
recordings are empty, nobody reads them). Ours finds the files, reads and merges the sidecars, joins participants.tsv
and prints what would be done with each file. The others index the dataset and count the BOLD runs; of them only pybids
reads the sidecars, and it runs once. ``--peers-python`` is an environment with bids2table and ancpbids. ``--before`` is
an older checkout of this repository: its command runs with this Python on few people and, unless ``--before-seconds``
is 0, for at most so many seconds on as many people as the first of ``--people``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

REPOSITORY = Path(__file__).resolve().parent.parent
FEW = (25, 50, 100)
"""People for an older checkout."""

PYBIDS = """
import sys, warnings; warnings.simplefilter("ignore")
from bids import BIDSLayout, BIDSLayoutIndexer
layout = BIDSLayout(sys.argv[1], validate=False, indexer=BIDSLayoutIndexer(validate=False))
print(len(layout.get(suffix="bold", extension=".nii.gz", return_type="filename")))
"""
BIDS2TABLE = """
import sys; from bids2table import index_dataset
table = index_dataset(sys.argv[1])
print(sum(s == "bold" and e == ".nii.gz" for s, e in zip(table["suffix"].to_pylist(), table["ext"].to_pylist())))
"""
ANCPBIDS = """
import sys; from ancpbids import BIDSLayout
print(len(BIDSLayout(sys.argv[1]).get(suffix="bold", extension=".nii.gz", return_type="filename")))
"""

MR = {f"DicomField{i:02d}": f"value {i}" if i % 3 else i * 0.37 for i in range(35)}
MR |= {"EchoTime": 0.03, "PhaseEncodingDirection": "j-", "TotalReadoutTime": 0.05,
       "SliceTiming": [i * 0.05 for i in range(35)]}  # fmt: skip
"""About as long as what dcm2niix writes."""
SIGNALS = {"TaskName": "legmove", "SamplingFrequency": 1000, "PowerLineFrequency": 50, "EEGReference": "Cz"}
SIGNALS |= {f"Field{i:02d}": "value" for i in range(15)}
FILES: Mapping[str, Mapping[str, object]] = {
    "anat": {"T1w.nii.gz": None, "T1w.json": MR},
    "dwi": {"dwi.nii.gz": None, "dwi.bval": None, "dwi.bvec": None, "dwi.json": MR},
    "func": {"task-rest_bold.nii.gz": None, "task-rest_bold.json": MR},
    "eeg": {f"task-legmove_eeg.{end}": None for end in ("vhdr", "vmrk", "eeg")}
    | {"task-legmove_eeg.json": SIGNALS, "task-legmove_channels.tsv": None, "task-legmove_events.tsv": None},
    "emg": {"task-legmove_emg.bdf": None, "task-legmove_emg.json": SIGNALS},
}


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    wall: float
    cpu: float
    megabytes: float
    output: str
    ended: bool = True
    """False: it was stopped, and took more than this."""


def make_dataset(root: Path, people: int) -> Path:
    """Write a dataset of 16 files a person and three at the root."""
    contents = {id(MR): json.dumps(MR, indent=2), id(SIGNALS): json.dumps(SIGNALS, indent=2)}
    rows = ["participant_id\tage\tsex\tdays_since_stroke\tfma_le"]
    for i in range(1, people + 1):
        label = f"sub-{i:05d}"
        rows.append(f"{label}\t{40 + i % 50}\t{'MF'[i % 2]}\t{i % 90}\t{i % 35}")
        for datatype, files in FILES.items():
            folder = root / label / datatype
            folder.mkdir(parents=True)
            for name, content in files.items():
                (folder / f"{label}_{name}").write_text(contents.get(id(content), ""))
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    (root / "task-rest_bold.json").write_text(json.dumps({"TaskName": "rest", "RepetitionTime": 2.0}))
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Made", "BIDSVersion": "1.11.1"}))
    return root


def run(command: Sequence[str], environment: Mapping[str, str], seconds: float = 0) -> Cost:
    """Run a program to its end, or for some seconds; its own peak memory, and the CPU time of it and its children."""
    with tempfile.TemporaryFile("w+") as out:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=out, stderr=subprocess.DEVNULL, env={**os.environ, **environment}, cwd=tempfile.gettempdir()
        )
        if seconds:
            signal.signal(signal.SIGALRM, lambda *_: process.kill())
            signal.setitimer(signal.ITIMER_REAL, seconds)
        _, status, used = os.wait4(process.pid, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        ended = process.returncode == 0
        if not ended and not seconds:
            raise RuntimeError(f"{' '.join(command[:4])} ... ended with {process.returncode}")
        out.seek(0)
        last = out.read().strip().rsplit("\n", 1)[-1]
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, last, ended)


def ours(dataset: Path, checkout: Path, *options: str, seconds: float = 0) -> Cost:
    """The plan by a checkout of this repository."""
    command = [sys.executable, "-m", "bids_stroke", str(dataset), str(dataset.parent / "out"), "participant",
               "--dry-run", "--model", "none", "--skip-bids-validation", *options]  # fmt: skip
    return run(command, {"PYTHONPATH": str(checkout)}, seconds)


def row(name: str, people: str, costs: Sequence[Cost], base: float) -> str:
    """One row of the table: least and median of CPU and wall time, peak memory, CPU beside ours."""
    cpu, wall = [cost.cpu for cost in costs], [cost.wall for cost in costs]
    more = "" if all(cost.ended for cost in costs) else "more than "
    cells = [name, people, f"{more}{min(cpu):.2f}", f"{median(cpu):.2f}", f"{min(wall):.2f}", f"{median(wall):.2f}",
             f"{max(cost.megabytes for cost in costs):.0f}", f"{more}{median(cpu) / base:.2g}"]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def compare(dataset: Path, people: int, arguments: argparse.Namespace) -> float:
    """Print the rows of one size, programs in turns; the median CPU time of ours."""
    programs = {"ours": lambda: ours(dataset, REPOSITORY)}
    if people <= arguments.pybids_people:
        programs["pybids"] = lambda: run([sys.executable, "-c", PYBIDS, str(dataset)], {})
    if arguments.peers_python:
        for name, code in (("bids2table", BIDS2TABLE), ("ancpbids", ANCPBIDS)):
            programs[name] = lambda code=code: run([arguments.peers_python, "-c", code, str(dataset)], {})
    costs: dict[str, list[Cost]] = {name: [] for name in programs}
    for i in range(arguments.repeats):
        for name, program in programs.items():
            if name == "pybids" and i > 0:  # takes as long as all others together
                continue
            cost = program()
            expected = f"{people} units, {5 * people} files." if name == "ours" else str(people)
            if cost.output != expected:
                raise RuntimeError(f"{name} found {cost.output!r}, not {expected!r}")
            costs[name].append(cost)
    base = median(cost.cpu for cost in costs["ours"])
    for name, found in costs.items():
        print(row(name, str(people), found, base), flush=True)
    if people > 1:
        alone = [ours(dataset, REPOSITORY, "--participant-label", "00007") for _ in range(arguments.repeats)]
        print(row("ours", f"1 of {people}", alone, base), flush=True)
    return base


def older(folder: Path, dataset: Path, people: int, base: float, arguments: argparse.Namespace) -> None:
    """Print the rows of an older checkout: few people, and as many as ours for a limited time."""
    for few in FEW:
        few_people = make_dataset(folder / f"few_{few}", few)
        print(row("before", str(few), [ours(few_people, arguments.before)], base), flush=True)
    if arguments.before_seconds:
        cost = ours(dataset, arguments.before, seconds=arguments.before_seconds)
        print(row("before", str(people), [cost], base), flush=True)


def main() -> None:
    """Make, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers-python", help="Python of an environment with bids2table and ancpbids")
    parser.add_argument("--pybids-people", type=int, default=1000, help="pybids only up to so many people")
    parser.add_argument("--before", type=Path, help="an older checkout of this repository")
    parser.add_argument("--before-seconds", type=float, default=600, help="stop it on the first of --people after")
    arguments = parser.parse_args()
    print("| program | people | CPU s, least | median | wall s, least | median | peak MB | CPU, ratio to ours |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    bases = {}
    with tempfile.TemporaryDirectory() as temporary:
        for people in arguments.people:
            dataset = make_dataset(Path(temporary) / f"people_{people}", people)
            bases[people] = compare(dataset, people, arguments)
            if arguments.before and people == arguments.people[0]:
                older(Path(temporary), dataset, people, bases[people], arguments)
    first = arguments.people[0]
    for people in arguments.people[1:]:
        print(f"\n{people} people take {bases[people] / bases[first]:.1f} times as long as {first} (CPU, median).")


if __name__ == "__main__":
    main()
