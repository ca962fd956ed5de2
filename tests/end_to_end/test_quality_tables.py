"""The tables of quality numbers, as the participant and the group level write them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bids_stroke.app import run
from bids_stroke.app.pages import Predicts, write_pages
from bids_stroke.app.request import Request
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import InputError
from bids_stroke.core.records import UnitStatus
from bids_stroke.core.settings import Execution, Settings
from bids_stroke.derivatives import manifest, status
from bids_stroke.derivatives.names import dataset_file, is_named
from bids_stroke.derivatives.outputs import Outputs
from tests.helpers.bids import make_dataset
from tests.helpers.quality import quality_steps


@pytest.fixture
def made(tmp_path: Path) -> Request:
    """A dataset of a person with two sessions and one without, and what the participant level left of them."""
    names = ["sub-1/ses-a/anat/sub-1_ses-a_T1w", "sub-1/ses-b/anat/sub-1_ses-b_T1w", "sub-2/anat/sub-2_T1w"]
    raw = make_dataset(tmp_path / "raw", {f"{name}.nii.gz": None for name in names})
    out = tmp_path / "out"
    for prefix, brain in (("sub-1_ses-a", 1500.0), ("sub-1_ses-b", 300.0), ("sub-2", 2100.0)):
        for name, report in quality_steps(brain=brain).items():
            done = manifest.make_manifest(out, {}, [], [], report)
            manifest.write_manifest(manifest.manifest_path(out, prefix, name), out, done)
        subject, _, session = prefix.removeprefix("sub-").partition("_ses-")
        status.write_status(out, UnitStatus(subject, session or None, "done"))
    return Request("group", out, Selection(raw), Settings(), Execution(verbosity=-1), validate_bids=False)


def test_reports_come_with_a_table_for_each_unit(made: Request) -> None:
    statuses = status.read_statuses(made.output_dir).units
    write_pages(made.output_dir, find_sessions(made.selection), statuses, Predicts())
    tables = [Outputs(made.output_dir, *unit).path("quality") for unit in (("1", "a"), ("1", "b"), ("2", None))]
    assert {path for path in made.output_dir.rglob("sub-*.tsv") if is_named(path, "quality")} == set(tables)
    page = (made.output_dir / "sub-1.html").read_text()
    assert tables[1].relative_to(made.output_dir).as_posix() in page
    assert page.count("Some results cannot be right") == 1


def test_the_group_level_writes_the_cohorts_table_also_without_predictions(made: Request) -> None:
    with pytest.raises(InputError, match="no prediction"):
        run.run(made)
    table = pd.read_csv(dataset_file(made.output_dir, "group_quality"), sep="\t")
    assert list(table["flag"]) == ["ok", "fail", "check"]
    assert list(table["session_id"].fillna("none")) == ["ses-a", "ses-b", "none"]
    assert table["anat_brain_volume_ml"].tolist() == [1500.0, 300.0, 2100.0]
