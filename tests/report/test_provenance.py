"""What a page tells of its origin: stages, versions, input files, and methods of what ran for this person."""

from __future__ import annotations

from pathlib import Path

from bids_stroke.core.records import StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.provenance import RunTold
from bids_stroke.report.methods import installed_versions, methods
from bids_stroke.report.participant import Around, UnitReport, write_participant_report
from bids_stroke.report.provenance import made, stages_that_ran
from tests.helpers.pages import Page

RUN = RunTold("0.1.0", "2026-01-02T03:04:05+00:00", "bids_stroke raw out participant")


def leave(root: Path) -> Path:
    """A manifest of the step anat, with a file of the person and one of the whole dataset as inputs."""
    head, table = root / "raw" / "sub-01" / "anat" / "sub-01_T1w.nii.gz", root / "raw" / "T1w.json"
    head.parent.mkdir(parents=True)
    head.write_text("head")
    table.write_text("{}")
    recipe = {"code": "c0de" * 16, "libraries": {"SimpleITK": "2.5"}}
    done = manifest.make_manifest(root, recipe, [head, table], [], StepReport())
    manifest.write_manifest(manifest.manifest_path(root, "sub-01", "anat"), root, done)
    return head


def test_stages_tell_what_they_read_without_the_folders_of_this_machine(tmp_path: Path) -> None:
    head = leave(tmp_path)
    (stage,) = stages_that_ran(tmp_path, "sub-01", "01", ["anat", "dwi"])
    assert (stage.stage, stage.libraries) == ("anat", {"SimpleITK": "2.5"})
    assert stage.inputs == {
        "sub-01/anat/sub-01_T1w.nii.gz": manifest.stamp(head).sha256,
        "T1w.json": manifest.stamp(tmp_path / "raw" / "T1w.json").sha256,
    }


def test_the_page_shows_them_folded_with_the_last_run(tmp_path: Path) -> None:
    head = leave(tmp_path)
    ran = stages_that_ran(tmp_path, "sub-01", "01", ["anat"])
    around = Around("", "02", made(RUN, ["anat"], [], Settings()))
    path = write_participant_report(tmp_path, "01", [UnitReport("01", None, ran=ran)], around)
    page = Page(path)
    for expected in (
        "anat", "SimpleITK 2.5", "c0dec0dec0de", manifest.stamp(head).sha256, RUN.command, RUN.date,
        "The T1w image was corrected for its bias field by N4", "tustison2010", "N4ITK: improved N3 bias correction",
    ):  # fmt: skip
        assert expected in page.text
    assert str(tmp_path) not in page.text
    assert path.read_text().count("<details open") == 0


def test_methods_are_those_of_the_citation_file_and_of_what_ran_only() -> None:
    filled = made(RUN, ["anat"], ["lstm"], Settings())
    text, cited = methods(["anat"], ["lstm"], installed_versions(), Settings())
    assert "\n\n".join(filled.methods) == text.replace("@", "")
    assert [key for key, _ in filled.references] == list(cited)
    assert "Stacked LSTM networks" in filled.methods[-1] and "iffusion tensor" not in " ".join(filled.methods)
