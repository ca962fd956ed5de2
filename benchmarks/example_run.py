"""The example dataset's seven sessions, from nothing to reports: this checkout against an older one, in turns.

    python benchmarks/example_run.py --before PATH [--repeats 3]

``PATH`` is a checkout of the older version; both run in this environment. Prints a Markdown table: CPU seconds of each
run, their medians, and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parents[1]


def main() -> None:
    """Run both in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="checkout of the version to compare with")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    checkouts = {"before": given.before.resolve(), "now": HERE}
    seconds: dict[str, list[float]] = {name: [] for name in checkouts}
    for turn in range(given.repeats):
        order = list(checkouts) if turn % 2 == 0 else list(reversed(checkouts))
        for name in order:
            seconds[name].append(cpu_seconds(checkouts[name]))
            print(f"{name}: {seconds[name][-1]:.1f} s of CPU", file=sys.stderr, flush=True)
    print("| | CPU s of each run | median | ratio |\n|---|---|---|---|")
    before = statistics.median(seconds["before"])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"| {name} | {', '.join(f'{value:.1f}' for value in values)} | {median:.1f} | {median / before:.3f} |")


def cpu_seconds(checkout: Path) -> float:
    """CPU seconds of a whole ``participant`` run on the example dataset, with all processes that it starts."""
    with tempfile.TemporaryDirectory() as folder:
        data = checkout / "example_bids_dataset"
        command = [sys.executable, "-m", "bids_stroke", str(data), f"{folder}/out", "participant"]
        command += ["--skip-bids-validation", "--nprocs", "1", "--omp-nthreads", "1"]
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{checkout} ended with {process.returncode}")
        return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
