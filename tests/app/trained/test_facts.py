"""What an evaluation adds to a bundle's facts."""

from __future__ import annotations

import json

from bids_stroke.app.trained.facts import performance
from bids_stroke.evaluation.evaluate import evaluate
from tests.helpers.evaluated import QUICK, cohort


def test_the_fusions_figures_are_kept_with_their_intervals_and_nobodys_label() -> None:
    evaluation = evaluate(cohort(), QUICK, {"fa": "fa"}, 0.9)
    found = performance(evaluation)
    auc = evaluation.metrics.set_index(["model", "metric"]).loc[("fusion", "auc")]
    assert found["quantities"]["auc"] == [round(float(auc[part]), 4) for part in ("value", "low", "high")]
    assert (found["participants"], found["poor"]) == (60, int(cohort()["poor"].sum()))
    assert {"r2", "decided", "interval_coverage", "ici"} <= found["quantities"].keys()
    assert "sub-" not in json.dumps(found, allow_nan=False)


def test_of_few_people_there_are_no_figures() -> None:
    assert performance(evaluate(cohort(6), QUICK))["quantities"] == {}
