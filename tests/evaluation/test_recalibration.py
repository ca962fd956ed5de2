"""Recalibration on new people, and how many of them are needed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bids_stroke.evaluation.bootstrap import Draws
from bids_stroke.evaluation.metrics import Array, calibration_slope
from bids_stroke.evaluation.recalibration import people_needed, recalibrated, recalibration_table


def people(n: int, seed: int = 0, level: float = 0.0, slope: float = 1.0) -> tuple[Array, Array]:
    """Outcomes whose logits are ``level + slope`` times those of the probabilities."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 1.5, n)
    poor = (rng.random(n) < 1 / (1 + np.exp(-(level + slope * logit)))).astype(float)
    return poor, 1 / (1 + np.exp(-logit))


def values(poor: Array, probability: Array) -> pd.DataFrame:
    table = pd.DataFrame({"poor": poor, "probability_poor": probability})
    return recalibration_table(table, Draws(200, 1)).set_index(["version", "quantity"])


def test_a_shifted_model_is_mended_by_an_intercept() -> None:
    found = values(*people(400, level=1.5))
    assert found.loc[("original", "calibration_intercept"), "low"] > 0.8
    for version in ("in_the_large", "intercept_and_slope"):
        row = found.loc[(version, "calibration_intercept")]
        assert row["low"] < 0 < row["high"]
        assert found.loc[(version, "brier"), "value"] < found.loc[("original", "brier"), "value"] - 0.02
        assert found.loc[(version, "ici"), "value"] < 0.06 < found.loc[("original", "ici"), "value"]


def test_probabilities_that_are_too_sure_need_a_slope() -> None:
    found = values(*people(400, slope=0.4))
    for version in ("original", "in_the_large"):
        assert found.loc[(version, "calibration_slope"), "high"] < 0.7
    row = found.loc[("intercept_and_slope", "calibration_slope")]
    assert row["low"] < 1 < row["high"]
    assert found.loc[("intercept_and_slope", "brier"), "value"] < found.loc[("original", "brier"), "value"]


def test_nobody_is_judged_by_what_was_fitted_on_them() -> None:
    """Another probability of one person moves those of all others but their own tenth."""
    poor, probability = people(100, level=1.0)
    moved = probability.copy()
    moved[0] = 1 - moved[0]
    before, after = (recalibrated(poor, said, 0)["in_the_large"] for said in (probability, moved))
    same = np.flatnonzero(np.abs(after - before) < 1e-9)
    assert 8 <= len(same) <= 10
    assert 0 not in same


def test_noise_is_not_mended_into_something() -> None:
    """Fitted and judged on the same people of a calibrated model, two numbers always gain; out of fold they lose."""
    gains = []
    for seed in range(30):
        poor, probability = people(60, seed=seed)
        said = recalibrated(poor, probability, seed)
        brier = {version: float(np.mean((p - poor) ** 2)) for version, p in said.items()}
        gains.append(brier["original"] - brier["intercept_and_slope"])
    assert np.mean(gains) < 0


@pytest.mark.parametrize(("n_poor", "n_good"), [(4, 40), (9, 10), (0, 30)])
def test_too_few_people_are_told_what_is_needed(n_poor: int, n_good: int) -> None:
    poor = np.repeat([1.0, 0.0], [n_poor, n_good])
    found = values(poor, np.linspace(0.1, 0.9, len(poor)))
    assert found["value"].isna().all()
    wanted = "recalibration needs 20 people with a known outcome and 5 of each outcome"
    assert set(found["reason"]) == {f"{wanted} ({n_poor + n_good}: {n_poor} poor, {n_good} good)"}


def test_people_who_are_separated_completely_have_no_slope() -> None:
    poor = np.repeat([0.0, 1.0], 20)
    found = values(poor, np.linspace(0.1, 0.9, 40))
    assert found.loc[("intercept_and_slope", "brier"), "reason"] == "predictions separate the outcomes completely"
    assert np.isfinite(found.loc[("in_the_large", "brier"), "value"])


def test_number_of_people_as_published() -> None:
    """Riley et al. 2021: 385 for a share of a half and a standard error of .051 of ln(O/E)."""
    poor = np.repeat([0.0, 1.0], 100)
    found = people_needed(poor, np.linspace(0.05, 0.95, 200))
    assert found["people_for_oe"] == pytest.approx(385, abs=2)
    rare = people_needed(np.repeat([0.0, 1.0], [180, 20]), np.linspace(0.05, 0.95, 200))
    assert rare["people_for_oe"] == pytest.approx(9 * 385, abs=15)
    assert people_needed(np.ones(20), np.linspace(0.1, 0.9, 20)) == {}
    assert people_needed(poor, np.full(200, 0.5)) == {}


def test_the_slope_is_as_sure_as_is_said() -> None:
    """Standard deviation of the slope over 400 cohorts against that of the formula."""
    slopes, widths = [], []
    for seed in range(400):
        poor, probability = people(150, seed=seed)
        slopes.append(calibration_slope(poor, probability, np.ones((1, 150)))[0])
        widths.append(people_needed(poor, probability)["width_slope"])
    assert 2 * 1.96 * np.std(slopes) == pytest.approx(np.mean(widths), rel=0.15)
