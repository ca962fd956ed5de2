"""``--cluster slurm`` on a real Slurm of two nodes, whose daemons run here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas as pd
import pytest

from bids_stroke.features.readers import GRID_SHAPE
from tests.helpers.bids import make_dataset
from tests.helpers.slurm import SECONDS, Slurm, two_nodes
from tests.helpers.units import write_volume
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.slurm
OPTIONS = ("--modalities", "lesion", "--skip-bids-validation")
SETTINGS = "explain: false\ncluster:\n  memory_mb: 1600\n  minutes: {minutes}\n  units_per_task: {units}\n"
OF_A_RUN = ("logs", ".html")
"""In the names of files that hold dates and seconds."""


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    folder = Path(tempfile.mkdtemp(prefix="slurm"))
    try:
        with two_nodes(folder / "s") as running:
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def dataset(folder: Path, people: Sequence[str]) -> Path:
    """A second for each person: a lesion mask that is in standard space already."""
    raw = make_dataset(folder / "raw data")  # a path that a shell would take apart
    mask = np.zeros(GRID_SHAPE, np.uint8)
    mask[30:40, 40:50, 30:40] = 1
    for label in people:
        write_volume(raw / f"sub-{label}" / "anat" / f"sub-{label}_space-MNI152NLin2009aSym_label-L_mask.nii.gz", mask)
    return raw


def app(slurm: Slurm, raw: Path, out: Path, level: str, *options: str) -> CompletedProcess[str]:
    command = [sys.executable, "-m", "bids_stroke", str(raw), str(out), level, *OPTIONS, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=slurm.environment)


def told(slurm: Slurm, out: Path) -> dict[str, str]:
    """Unit -> state, as ``bids_stroke_tools status`` tells."""
    code = "from bids_stroke.cli.tools import main; main()"
    answer = slurm.ask(sys.executable, "-c", code, "status", str(out), "--json")
    return {one["unit"]: one["state"] for one in json.loads(answer)}


def table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "logs" / "status.tsv", sep="\t", dtype=str, na_values="n/a").set_index("subject")


def settings(folder: Path, text: str = "", *, minutes: int = 5, units: int = 1) -> tuple[str, str]:
    path = folder / "settings.yml"
    path.write_text(SETTINGS.format(minutes=minutes, units=units) + text)
    return "--config", str(path)


def results(out: Path) -> dict[str, bytes]:
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {name: path.read_bytes() for path in files if not any(
        part in (name := str(path.relative_to(out))) for part in OF_A_RUN)}  # fmt: skip


def forget_group(out: Path) -> None:
    for path in (*out.glob("group_*"), *out.glob("phenotype/*")):
        path.unlink()


def test_a_task_that_was_cancelled_is_named_and_run_by_the_second_call_alone(slurm: Slurm, tmp_path: Path) -> None:
    raw, out = dataset(tmp_path, ("1", "2")), tmp_path / "out put"
    config = settings(tmp_path)
    slurm.ask("scontrol", "update", "nodename=n2", "state=drain", "reason=test")
    try:
        done = app(slurm, raw, out, "participant", *config, "--cluster", "slurm", "--no-wait")
        assert done.returncode == 0, done.stderr
        assert "tasks: 2, units in each: 1, memory: 1600 MB, time limit: 5 min" in done.stderr
        job = slurm.ask("squeue", "-h", "-o", "%F").split()[0]
        assert list(table(out)["status"]) == ["waiting"] * 2, "everybody has a row from the start"
        wait_for(lambda: told(slurm, out)["sub-1"] == "running", SECONDS)
        assert told(slurm, out)["sub-2"] == "pending"
        slurm.ask("scancel", f"{job}_1")
        wait_for(lambda: told(slurm, out)["sub-2"] == "CANCELLED" and told(slurm, out)["sub-1"] == "done", SECONDS)
        group = app(slurm, raw, out, "group", *config)
        assert group.returncode == 65
        assert "sub-2 failed (cancelled): Slurm's task" in group.stderr
    finally:
        slurm.ask("scontrol", "update", "nodename=n2", "state=resume")
    done = app(slurm, raw, out, "participant", *config, "--cluster", "slurm")
    assert done.returncode == 0, done.stderr
    assert "tasks: 1, units in each: 1" in done.stderr
    assert set(table(out)["status"]) <= {"done", "skipped"}
    alone = tmp_path / "alone"
    assert app(slurm, raw, alone, "participant", *config).returncode == 0
    forget_group(out)
    assert results(out) == results(alone)


def test_what_slurm_refuses_is_said_in_its_own_words(slurm: Slurm, tmp_path: Path) -> None:
    raw, out = dataset(tmp_path, ("1",)), tmp_path / "out"
    config = settings(tmp_path, "  sbatch: [--partition=none]\n")
    done = app(slurm, raw, out, "participant", *config, "--cluster", "slurm")
    assert done.returncode == 2
    assert "invalid partition specified" in done.stderr
    assert dict(table(out)["reason"]) == {"1": "not-begun"}
    without = {**slurm.environment, "PATH": str(tmp_path)}
    done = app(Slurm(slurm.folder, without), raw, out, "participant", *config, "--cluster", "slurm")
    assert done.returncode == 66
    assert "sbatch is not here" in done.stderr


DEATHS = """\
  setup:
    - 'case ${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID in'
    - '"$FIRST"_0) sleep 100 ;;'
    - '"$FIRST"_1) "$PYTHON" -c "import time; b = bytearray(2000 * 2**20); time.sleep(20)" ;;'
    - '"$FIRST"_2) nothing_of_this_name; exit 127 ;;'
    - 'esac'
