"""events.tsv as it is found: its labels, its marks, and tables that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.errors import DataError
from bids_stroke.preprocess.eegemg.timing.events import Marks, events_of, marks_of
from tests.helpers.paused import edf_d

JOINTS = [
    "boundary",
    "Boundary",
    "BAD boundary",
    "EDGE boundary",
    "EDGE",
    "edge_of_run",
    "New Segment/",
    "Comment/EDGE boundary",
]


def labelled(*labels: str) -> Marks:
    return Marks(np.zeros(len(labels)), np.zeros(len(labels)), labels)


def test_joints_are_known_by_the_words_of_each_program() -> None:
    assert labelled(*JOINTS).joint.all()
    assert not labelled(*JOINTS).bad.any()
    others = labelled("flexion", "BAD_cough", "bad", "boundary crossed", "knowledge", "Comment/BAD_x", "BAD_ACQ_SKIP")
    assert not others.joint.any()
    assert others.bad.tolist() == [False, True, True, False, False, True, False]
    assert others.left_out.tolist() == [False] * 6 + [True]


def test_labels_are_taken_from_the_first_column_that_has_any() -> None:
    table = pd.DataFrame({"onset": ["1.5", "n/a"], "trial_type": ["n/a", "n/a"], "value": ["7", "BAD"]})
    marks = marks_of(table)
    assert marks.label == ("7", "BAD")
    np.testing.assert_array_equal(marks.onset, [1.5, np.nan])
    assert marks.duration.tolist() == [0, 0]
    assert marks_of(table.drop(columns=["trial_type", "value"])).label == ("n/a", "n/a")
    assert marks_of(None).label == marks_of(table.drop(columns="onset")).label == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [("tsv", b""), ("tsv", b"onset\tduration\n1\t2\n1\t2\t3\t4\n"), ("json", b"{"), ("json", b"\xff\xfe{")],
)
def test_what_is_no_table_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    item = edf_d(tmp_path, kind="emg")
    folder = item.path.parent
    (folder / "sub-01_task-leg_events.tsv").write_text("onset\tduration\n1\t1\n")
    (folder / f"sub-01_task-leg_events.{name}").write_bytes(content)
    with pytest.raises(DataError, match=r"_events\.tsv or its sidecar") as caught:
        events_of(item)
    assert caught.value.reason == "bad-events-table"
