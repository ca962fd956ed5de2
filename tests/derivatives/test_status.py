"""Status files: what a unit's job says when it starts and ends, and what others make of broken or foreign ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from bids_stroke.core.errors import OutputError
from bids_stroke.core.records import UnitStatus
from bids_stroke.derivatives.status import (
    STATUS_COLUMNS,
    read_statuses,
    running_step,
    write_running,
    write_status,
    write_status_table,
    write_waiting,
)
from bids_stroke.derivatives.status_file import INTERRUPTED

DONE = UnitStatus("01", None, "done", "", "", 12.5, 900.0, "abc")


def file_of(root: Path, name: str) -> Path:
    path = root / "logs" / "status" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def only(root: Path) -> UnitStatus:
    found = read_statuses(root)
    assert found.passed_over == ()
    (unit,) = found.units
    return unit


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    other = UnitStatus("02", "1", "failed", "missing-bval", "sub-02_dwi.nii.gz has none.")
    for status in (other, DONE):
        write_status(tmp_path, status)
    assert read_statuses(tmp_path).units == (DONE, other)


def test_a_unit_that_runs_says_since_when_and_where(tmp_path: Path) -> None:
    begin = datetime.now(UTC).replace(microsecond=0)
    write_running(tmp_path, "01", "a")
    unit = only(tmp_path)
    assert (unit.subject, unit.session, unit.status, unit.reason) == ("01", "a", "running", "still-running")
    assert f"process {os.getpid()}" in unit.detail
    told = json.loads(file_of(tmp_path, "person-01_visit-a.json").read_text())
    assert begin <= datetime.fromisoformat(told["since"]) <= datetime.now(UTC)
    assert not unit.completed


def test_a_unit_that_runs_says_at_what_step(tmp_path: Path) -> None:
    begin = datetime.now(UTC) - timedelta(seconds=1)
    write_running(tmp_path, "01", "a", "dwi (3 of 7)", begin)
    assert only(tmp_path).detail.endswith(f"process {os.getpid()}, step dwi (3 of 7).")
    found = running_step(tmp_path, "sub-01_ses-a")
    assert found is not None
    assert found.step == "dwi (3 of 7)"
    assert found.seconds >= 1


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"status": "running"}', '{"status": "done"}', None])
def test_of_a_unit_that_does_not_run_there_is_no_step(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        file_of(tmp_path, "person-01.json").write_text(content)
    assert running_step(tmp_path, "sub-01") is None


def test_a_process_that_is_gone_is_at_no_step(tmp_path: Path) -> None:
    change(tmp_path, pid=2**22 + 1, step="dwi (3 of 7)")
    assert running_step(tmp_path, "sub-01") is None
    assert "step dwi (3 of 7)" in only(tmp_path).detail


def test_its_end_replaces_that_it_runs(tmp_path: Path) -> None:
    write_running(tmp_path, "01", None)
    write_status(tmp_path, DONE)
    assert only(tmp_path) == DONE


def test_a_process_that_was_killed_was_interrupted(tmp_path: Path) -> None:
    """Also while its parent has not yet asked how it ended."""
    code = (
        "import sys; from pathlib import Path; from bids_stroke.derivatives.status import write_running;"
        "write_running(Path(sys.argv[1]), '01', None); print('runs', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert only(tmp_path).status == "running"
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie until it is waited for
        assert only(tmp_path).reason == INTERRUPTED
    unit = only(tmp_path)
    assert (unit.status, unit.reason) == ("failed", INTERRUPTED)
    assert f"process {process.pid}, which is gone" in unit.detail


def test_a_unit_whose_turn_has_not_come_is_known_and_is_told_of_when_the_run_dies(tmp_path: Path) -> None:
    write_waiting(tmp_path, [("01", None), ("02", "a")])
    found = read_statuses(tmp_path).units
    assert [(unit.subject, unit.session, unit.status) for unit in found] == [
        ("01", None, "waiting"),
        ("02", "a", "waiting"),
    ]
    assert not any(unit.completed for unit in found)
    path = file_of(tmp_path, "person-01.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": 2**22 + 1}))
    unit = read_statuses(tmp_path).units[0]
    assert (unit.status, unit.reason) == ("failed", "not-begun")
    assert "ended before it came to this unit" in unit.detail
    assert running_step(tmp_path, "sub-01") is None


def change(root: Path, **values: object) -> None:
    """Let this process write that it runs, then change what it wrote."""
    write_running(root, "01", None)
    path = file_of(root, "person-01.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_later_process_of_the_same_number_is_another(tmp_path: Path) -> None:
    change(tmp_path, since=(datetime.now(UTC) - timedelta(days=400)).isoformat())
    assert only(tmp_path).reason == INTERRUPTED


@pytest.mark.parametrize("elsewhere", [{"host": "node7"}, {"pid_namespace": "pid:[1]"}])
def test_of_another_machine_or_container_nobody_can_tell(tmp_path: Path, elsewhere: dict[str, str]) -> None:
    change(tmp_path, pid=2**22 + 1, **elsewhere)
    assert only(tmp_path).status == "running"
    change(tmp_path, pid=2**22 + 1)
    assert only(tmp_path).reason == INTERRUPTED


BROKEN: dict[str, tuple[str, bytes, str]] = {
    # what: name of the file, its content, what is said of it
    "empty": ("person-02.json", b"", "it is empty"),
    "blank": ("person-02.json", b"\n", "it is empty"),
    "cut": ("person-02.json", b'{"subject": "02", "sta', "Unterminated string"),
    "no text": ("person-02.json", b"\xff\xfe\x00\x01", "codec can't decode"),
    "zeros": ("person-02.json", b"\0" * 512, "Expecting value"),
    "null": ("person-02.json", b"null", "it is empty"),
    "a list": ("person-02.json", b'[{"status": "done"}]', "it holds no object"),
    "a number of 5,000 digits": ("person-02.json", b'{"seconds": ' + b"1" * 5000 + b"}", "integer string conversion"),
    "a number of 400 digits": ("person-02.json", b'{"status": "done", "seconds": ' + b"1" * 400 + b"}", "'seconds'"),
    "nested very deep": ("person-02.json", b"[" * 100_000, "recursion"),
    "half of a surrogate pair": ("person-02.json", b'{"status": "done", "detail": "\\ud800"}', "surrogates"),
    "no status": ("person-02.json", b'{"subject": "02"}', "it has no 'status'"),
    "a status of another kind": ("person-02.json", b'{"status": 3}', "'status' is no text"),
    "NaN": ("person-02.json", b'{"status": "done", "seconds": NaN}', "'seconds' is no number"),
    "a time that is none": ("person-02.json", b'{"status": "running", "since": "noon", "host": "a", "pid": 9}', "noon"),
    "another program's file": ("notes.json", b'{"status": "done"}', "its name is that of no unit"),
}


@pytest.mark.parametrize(("name", "content", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_or_foreign_file_is_named_and_passed_over(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    write_status(tmp_path, DONE)
    write_status(tmp_path, UnitStatus("03", None, "failed"))
    file_of(tmp_path, name).write_bytes(content)
    found = read_statuses(tmp_path)
    assert [unit.subject for unit in found.units] == ["01", "03"]
    (sentence,) = found.passed_over
    assert str(file_of(tmp_path, name)) in sentence and said in sentence
    write_status_table(tmp_path, found.units)


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["folder", "dead link"])
def test_what_is_no_file_is_passed_over_too(tmp_path: Path, make: Callable[[Path], None]) -> None:
    write_status(tmp_path, DONE)
    make(file_of(tmp_path, "person-02.json"))
    found = read_statuses(tmp_path)
    assert found.units == (DONE,)
    assert len(found.passed_over) == 1


def test_half_a_file_of_a_job_that_is_writing_is_nothing(tmp_path: Path) -> None:
    write_status(tmp_path, DONE)
    file_of(tmp_path, ".tmp-12345678-person-02.json").write_text("")
    assert only(tmp_path) == DONE


def test_other_versions_may_say_more_or_less(tmp_path: Path) -> None:
    file_of(tmp_path, "person-01_visit-a.json").write_text('{"status": "queued", "queue": "long", "seconds": 3}')
    unit = only(tmp_path)
    assert (unit.subject, unit.session, unit.status, unit.seconds) == ("01", "a", "queued", 3)
    assert not unit.completed
    file_of(tmp_path, "person-01_visit-a.json").write_text('{"status": "running"}')
    assert only(tmp_path) == UnitStatus("01", "a", "running", "still-running")


def test_a_unit_that_was_up_to_date_keeps_the_numbers_of_its_run(tmp_path: Path) -> None:
    write_status(tmp_path, DONE)
    write_status(tmp_path, UnitStatus("01", None, "skipped", "up-to-date"))
    assert only(tmp_path) == DONE


@pytest.mark.parametrize("before", ["", '{"status": "failed"}', "running", None])
def test_but_not_what_says_nothing_or_no_longer_holds(tmp_path: Path, before: str | None) -> None:
    if before == "running":
        write_running(tmp_path, "01", None)
    elif before is not None:
        file_of(tmp_path, "person-01.json").write_text(before)
    write_status(tmp_path, UnitStatus("01", None, "skipped", "up-to-date"))
    assert only(tmp_path).status == "skipped"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file_of(tmp_path, "person-01.json").mkdir()
    for write in (lambda: write_status(tmp_path, DONE), lambda: write_running(tmp_path, "01", None)):
        with pytest.raises(OutputError, match=r"person-01\.json cannot be written"):
            write()


def test_the_table_has_a_row_for_each_unit(tmp_path: Path) -> None:
    write_status(tmp_path, DONE)
    write_running(tmp_path, "02", "1")
    path = write_status_table(tmp_path, read_statuses(tmp_path).units)
    table = pd.read_csv(path, sep="\t", dtype=str, na_values="n/a")
    assert tuple(table) == STATUS_COLUMNS
    assert list(table["status"]) == ["done", "running"]
    assert list(table["seconds"]) == ["12.5", "0"]
    assert f"process {os.getpid()}" in table["detail"][1]
