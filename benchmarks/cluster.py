"""A Slurm array on two nodes of this machine against ``--nprocs 2``, on the same people, in one run: a ratio.

    python benchmarks/cluster.py DATA [--people 01 02] [OPTIONS OF bids_stroke]

Needs Debian's slurm-wlm and munge, and root. The array's time is from the first task's begin to the last one's end, as
Slurm tells it, beside that of the whole command, which looks rarely and writes pages. Both start from nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.helpers.slurm import two_nodes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", nargs="+", default=[])
    parser.add_argument("--units-per-task", type=int, default=1)
    parser.add_argument("--memory-mb", type=int, default=3500)
    arguments, further = parser.parse_known_args()
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    config = folder / "c.yml"
    config.write_text(
        f"cluster: {{units_per_task: {arguments.units_per_task}, memory_mb: {arguments.memory_mb}, minutes: 60}}\n"
    )
    people = ["--participant-label", *arguments.people] if arguments.people else []
    common = ["--config", str(config), "--skip-bids-validation", *people, *further]

    def seconds(out: str, environment: dict[str, str] | None, *words: str) -> float:
        command = [sys.executable, "-m", "bids_stroke", str(arguments.data), str(folder / out), "participant"]
        begin = time.monotonic()
        subprocess.run([*command, *common, *words], check=True, env=environment)
        return time.monotonic() - begin

    try:
        with two_nodes(folder / "s") as slurm:
            whole = seconds("array", dict(slurm.environment), "--cluster", "slurm")
            span = slurm.ask("squeue", "-h", "-a", "-r", "--states=all", "-o", "%S %e").split()
        alone = seconds("alone", None, "--nprocs", "2")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    moments = [time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S")) for text in span]
    array = max(moments) - min(moments)
    ratios = {"array / nprocs": round(array / alone, 3), "command / nprocs": round(whole / alone, 3)}
    print(json.dumps({"array s": array, "command s": round(whole, 1), "--nprocs 2 s": round(alone, 1), **ratios}))


if __name__ == "__main__":
    main()
