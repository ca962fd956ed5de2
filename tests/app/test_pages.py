"""Pages of participants are written when something on them is new, and only then."""

from __future__ import annotations

import io
import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bids_stroke.app.pages import Predicts, person_facts, tell_pages, write_pages
from bids_stroke.core.records import Prediction, Session, StepReport, UnitStatus
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.names import sidecar_of
from bids_stroke.derivatives.outputs import Outputs
from tests.helpers.quality import quality_steps

SESSIONS = (Session("1", "a"), Session("1", "b"), Session("2", None))
STATUSES = tuple(UnitStatus(item.subject, item.session, "done") for item in SESSIONS)


def leave(out: Path, prefix: str, brain: float) -> None:
    """What the participant level leaves of a unit."""
    for name, report in quality_steps(brain=brain).items():
        done = manifest.make_manifest(out, {}, [], [], report)
        manifest.write_manifest(manifest.manifest_path(out, prefix, name), out, done)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    for session in SESSIONS:
        leave(tmp_path, session.prefix, 1500.0)
    assert write_pages(tmp_path, SESSIONS, STATUSES, Predicts()) == [tmp_path / "sub-1.html", tmp_path / "sub-2.html"]
    for path in tmp_path.rglob("*"):
        if path.is_file():
            os.utime(path, ns=(1, 1))  # what is written from now on can be told from it
    return tmp_path


def written(out: Path) -> set[str]:
    """Files that are new since the fixture."""
    return {path.name for path in out.rglob("*") if path.is_file() and path.stat().st_mtime_ns != 1}


def test_nothing_new_and_nothing_written(out: Path) -> None:
    pages = write_pages(out, SESSIONS, STATUSES, Predicts())
    assert pages == [out / "sub-1.html", out / "sub-2.html"]
    assert written(out) == set()


