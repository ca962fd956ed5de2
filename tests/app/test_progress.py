"""What long work shows while it goes on."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bids_stroke.app import progress
from bids_stroke.app.progress import files_not_used, status_table, tell_covariates, tracked
from bids_stroke.core.records import Session, UnitStatus


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
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
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
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    quiet = console(quiet=True, **options)
    assert list(tracked(quiet, "ab", "Checking units")) == ["a", "b"]
    assert shown(quiet) == ""


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
