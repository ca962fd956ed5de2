"""Plots of decisions and scores: what they say, read from the SVG files that they are."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from bids_stroke.evaluation.bootstrap import Draws
from bids_stroke.evaluation.decisions import decision_curve
from bids_stroke.report.performance import curves
from tests.helpers.pages import svg, written


def people(n: int = 40) -> pd.DataFrame:
    poor = (np.arange(n) % 2).astype(float)
    probability = np.clip(0.5 + 0.3 * (poor - 0.5) + np.random.default_rng(0).normal(0, 0.2, n), 0, 1)
    table = pd.DataFrame({"poor": poor, "probability_poor": probability, "score": 30 - 20 * poor})
    return table.assign(predicted_score=27 - 15 * poor, p_fa=probability[::-1], baseline_clinical=0.5)


def test_the_decision_curve_names_all_that_it_compares() -> None:
    text = svg(curves.decision_curve_plot(decision_curve(people(), ["baseline_clinical"], Draws(50, 0))))
    assert written(text)[-4:] == ["fusion", "clinical", "everybody called poor", "nobody called poor"]


def test_precision_and_recall_name_each_kind_of_model_once() -> None:
    table = people().assign(p_md=0.2)
    assert written(svg(curves.precision_recall_plot(table)))[-4:] == [
        "chance", "a single member", "a clinical baseline", "fusion",
    ]  # fmt: skip
    lone = table.assign(p_fa=table["p_fa"].where(table["poor"] == 1), p_md=np.nan)
    assert "a single member" not in written(svg(curves.precision_recall_plot(lone)))


def test_scores_have_a_dot_a_person() -> None:
    text = svg(curves.score_plot(people(40)))
    assert written(text)[-3:] == ["ideal", "good outcome", "poor outcome"]
    dots = re.findall(rf"<use [^>]*fill: {curves.POOR_COLOUR}", text)
    assert len(dots) == 20 + 1  # and the one of the legend


def test_the_limits_of_agreement_are_written_beside_their_lines() -> None:
    limits = {"bias": -1.0, "lower_limit": -6.04, "upper_limit": 4.0}
    texts = written(svg(curves.agreement_plot(people(), limits)))
    assert {"mean −1.0", "−1.96 SD −6.0", "+1.96 SD 4.0"} <= set(texts)
