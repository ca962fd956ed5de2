"""The rows of the table of predictions: what they show, lead to, and are filtered by."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bids_stroke.report.people import rows

TABLE = pd.DataFrame(
    [
        {"participant_id": "sub-01", "session_id": "ses-02", "probability_poor": 0.7, "prediction": "poor",
         "poor": 1.0, "score": 9, "missing": "eegemg_power lstm early_fusion biomarkers"},
        {"participant_id": "sub-02", "session_id": None, "probability_poor": 0.2, "prediction": "abstain",
         "poor": np.nan, "score": None, "missing": None},
        {"participant_id": "sub-03", "session_id": "n/a", "probability_poor": None, "prediction": "left-out",
         "poor": 0.0, "score": 30, "missing": "fa md", "excluded": "not current: inputs changed: x.nii.gz"},
    ]
)  # fmt: skip


def test_rows_lead_to_the_place_of_the_examination_on_the_persons_page() -> None:
    found, _ = rows(TABLE, {}, {})
    assert [row.page for row in found] == [
        "sub-01.html#ses-02", "sub-02.html#examination", "sub-03.html#examination",
    ]  # fmt: skip
    assert [row.session for row in found] == ["02", "–", "–"]


def test_what_is_missing_is_told_by_kind_of_data_once() -> None:
    found, lacking = rows(TABLE, {}, {"lstm": "eegemg"})
    assert [row.missing for row in found] == [("EEG and EMG",), (), ("Diffusion (DWI)",)]
    assert lacking == ["Diffusion (DWI)", "EEG and EMG"]


def test_decision_outcome_and_what_to_look_at() -> None:
    found, _ = rows(TABLE, {"sub-01_ses-02": "fail", "sub-02": "check"}, {})
    assert [row.decision for row in found] == ["poor", "abstain", "left-out"]
    assert [row.outcome for row in found] == ["poor", "unknown", "good"]
    assert [row.look for row in found] == ["fail", "check", ""]
    assert found[2].notes == "not evaluated: not current: inputs changed: x.nii.gz"
    assert (found[2].probability, found[1].score, found[0].score) == (None, None, 9.0)