TABLES = [Outputs(Path(), "1", session).path("quality") for session in ("a", "b")]
MANIFEST = manifest.manifest_path(Path(), "sub-1", "page")
FIRST = {"sub-1.html", MANIFEST.name, *(path.name for table in TABLES for path in (table, sidecar_of(table)))}
CHANGES: dict[str, Callable[[Path], object]] = {
    "a step ran again": lambda out: leave(out, "sub-1_ses-b", 300.0),
    "a step's manifest is gone": lambda out: manifest.manifest_path(out, "sub-1_ses-a", "anat").unlink(),
    "the page is gone": lambda out: (out / "sub-1.html").unlink(),
    "the page was edited": lambda out: (out / "sub-1.html").write_text("notes"),
    "a table is gone": lambda out: (out / TABLES[0]).unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_new_makes_the_page_of_that_person_only(out: Path, change: Callable[[Path], object]) -> None:
    change(out)
    write_pages(out, SESSIONS, STATUSES, Predicts())
    assert written(out) >= FIRST
    assert not {name for name in written(out) if name.startswith("sub-2")}


def test_a_session_that_failed_stands_on_the_page_and_its_end_replaces_it(out: Path) -> None:
    broken = UnitStatus("1", "b", "failed", "missing-bval", "sub-1_dwi.nii.gz has no .bval file.")
    write_pages(out, SESSIONS, (STATUSES[0], broken, STATUSES[2]), Predicts())
    assert "has no .bval file" in (out / "sub-1.html").read_text()
    assert "sub-2.html" not in written(out)
    write_pages(out, SESSIONS, STATUSES, Predicts())
    assert "has no .bval file" not in (out / "sub-1.html").read_text()


def test_that_a_run_did_nothing_is_nothing_new(out: Path) -> None:
    skipped = [replace(status, status="skipped", reason="up-to-date") for status in STATUSES]
    write_pages(out, SESSIONS, skipped, Predicts())
    assert written(out) == set()


def test_files_that_are_left_out_and_members_stand_on_the_page(out: Path) -> None:
    left_out = [replace(SESSIONS[0], left_out={"sub-1_task-a_bold.nii.gz": "task a is not rest"}), *SESSIONS[1:]]
    write_pages(out, left_out, STATUSES, Predicts())
    assert "task a is not rest" in (out / "sub-1.html").read_text()
    assert "sub-2.html" not in written(out)
    write_pages(out, left_out, STATUSES, Predicts({"net": "fa"}))
    assert "sub-2.html" in written(out)


def test_a_session_that_never_ran_is_not_on_the_page(out: Path) -> None:
    write_pages(out, SESSIONS, STATUSES[:1], Predicts())
    assert "Session b" not in (out / "sub-1.html").read_text()
    assert "sub-2.html" not in written(out)


def test_a_page_tells_what_its_figures_are(out: Path) -> None:
    picture = out / "sub-2" / "figures" / "sub-2_desc-lesion_figure.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"a picture")
    done = manifest.make_manifest(out, {}, [], [], StepReport(files={picture.name: picture}))
    manifest.write_manifest(manifest.manifest_path(out, "sub-2", "figures"), out, done)
    write_pages(out, SESSIONS, STATUSES, Predicts())
    assert f"data:image/png;base64,{b64encode(b'a picture').decode()}" in (out / "sub-2.html").read_text()
    assert "sub-1.html" not in written(out)


def test_notes_on_tables_and_sidecars_stand_on_the_page(out: Path) -> None:
    note = "participants.tsv has no row of this person; its first row is '2'."
    noted = [replace(SESSIONS[0], notes=(note,)), *SESSIONS[1:]]
    write_pages(out, noted, STATUSES, Predicts())
    assert "participants.tsv has no row of this person" in (out / "sub-1.html").read_text()
    assert "sub-2.html" not in written(out)


def test_what_the_tables_tell_of_a_person() -> None:
    known = {"age": 68.0, "sex": "F", "days_since_stroke": 12.0, "lesion_side": "R", "fma_le_baseline": 9.0}
    prediction = Prediction(0.5, None, "poor", None, {}, {}, {"outcome": "fma_le<=17"}, False)
    assert person_facts(Session("1", None, covariates=known), prediction) == (
        ("Age", "68 years"), ("Sex", "female"), ("Since stroke", "12 days"), ("Side, by the table", "right"),
        ("First fma_le", "9"),
    )  # fmt: skip
    assert person_facts(Session("1", None), None)[0] == ("Age", "not known")


def test_pages_lead_to_the_people_before_and_after_and_a_new_neighbour_is_linked(out: Path) -> None:
    first, second = ((out / f"sub-{label}.html").read_text() for label in "12")
    assert 'href="sub-2.html" rel="next"' in first and 'rel="prev"' not in first
    assert 'href="sub-1.html" rel="prev"' in second and 'rel="next"' not in second
    between = UnitStatus("11", None, "running")  # another job's
    write_pages(out, SESSIONS, (*STATUSES, between), Predicts())
    assert 'href="sub-11.html" rel="next"' in (out / "sub-1.html").read_text()


def test_methods_are_of_the_steps_and_settings_of_this_person(out: Path) -> None:
    done = manifest.make_manifest(out, {"settings": {"fit": "restore"}}, [], [], StepReport())
    manifest.write_manifest(manifest.manifest_path(out, "sub-2", "dwi"), out, done)
    write_pages(out, SESSIONS, STATUSES, Predicts())
    text = (out / "sub-2.html").read_text()
    assert "fitted by robust estimation (RESTORE)" in text and "were read and filtered by MNE-BIDS" not in text
    assert "fitted by weighted least squares" in (out / "sub-1.html").read_text()


def test_of_many_pages_the_first_is_told(tmp_path: Path) -> None:
    said = io.StringIO()
    tell_pages(Console(file=said, width=500), [tmp_path / f"sub-{number}.html" for number in range(1000)])
    assert said.getvalue() == f"Reports: 1000 pages, the first is {tmp_path / 'sub-0.html'}\n"
