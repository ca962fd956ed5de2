"""Plots of the group report: what they say, read from the SVG files that they are."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from bids_stroke.report import plots
from tests.helpers.pages import svg, written


def people(n: int = 40) -> pd.DataFrame:
    poor = (np.arange(n) % 2).astype(float)
    probability = np.clip(0.5 + 0.3 * (poor - 0.5) + np.random.default_rng(0).normal(0, 0.2, n), 0, 1)
    table = pd.DataFrame({"poor": poor, "probability_poor": probability})
    return table.assign(p_fa=probability[::-1], p_bold=0.5, baseline_clinical=0.5)


def test_a_roc_curve_names_each_kind_of_model_once() -> None:
    legend = written(svg(plots.roc_plot(people())))[-3:]
    assert legend == ["a single member", "a clinical baseline", "fusion"]


def test_a_member_whose_people_have_one_outcome_has_no_roc_curve() -> None:
    table = people()
    without = table.drop(columns=["p_bold", "baseline_clinical"])
    lone = without.assign(p_fa=without["p_fa"].where(without["poor"] == 1))
    assert "a single member" in written(svg(plots.roc_plot(without)))
    assert "a single member" not in written(svg(plots.roc_plot(lone)))


def test_the_bins_of_the_calibration_hold_everybody_in_equal_parts() -> None:
    numbers = [int(text) for text in written(svg(plots.calibration_plot(people(42)))) if text.isdigit()]
    assert numbers == [9, 9, 8, 8, 8]
    assert [text for text in written(svg(plots.calibration_plot(people(5)))) if text.isdigit()] == ["5"]


def test_the_histogram_counts_the_people_of_each_outcome() -> None:
    table = people(9)
    table.loc[0, "probability_poor"] = np.nan
    texts = written(svg(plots.histogram_plot(table["probability_poor"], table["poor"])))
    assert "good outcome (4)" in texts and "poor outcome (4)" in texts
    assert not any("outcome (" in text for text in written(svg(plots.histogram_plot(table["probability_poor"], None))))


def test_curves_have_a_panel_for_each_member_and_a_dot_for_each_epoch_taken() -> None:
    rows = [
        {"member": member, "outer_fold": 0, "inner_fold": fold, "epoch": epoch, "loss": 1 / (1 + epoch + fold),
         "chosen": epoch == 2}
        for member in ("fa", "bold") for fold in (0, 1) for epoch in range(4)
    ]  # fmt: skip
    text = plots.curves_plot(pd.DataFrame(rows))
    assert [title for title in written(text) if title in ("fa", "bold")] == ["fa", "bold"]
    # a marker is a <use> with this fill; each panel has one for each of its two inner folds
    assert len(re.findall(rf"<use [^>]*fill: {plots.POOR_COLOUR}", text)) == 4


def test_the_same_numbers_give_the_same_bytes() -> None:
    table = people()
    for draw in (plots.roc_plot, plots.calibration_plot):
        assert draw(table) == draw(table)
        assert draw(table) != draw(table.assign(probability_poor=1 - table["probability_poor"]))


def test_the_calibration_tells_slope_and_intercept_and_draws_a_curve() -> None:
    texts = written(svg(plots.calibration_plot(people(), "slope 0.90\nintercept 0.10")))
    assert {"slope 0.90", "intercept 0.10", "smoothed"} <= set(texts)
    assert "smoothed" not in written(svg(plots.calibration_plot(people().assign(probability_poor=0.4))))
