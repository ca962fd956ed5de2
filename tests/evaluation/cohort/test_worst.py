"""The largest errors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bids_stroke.evaluation.cohort.worst import worst_table


def test_those_furthest_from_their_outcome_come_first_with_what_they_lack() -> None:
    people = pd.DataFrame(
        {
            "participant_id": ["a", "b", "c"], "poor": [1.0, 0.0, 1.0], "probability_poor": [0.3, 0.9, 0.8],
            "score": [10.0, 30.0, 5.0], "predicted_score": [22.0, 12.0, 6.0], "p_fa": [0.1, np.nan, 0.2],
            "p_rest": [np.nan, np.nan, 0.5], "p_none": np.nan,
        }
    )  # fmt: skip
    decided = np.array(["good", "poor", "abstain"], dtype=object)
    found = worst_table(people, decided, {"rest": "bold", "none": "lesion"}, most=2)
    assert found["participant_id"].tolist() == ["b", "a"]
    assert found["error"].round(6).tolist() == [0.9, 0.7] and found["score_error"].tolist() == [-18.0, 12.0]
    assert found["decided"].tolist() == ["poor", "good"]
    assert found["missing"].tolist() == ["fa bold", "bold"]  # nobody has a lesion mask: that is no one's lack
    assert worst_table(people.drop(columns="score"), decided, {})["score_error"].isna().all()
