"""Steps in processes of their own: which begin, what they wait for, and what becomes of the unit."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from bids_stroke.app.plan import UnitTask, plan_unit
from bids_stroke.app.unit.begun import Earlier, begin_steps, can_begin
from bids_stroke.app.unit.run import run_unit
from bids_stroke.core.errors import DataError
from bids_stroke.core.records import BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.imaging.side_by_side import AT_ONCE

LOG = logging.getLogger("test_begun")


@pytest.fixture
def task(tmp_path: Path) -> UnitTask:
    """A person whose images are lines of text, who may use two processes."""

    def text(name: str) -> BidsFile:
        path = tmp_path / "raw" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        return BidsFile(path, {}, {"RepetitionTime": 2.0})

    raw = {kind: (text(f"sub-1_{kind}.nii.gz"),) for kind in ("t1w", "dwi", "bold")}
    for end in (".bval", ".bvec"):
        text(f"sub-1_dwi{end}")
    session = Session("1", None, raw=raw)
    return UnitTask(session, tmp_path / "out", tmp_path / "work", Settings(), None, "Test cohort", processes=2)


def begins(task: UnitTask) -> list[str]:
    return [step.name for step in can_begin(task, [stage for stage in plan_unit(task) if stage.step])]


def done(task: UnitTask, *names: str, **more: object) -> None:
    """Leave manifests of steps as if they had run, with more in their recipes."""
    for stage in plan_unit(task):
        if stage.name in names:
            made = manifest.make_manifest(
                task.output_dir, {**stage.recipe, **more}, stage.inputs, (), StepReport(missing={"fa": "bad-data"})
            )
            manifest.write_manifest(stage.manifest_path(task), task.output_dir, made)


@pytest.mark.parametrize(("processes", "expected"), [(1, []), (2, ["dwi"]), (3, ["dwi", "bold"]), (9, ["dwi", "bold"])])
def test_steps_on_which_no_other_waits_begin_beside_those_before_them(
    task: UnitTask, processes: int, expected: list[str]
) -> None:
    assert begins(replace(task, processes=processes)) == expected


def test_only_what_has_to_run_begins_and_one_step_stays_here(task: UnitTask) -> None:
    done(task, "anat")
    assert begins(task) == ["bold"]  # this process takes dwi
    done(task, "dwi")
    assert begins(task) == []
    assert begins(replace(task, force=True)) == ["dwi"]


def test_a_step_that_was_made_without_a_broken_one_does_not_begin_before_that_has_run(task: UnitTask) -> None:
    """Where the anat step fails once more, what was made without it is up to date."""
    done(task, "dwi", **{"failed steps": {"anat": "bad-data"}})
    assert begins(task) == ["bold"]
    changed = replace(task, settings=Settings(seed=1))
    assert begins(changed) == ["dwi"]  # whatever becomes of anat


def test_who_asks_for_an_earlier_report_waits() -> None:
    reports: Future[dict[str, StepReport]] = Future()
    threading.Timer(0.2, reports.set_result, [{"anat": StepReport(qc={"a": 1.0})}]).start()
    earlier = Earlier(reports)
    assert earlier.waited == 0
    assert "lesion" not in earlier
    assert 0.1 < earlier.waited < 10
    assert earlier["anat"].qc == {"a": 1.0}
    assert (list(earlier), len(earlier)) == (["anat"], 1)


def test_cpus_are_shared_while_steps_run_side_by_side(task: UnitTask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AT_ONCE, "4")
    with begin_steps(task, [stage for stage in plan_unit(task) if stage.step], LOG) as begun:
        assert "dwi" in begun
        assert os.environ[AT_ONCE] == "2"
        assert len(multiprocessing.active_children()) == 1
    assert os.environ[AT_ONCE] == "4"
    assert multiprocessing.active_children() == []  # nobody asked for it: it is not left behind


def test_the_error_of_a_step_comes_back_with_its_traceback(task: UnitTask) -> None:
    with begin_steps(task, [stage for stage in plan_unit(task) if stage.step], LOG) as begun:
        begun.tell(task, {}, ())
        with pytest.raises(DataError, match=r"sub-1_dwi\.nii\.gz") as caught:
            begun.take("dwi")
    assert "read_series" in "".join(caught.value.__notes__)


@pytest.mark.inputs("A step whose process was killed beside another step of the same person runs once more, alone.")
def test_a_step_whose_process_is_killed_is_left_to_this_one(task: UnitTask, caplog: pytest.LogCaptureFixture) -> None:
    with begin_steps(task, [stage for stage in plan_unit(task) if stage.step], LOG) as begun:
        assert begun.take("bold") is None  # was not begun
        assert caplog.text == ""
        (process,) = multiprocessing.active_children()
        process.kill()
        assert begun.take("dwi") is None
    assert "dwi: its process was killed" in caplog.text


@pytest.mark.parametrize("processes", [2, 3])
def test_a_unit_fails_in_the_same_words_and_order(task: UnitTask, processes: int) -> None:
    alone = run_unit(replace(task, processes=1))
    beside = run_unit(replace(task, processes=processes, output_dir=task.output_dir.with_name("beside")))
    ours, theirs = (replace(found.status, seconds=0.0, peak_memory_mb=0.0) for found in (alone, beside))
    assert ours == theirs
    assert ours.status == "failed"
    assert ours.detail.index("anat:") < ours.detail.index("dwi:") < ours.detail.index("bold:")
    log = dataset_file(task.output_dir.with_name("beside"), "log", unit="sub-1").read_text()
    assert "Traceback" in log and "read_series" in log


def test_a_step_that_waits_for_one_that_broke_is_not_made(task: UnitTask) -> None:
    """Where anat fails for another reason than the data, nobody knows what it would have given."""
    task.work_dir.write_text("no folder")  # neither process can make its work folder in it
    result = run_unit(task)
    assert result.status.status == "failed"
    assert "anat:" in result.status.detail and "dwi:" not in result.status.detail
    assert not manifest.manifest_path(task.output_dir, "sub-1", "dwi").exists()
    assert multiprocessing.active_children() == []