"""


@pytest.mark.slow
def test_memory_time_and_broken_jobs_are_named_and_what_more_of_it_helps_is_run_once_more(
    slurm: Slurm, tmp_path: Path
) -> None:
    """Nothing but the first array is disturbed: what is handed over once more goes well."""
    raw, out = dataset(tmp_path, ("1", "2", "3", "4")), tmp_path / "out"
    queue = slurm.ask("sbatch", "--parsable", "--hold", "--wrap", "true").strip()
    slurm.ask("scancel", queue)
    variables = {"FIRST": str(int(queue) + 1), "PYTHON": sys.executable}
    config = settings(tmp_path, DEATHS, minutes=1)
    disturbed = Slurm(slurm.folder, {**slurm.environment, **variables})
    done = app(disturbed, raw, out, "participant", *config, "--cluster", "slurm")
    assert done.returncode == 65, done.stderr
    assert "sub-1: time-limit: once more, with more time" in done.stderr
    assert "sub-2: out-of-memory: once more, with more memory" in done.stderr
    assert "memory: 3200 MB, time limit: 1 min" in done.stderr
    assert "memory: 1600 MB, time limit: 2 min" in done.stderr
    assert dict(table(out)["reason"].fillna("")) == {"1": "", "2": "", "3": "job-failed", "4": ""}
    assert "nothing_of_this_name" in table(out)["detail"]["3"]
    done = app(slurm, raw, out, "participant", *settings(tmp_path), "--cluster", "slurm")
    assert done.returncode == 0, done.stderr
    assert "tasks: 1, units in each: 1" in done.stderr
    grouped = app(slurm, raw, out, "group", *settings(tmp_path), "--cluster", "slurm")
    assert grouped.returncode == 0, grouped.stderr
    assert "Quality of all units" in grouped.stderr, "what the job said is said here"
    alone = tmp_path / "alone"
    for level in ("participant", "group"):
        assert app(slurm, raw, alone, level, *settings(tmp_path)).returncode == 0
    assert results(out) == results(alone)


STAND_IN = """\
import json, sys
from pathlib import Path
label = sys.argv[sys.argv.index("--participant-label") + 1]
path = Path(sys.argv[2]) / "logs" / "status" / f"person-{label}.json"
path.write_text(json.dumps({"subject": label, "session": None, "status": "done", "seconds": 1.0}))
"""


@pytest.mark.slow
def test_more_units_than_the_largest_array_has_tasks(slurm: Slurm, tmp_path: Path) -> None:
    """1,200 at a MaxArraySize of 1001; the tasks write what the app does in the end, and nothing else."""
    people = [f"{number:04d}" for number in range(1200)]
    raw = dataset(tmp_path, people[:1])
    name = "sub-{0}/anat/sub-{0}_space-MNI152NLin2009aSym_label-L_mask.nii.gz"
    for label in people[1:]:
        path = raw / name.format(label)
        path.parent.mkdir(parents=True)
        os.link(raw / name.format(people[0]), path)
    program = tmp_path / "stand_in.py"
    program.write_text(STAND_IN)
    config = settings(tmp_path, f"  command: {sys.executable} -S {program}\n")
    out = tmp_path / "out"
    done = app(slurm, raw, out, "participant", *config, "--cluster", "slurm")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "tasks: 1001," in done.stderr
    assert "tasks: 199," in done.stderr
    assert list(table(out)["status"]) == ["done"] * 1200
