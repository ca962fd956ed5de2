"""What is known of evaluated people, from the units that count."""

from __future__ import annotations

import pandas as pd

from bids_stroke.evaluation.cohort.background import people_of


def test_a_person_has_what_is_first_known_in_the_sessions_that_count() -> None:
    rows = pd.DataFrame({"participant_id": ["a", "a", "b"], "session_id": ["ses-2", "ses-3", None]})
    participants = pd.DataFrame({"participant_id": ["a", "b"], "poor": [1.0, 0.0], "p_fa": [0.5, None], "p_md": [1, 1]})
    background = pd.DataFrame(
        {
            "participant_id": ["a", "a", "a", "b"], "session_id": ["ses-1", "ses-2", "ses-3", None],
            "age": [50.0, None, 52.0, 70.0], "days_since_stroke": [1.0, 30.0, 90.0, None], "first_score": None,
            "lesion_volume_ml": [9.0, None, None, 2.0], "sex": ["male", "male", "male", None], "lesion_side": None,
            "site": ["x", "y", "z", "z"],
        }
    )  # fmt: skip
    found = people_of(participants, rows, background, {"fa": "fa", "md": "fa"})
    table = found.table.set_index("participant_id")
    assert table.loc["a", ["age", "days_since_stroke", "site", "sessions"]].tolist() == [52.0, 30.0, "y", 2]
    assert pd.isna(table.loc["a", "lesion_volume_ml"]) and pd.isna(table.loc["b", "sex"])
    assert list(found.modalities) == ["fa"] and found.modalities["fa"].tolist() == [True, True]


def test_nobody_has_a_table_without_rows() -> None:
    nobody = pd.DataFrame({"participant_id": [], "poor": []})
    found = people_of(nobody, pd.DataFrame(), pd.DataFrame(), {})
    assert len(found.table) == 0 and "age" in found.table
