"""What cross-validation promises, held against new people: 20 cohorts of 200, with sessions and missing modalities."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.evaluation.metrics import calibration_slope
from bids_stroke.fusion.people import People
from tests.helpers.new_people import Said, Sample, said_of, sample, trained_on

N, N_NEW = 200, 2000


def numbers(truth: Sample, said: Said) -> dict[str, float]:
    """Slope, coverage and errors, where every person counts the same."""
    known = np.isfinite(said.probability)
    poor, score = truth.cohort.poor[known], truth.cohort.score[known]
    weight = People.of(truth.cohort.participants).among(known).weight
    probability, decision = said.probability[known], said.decision[known]
    inside = (score >= said.low[known]) & (score <= said.high[known])
    decided = decision != "abstain"
    wrong = decided & ((decision == "poor") != poor)
    third = np.argsort(np.argsort(said.score[known])) * 3 // known.sum()

    def mean(values: np.ndarray, of: np.ndarray) -> float:
        return float(weight[of] @ values[of] / weight[of].sum()) if of.any() else np.nan

    everybody = np.ones(len(poor), bool)
    doubt = np.minimum(probability, 1 - probability)
    found = {
        "slope": float(calibration_slope(poor.astype(float), probability, weight[None])[0]),
        "coverage": mean(inside, everybody), "poor": mean(inside, poor), "good": mean(inside, ~poor),
        "sets poor": mean(~wrong, poor), "sets good": mean(~wrong, ~poor),
        "decided": mean(decided, everybody), "error": mean(wrong, decided), "expected error": mean(doubt, decided),
        "surest": float(np.abs(probability - 0.5).max()),
    }  # fmt: skip
    return found | {f"third {i}": mean(inside, third == i) for i in range(3)}


def means(knows: float, n_cohorts: int, n: int = N) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Means over cohorts, and each one's numbers."""
    found = []
    for seed in range(n_cohorts):
        members, fused = trained_on(sample(n, seed, knows))
        new = sample(N_NEW, 10_000 + seed, knows)
        found.append(numbers(new, said_of(members, fused, new)))
    return {name: float(np.nanmean([one[name] for one in found])) for name in found[0]}, found


@pytest.mark.slow
def test_what_is_promised_holds_of_new_people() -> None:
    mean, each = means(0.8, 20)
    print({name: round(value, 3) for name, value in mean.items()}, "slopes", sorted(round(o["slope"], 2) for o in each))
    assert mean["slope"] == pytest.approx(1, abs=0.15)
    assert mean["coverage"] == pytest.approx(0.9, abs=0.02)
    assert min(mean[name] for name in ("poor", "good", "third 0", "third 1", "third 2")) >= 0.85
    assert min(mean["sets poor"], mean["sets good"]) >= 0.85
    assert mean["error"] == pytest.approx(mean["expected error"], abs=0.04) and mean["error"] < 0.2
    assert mean["decided"] > 0.2


@pytest.mark.slow
def test_of_noise_next_to_nothing_is_decided_and_nothing_is_sure() -> None:
    mean, each = means(0.0, 10)
    print({name: round(value, 3) for name, value in mean.items()})
    assert mean["decided"] < 0.05
    assert max(one["surest"] for one in each) < 0.45
    assert mean["coverage"] == pytest.approx(0.9, abs=0.03)
