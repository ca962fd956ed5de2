"""What long work shows while it goes on."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from bids_stroke.app import progress as progress_module
from bids_stroke.app.progress import (
    UnitProgress,
    files_not_used,
    print_few,
    print_units,
    remaining_seconds,
    status_table,
    tell_covariates,
    tracked,
)
from bids_stroke.core.records import Session, UnitStatus
from bids_stroke.derivatives.status import RunningStep


def console(**options: object) -> Console:
    return Console(file=io.StringIO(), width=100, **options)


def shown(on: Console) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def test_all_items_come_in_order_and_short_work_says_nothing() -> None:
    log = console()
    assert list(tracked(log, [3, 1, 2], "Checking units")) == [3, 1, 2]
    assert shown(log) == ""


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", 0.0)
    log = console()
    assert list(tracked(log, "ab", "Checking units")) == ["a", "b"]
    assert shown(log) == "Checking units: 0 of 2\nChecking units: 1 of 2\n"


def test_a_terminal_gets_a_bar_that_goes_away() -> None:
    terminal = console(force_terminal=True)
    items = tracked(terminal, "ab", "Checking units")
    assert list(items) == ["a", "b"]
    assert "Checking units" in shown(terminal) and "100%" in shown(terminal)
    assert shown(terminal).endswith("\x1b[2K")  # the line is empty again


@pytest.mark.parametrize("options", [{"force_terminal": True}, {}])
def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch, options: dict[str, bool]) -> None:
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_LINES", 0.0)
    quiet = console(quiet=True, **options)
    assert list(tracked(quiet, "ab", "Checking units")) == ["a", "b"]
    assert shown(quiet) == ""


def at(**steps: tuple[str, float]) -> Callable[[str], RunningStep | None]:
    """What ``look`` finds: ``sub_1=("dwi (3 of 7)", 60)``."""
    found = {name.replace("_", "-"): RunningStep(*told) for name, told in steps.items()}
    return found.get


def test_a_bar_names_unit_step_and_the_time_left() -> None:
    terminal = console(force_terminal=True)
    look = at(sub_1=("anat (1 of 7)", 50.0), sub_2=("dwi (3 of 7), beside it bold", 60.0), sub_3=("never asked", 1.0))
    with UnitProgress(terminal, ["sub-1", "sub-2", "sub-3"], 2, look) as progress:
        progress.refresh()
        assert progress.bar.below == ("  sub-1: anat (1 of 7)", "  sub-2: dwi (3 of 7), beside it bold")
        assert progress.bar.tasks[0].description == ""  # nothing has ended: nobody knows
        progress.ended("sub-1", "done in 600.0 s", 600.0)
        progress.refresh()
        assert progress.bar.tasks[0].description == "about 9 minutes left"  # of 2 units, less 61 s, two at a time
    assert "units" in shown(terminal) and "1/3" in shown(terminal)
    assert "[1/3] sub-1: done in 600.0 s" in shown(terminal)
    assert progress.bar.below == ()


def test_many_running_units_do_not_fill_the_terminal() -> None:
    units = [f"sub-{i}" for i in range(20)]
    progress = UnitProgress(console(force_terminal=True), units, 20, lambda unit: RunningStep("", 1.0))
    progress.refresh()
    assert len(progress.bar.below) == progress_module.MOST_RUNNING + 1
    assert progress.bar.below[0] == "  sub-0: begins"
    assert progress.bar.below[-1] == "  and 12 more"


def test_in_a_log_there_are_plain_lines_and_none_is_said_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "SECONDS_BETWEEN_STEPS", -1.0)
    log = console()
    steps = {"sub-1": RunningStep("anat (1 of 2)", 3.0)}
    with UnitProgress(log, ["sub-1", "sub-2"], 1, steps.get) as progress:
        progress.refresh()
        progress.refresh()
        steps["sub-1"] = RunningStep("figures (2 of 2)", 9.0)
        progress.refresh()
        progress.ended("sub-1", "done in 10.0 s", 10.0)
        progress.refresh()  # sub-2 has not begun
        steps["sub-2"] = RunningStep("anat (1 of 2)", 1.0)
        progress.refresh()
    assert shown(log).splitlines() == [
        "[0/2] sub-1: anat (1 of 2)",
        "[0/2] sub-1: figures (2 of 2)",
        "[1/2] sub-1: done in 10.0 s",
        "[1/2] sub-2: anat (1 of 2); less than a minute left",
    ]


def test_in_a_log_steps_are_told_once_a_minute_at_most() -> None:
    log = console()
    with UnitProgress(log, ["sub-1"], 1, at(sub_1=("anat (1 of 2)", 3.0))) as progress:
        progress.refresh()
        progress.ended("sub-1", "done in 10.0 s", 10.0)
    assert shown(log) == "[1/1] sub-1: done in 10.0 s\n"


def test_a_unit_that_comes_once_more_is_last() -> None:
    log = console()
    progress = UnitProgress(log, ["sub-1", "sub-2", "sub-3"], 2, at())
    progress.put_off("sub-1", "process-killed beside others: once more at the end, alone")
    assert progress.left == ["sub-2", "sub-3", "sub-1"]
    for unit in ("sub-2", "sub-3", "sub-1"):
        progress.ended(unit, "done", 1.0)
    assert shown(log).splitlines()[-1] == "[3/3] sub-1: done"


def test_units_that_did_not_get_to_work_tell_nothing_of_the_time() -> None:
    progress = UnitProgress(console(), ["sub-1", "sub-2"], 1, at())
    progress.ended("sub-1", "FAILED (process-killed)", 0.0)
    assert remaining_seconds(progress.seconds, [], 1, 1) is None
    assert remaining_seconds([60.0], [600.0], 1, 4) == 0.0  # longer than the others: nobody knows how much


def test_the_table_has_a_row_for_each_unit_whatever_its_status() -> None:
    log = console()
    log.print(
        status_table(
            [
                UnitStatus("1", "a", "done", seconds=3.25, peak_memory_mb=900),
                UnitStatus("2", None, "failed", "missing-bval"),
                UnitStatus("3", None, "running", "still-running"),
                UnitStatus("4", None, "queued"),
            ]
        )
    )
    lines = shown(log).splitlines()
    assert any("sub-1 ses-a" in line and "done" in line and "3.2" in line and "900" in line for line in lines)
    for words in (("sub-2", "failed", "missing-bval"), ("sub-3", "running", "still-running"), ("sub-4", "queued")):
        assert any(all(word in line for word in words) for line in lines)


def test_files_that_were_not_used_are_told_line_by_line_with_their_names_whole() -> None:
    many = {
        f"sub-1_task-rest_run-{run}_sbref.nii.gz": "sbref.nii.gz is not read; what is: T1w, bold" for run in range(9)
    }
    sessions = [Session("1", None, left_out={"sub-1_FLAIR.nii.gz": "FLAIR is not read", **many}), Session("2", None)]
    assert files_not_used(sessions) == [
        "Files found and not used:",
        "  sub-1_FLAIR.nii.gz: FLAIR is not read",
        "  sub-1_task-rest_run-0_sbref.nii.gz and 8 more: sbref.nii.gz is not read; what is: T1w, bold",
    ]
    assert files_not_used(sessions[1:]) == []
    told = files_not_used([Session(str(i), None, left_out={f"sub-{i}_x.nii": f"why {i}"}) for i in range(30)])
    assert len(told) == 22
    assert told[-1] == "  10 lines more: see the column left_out of the table of units"


def test_covariates_that_are_read_otherwise_are_told_once_for_each_kind() -> None:
    log = console()
    people: list[dict[str, float | str]] = [{"age": 999.0}, {"age": 60.0, "fma_le_baseline": "-99 (outside 0 to 34)"}]
    tell_covariates(log, people, "fma_le")
    age, score = shown(log).splitlines()
    assert age.startswith("Covariates: age is 999 (1 of 2 units): cannot be a number of years")
    assert score.startswith("Covariates: fma_le_baseline is -99 (outside 0 to 34) (1 of 2 units): no number")


def test_a_thousand_units_are_told_in_a_few_lines() -> None:
    log = console()
    states = ["failed"] * 200 + ["done"] * 700 + ["skipped"] * 100
    statuses = [UnitStatus(f"{i:04d}", None, state, "missing-bval") for i, state in enumerate(states)]
    print_units(log, statuses)
    assert "1000 units: 700 done, 200 failed, 100 skipped." in shown(log)
    assert "sub-0000" in shown(log) and "sub-0500" not in shown(log)
    assert len(shown(log).splitlines()) < 40
    few = console()
    print_units(few, statuses[:3])
    assert "units:" not in shown(few) and "sub-0002" in shown(few)


def test_of_many_lines_it_is_said_where_they_are() -> None:
    log = console()
    print_few(log, [f"[sub-{i}] failed" for i in range(1000)], "All are in the table.")
    assert shown(log).splitlines()[-2:] == ["[sub-19] failed", "980 more like these. All are in the table."]
    warned = console()
    print_few(warned, ["a"], "Nowhere.", warning=True)
    assert shown(warned) == "Warning: a\n"
