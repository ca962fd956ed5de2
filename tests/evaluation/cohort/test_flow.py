"""From units selected to people evaluated."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bids_stroke.evaluation.cohort.flow import flow_table


def table() -> pd.DataFrame:
    rows = [
        ("a", "ses-1", 0.2, 1.0, None, False), ("a", "ses-2", 0.3, 1.0, None, False),
        ("b", None, 0.4, np.nan, None, False),
        ("c", None, np.nan, 0.0, "not current: settings changed", None), ("d", None, 0.7, 0.0, None, True),
        ("e", None, np.nan, 0.0, "in-training-set", True),
    ]  # fmt: skip
    columns = ["participant_id", "session_id", "probability_poor", "poor", "excluded", "in_training_set"]
    return pd.DataFrame(rows, columns=columns)


def test_every_unit_is_counted_once_with_its_reason() -> None:
    selected = [("a", "ses-1"), ("a", "ses-2"), ("a", "ses-3"), *((name, None) for name in "bcdefg")]
    found = flow_table(selected, {("f", None): "no-t1w", ("a", "ses-3"): "no-t1w"}, table())
    assert found.to_numpy().tolist() == [
        ["selected", "", 9, 7],
        ["not_predicted", "no-t1w", 2, 2],
        ["not_predicted", "not-current", 1, 1],
        ["not_predicted", "not-run", 1, 1],
        ["predicted", "", 5, 4],
        ["left_out", "in-training-set", 1, 1],
        ["left_out", "no-outcome", 1, 1],
        ["evaluated", "internal", 1, 1],
        ["evaluated", "external", 2, 1],
    ]
    units = found.set_index("stage")["units"]
    assert units["selected"] - units["not_predicted"].sum() == units["predicted"]
    assert units["predicted"] - units["left_out"].sum() == units["evaluated"].sum()


def test_without_outcomes_nobody_is_evaluated() -> None:
    found = flow_table([("b", None)], {}, table().query("participant_id == 'b'"))
    assert found["units"].tolist() == [1, 1, 1, 0]
