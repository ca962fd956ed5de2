"""The fusion in groups of people: by sex, age, site, time since stroke, side of the lesion and severity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import chi2

from bids_stroke.evaluation.bootstrap import Draws, too_few, undefined, with_intervals
from bids_stroke.evaluation.calibration import calibration_intercept
from bids_stroke.evaluation.cohort.background import People
from bids_stroke.evaluation.cohort.characteristics import common_levels, levels_of
from bids_stroke.evaluation.comparisons import holm
from bids_stroke.evaluation.metrics import Array, auc, calibration_slope, finite_logit

METRICS = ("auc", "brier", "calibration_intercept", "calibration_slope")
COLUMNS = (
    "subgroup", "level", "n", "n_poor", *(f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")),
    "reason", "p", "p_holm",
)  # fmt: skip
OLD = 65
"""Years that the age is cut at, unless fewer than a quarter of the people are on one side: then at the median."""
PHASES = ((7.0, "up to 7 days"), (90.0, "8 to 90 days"), (180.0, "91 to 180 days"), (np.inf, "more than 180 days"))
"""Acute, early and late subacute, chronic (Bernhardt et al. 2017, Int J Stroke 12:444): the last day and its name."""
LEAST_SHARE = 0.25


def subgroup_table(people: People, draws: Draws) -> pd.DataFrame:
    """Evaluate the fusion in groups of people, and test whether it means the same in all of them.

    Parameters
    ----------
    people : People
        With ``poor`` (0 or 1) and ``probability_poor`` (0 to 1) in their table.
    draws : Draws
        Number and seed of the bootstrap draws.

    Returns
    -------
    DataFrame
        A row per group: ``subgroup`` (what people are divided by), ``level``, ``n``, ``n_poor``, each of METRICS with
        its 95 % interval, ``reason`` where these are NaN, and the subgroup's ``p`` and ``p_holm`` (corrected for the
        number of subgroups). Only what divides the people into two groups or more; people of whom it is not known are
        in none.

    Notes
    -----
    Test: likelihood ratio of two logistic recalibrations of the outcome on the logit of the probability, one with an
    intercept and a slope for each group, one with a single intercept and slope for all: 2 (groups - 1) degrees of
    freedom; of the groups that have people enough for metrics. It asks whether a probability means the same in each
    group, in level or in spread.
    """
    poor, probability = (people.table[name].to_numpy(float) for name in ("poor", "probability_poor"))
    rows, tests = [], []
    for name, groups in divided(people.table).items():
        found = [(level, who.to_numpy(bool)) for level, who in groups.items()]
        rows += [{"subgroup": name, "level": level, **_row(poor[who], probability[who], draws)} for level, who in found]
        tests.append((name, same_line_p([(poor[who], probability[who]) for _, who in found])))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    corrected = holm(np.array([p for _, p in tests], dtype=float))
    both = {name: (p, after) for (name, p), after in zip(tests, corrected, strict=True)}
    for i, column in enumerate(("p", "p_holm")):
        table[column] = [float(both[name][i]) for name in table["subgroup"]]
    return table


def divided(table: pd.DataFrame) -> dict[str, dict[str, pd.Series]]:
    """Who is in each group of each subgroup that divides people: (n,) bool by name, by the name of the subgroup."""
    found = {
        "sex": _by_level(table["sex"]),
        "age": _cut(pd.to_numeric(table["age"]), OLD),
        "site": _by_level(common_levels(table["site"])),
        "days_since_stroke": _phases(pd.to_numeric(table["days_since_stroke"])),
        "lesion_side": _by_level(table["lesion_side"]),
        "first_score": _cut(pd.to_numeric(table["first_score"]), None),
    }
    there = {name: {level: who for level, who in groups.items() if who.any()} for name, groups in found.items()}
    return {name: groups for name, groups in there.items() if len(groups) > 1}


def _by_level(values: pd.Series) -> dict[str, pd.Series]:
    return {level: values == level for level in levels_of(values)}


def _cut(values: pd.Series, at: float | None) -> dict[str, pd.Series]:
    """Below, and at or above, a limit; at the median where there is none, or one that divides unevenly."""
    known = values.dropna()
    if known.empty:
        return {}
    even = at is not None and LEAST_SHARE <= float((known < at).mean()) <= 1 - LEAST_SHARE
    limit = at if even else float(known.median())
    return {f"below {limit:g}": values < limit, f"{limit:g} or more": values >= limit}


def _phases(values: pd.Series) -> dict[str, pd.Series]:
    """The phase after the stroke; where nearly all are in one, below and above the median."""
    starts = [-np.inf, *(last for last, _ in PHASES)]
    found = {name: (values > start) & (values <= last) for start, (last, name) in zip(starts, PHASES, strict=False)}
    known = int(values.notna().sum())
    return (
        found if max(int(who.sum()) for who in found.values()) <= (1 - LEAST_SHARE / 2) * known else _cut(values, None)
    )


def _row(poor: Array, probability: Array, draws: Draws) -> dict[str, Any]:
    reason = too_few(poor)
    row: dict[str, Any] = {"n": len(poor), "n_poor": int(poor.sum())}
    if reason:
        values = dict.fromkeys(METRICS, undefined(reason))
    else:
        values = with_intervals(
            lambda weights: {
                "auc": auc(poor, probability, weights),
                "brier": weights @ (probability - poor) ** 2 / weights.sum(axis=1),
                "calibration_intercept": calibration_intercept(poor, probability, weights),
                "calibration_slope": calibration_slope(poor, probability, weights),
            },
            len(poor),
            draws,
        )
    for metric in METRICS:
        own = values[metric]
        row |= {metric: own["value"], f"{metric}_low": own["low"], f"{metric}_high": own["high"]}
    return row | {
        "reason": "; ".join(dict.fromkeys(values[name]["reason"] for name in METRICS if values[name]["reason"]))
    }


def same_line_p(groups: list[tuple[Array, Array]]) -> float:
    """Test whether outcomes depend on the logit of their probability by the same line in each group.

    Parameters
    ----------
    groups : list of (array, array)
        Outcomes of 0 and 1, and probabilities of a poor one, of each group; those that are too small are left out.

    Returns
    -------
    float
        p of a likelihood-ratio test; NaN with fewer than two groups, or where one is separated completely.
    """
    used = [group for group in groups if not too_few(group[0])]
    if len(used) < 2:
        return float("nan")
    pooled = (np.concatenate([poor for poor, _ in used]), np.concatenate([said for _, said in used]))
    gain = sum(_log_likelihood(*group) for group in used) - _log_likelihood(*pooled)
    return float(chi2.sf(max(2 * gain, 0.0), 2 * (len(used) - 1))) if np.isfinite(gain) else float("nan")


def _log_likelihood(poor: Array, probability: Array) -> float:
    """Of the outcomes under their logistic regression on the logit; NaN where its slope is not finite."""
    once = np.ones((1, len(poor)))
    slope = float(calibration_slope(poor, probability, once)[0])
    if not np.isfinite(slope):
        return float("nan")
    logit = slope * finite_logit(probability)
    fitted = expit(logit + calibration_intercept(poor, expit(logit), once)[0])
    return float((poor * np.log(fitted) + (1 - poor) * np.log1p(-fitted)).sum())
