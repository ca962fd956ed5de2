"""What decisions by the probability would be worth: net benefit, and how many would be right at each limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.evaluation.bootstrap import Draws, too_few
from bids_stroke.evaluation.metrics import THRESHOLD, Array

CURVE_THRESHOLDS: Array = np.arange(1, 100) / 100
TABLE_THRESHOLDS: Array = np.arange(1, 10) / 10
AT_PROBABILITY, DECIDED_POOR, NOT_DECIDED_GOOD = "probability", "decided_poor", "not_decided_good"
"""Who counts as called poor: whose probability is at least the threshold; whom the model decided to be poor, by limits
that depend on what was measured; and all but those whom it decided to be good."""
TREAT_ALL, TREAT_NONE = "treat_all", "treat_none"
CURVE_COLUMNS = ("model", "threshold", "net_benefit", "low", "high", "n", "n_poor")
SHARES = ("sensitivity", "specificity", "ppv", "npv")
COUNTS = ("true_poor", "false_poor", "false_good", "true_good")
TABLE_COLUMNS = (
    "rule", "threshold", "n", "n_poor", *COUNTS,
    *(f"{share}{end}" for share in SHARES for end in ("", "_low", "_high")),
    "net_benefit", "net_benefit_low", "net_benefit_high",
)  # fmt: skip
CONFUSION_COLUMNS = ("rule", "outcome", "said", "n")
MOST_BASELINES, KNOWN_OF = 2, 0.9
"""Baselines that are drawn, and the share of the people of whom one must say something."""
_Z = 1.959963984540054


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), NaN of nobody.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    if n == 0:
        return float("nan"), float("nan")
    share, extra = successes / n, _Z**2 / n
    half = _Z * np.sqrt(share * (1 - share) / n + extra / (4 * n))
    return float((share + extra / 2 - half) / (1 + extra)), float((share + extra / 2 + half) / (1 + extra))


def net_benefit(poor: Array, called: NDArray[np.bool_], thresholds: Array, weights: Array) -> Array:
    """Net benefit of acting on the people who are called poor, in true poor outcomes a person.

    Parameters
    ----------
    poor : array
        (n,), 1 for a poor outcome, 0 for a good one.
    called : array of bool
        (thresholds, n), who is called poor at each threshold.
    thresholds : array
        (thresholds,), probabilities above 0 and below 1: how many needless actions one needed action outweighs.
    weights : array
        (draws, n), how often each participant counts.

    Returns
    -------
    array
        (draws, thresholds).

    Notes
    -----
    True positives / n - false positives / n * threshold / (1 - threshold): Vickers and Elkin 2006, "Decision curve
    analysis", Med Decis Making 26:565.

    Examples
    --------
    >>> poor, said = np.array([1.0, 1.0, 0.0, 0.0]), np.array([[True, True, True, False]])
    >>> float(net_benefit(poor, said, np.array([0.2]), np.ones((1, 4)))[0, 0])
    0.4375
    """
    odds = (thresholds / (1 - thresholds))[:, None]
    gained = called * (poor - (1 - poor) * odds)
    return np.asarray(weights @ gained.T / weights.sum(axis=1, keepdims=True))


def decision_curve(people: pd.DataFrame, baselines: Sequence[str], draws: Draws) -> pd.DataFrame:
    """Net benefit of the fusion, of the strongest baselines and of calling everybody or nobody poor.

    Parameters
    ----------
    people : DataFrame
        A row per participant: ``poor`` (0 or 1), ``probability_poor`` (0 to 1), and columns of baselines.
    baselines : sequence of str
        Columns with calibrated probabilities (``baseline_<name>``).
    draws : Draws
        Number and seed of the bootstrap draws.

    Returns
    -------
    DataFrame
        ``model`` (``fusion``, a baseline's name, ``treat_all``, ``treat_none``), ``threshold``, ``net_benefit`` with
        its 95 % interval over people, ``n``, ``n_poor``. All of the same people: those of whom every model here says
        something. Empty where people are too few for metrics.
    """
    chosen = strongest(people, baselines)
    given = people.dropna(subset=["probability_poor", *chosen])
    poor = given["poor"].to_numpy(float)
    if too_few(poor):
        return pd.DataFrame(columns=list(CURVE_COLUMNS))
    everybody = np.ones((len(CURVE_THRESHOLDS), len(poor)), dtype=bool)
    called = {"fusion": _at_least(given["probability_poor"], CURVE_THRESHOLDS)}
    called |= {name.removeprefix("baseline_"): _at_least(given[name], CURVE_THRESHOLDS) for name in chosen}
    called |= {TREAT_ALL: everybody, TREAT_NONE: ~everybody}
    tables = []
    for model, who in called.items():
        value, low, high = _with_interval(poor, who, CURVE_THRESHOLDS, draws)
        about = {"model": model, "threshold": CURVE_THRESHOLDS, "n": len(poor), "n_poor": int(poor.sum())}
        tables.append(pd.DataFrame(about | {"net_benefit": value, "low": low, "high": high}))
    return pd.concat(tables, ignore_index=True)[list(CURVE_COLUMNS)]


def strongest(people: pd.DataFrame, baselines: Sequence[str]) -> list[str]:
    """The baselines with the lowest Brier scores, of those that say something of nearly everybody."""
    common = [name for name in baselines if name in people and people[name].notna().mean() >= KNOWN_OF]
    given = people.dropna(subset=common)
    errors = {name: float(((given[name] - given["poor"]) ** 2).mean()) for name in common}
    return sorted(common, key=lambda name: (errors[name], name))[:MOST_BASELINES]


def threshold_table(people: pd.DataFrame, decided: NDArray[np.object_], draws: Draws) -> pd.DataFrame:
    """How many people would be called poor at each limit, and how many of these calls would be right.

    Parameters
    ----------
    people : DataFrame
        A row per participant: ``poor`` (0 or 1), ``probability_poor`` (0 to 1).
    decided : array of str
        (n,), what the model decided of each (``poor``, ``good``, ``abstain``), empty where nobody knows.
    draws : Draws
        Number and seed of the bootstrap draws.

    Returns
    -------
    DataFrame
        TABLE_COLUMNS: a row for each of TABLE_THRESHOLDS and, where the model decides, one for each of its own limits
        (of the people whose decision is known, without threshold and net benefit). Shares have Wilson's intervals, net
        benefit one by bootstrap. Empty where people are too few for metrics.
    """
    poor = people["poor"].to_numpy(float)
    if too_few(poor):
        return pd.DataFrame(columns=list(TABLE_COLUMNS))
    called = _at_least(people["probability_poor"], TABLE_THRESHOLDS)
    value, low, high = _with_interval(poor, called, TABLE_THRESHOLDS, draws)
    rows: list[dict[str, Any]] = []
    for i, threshold in enumerate(TABLE_THRESHOLDS):
        ends = {"net_benefit": value[i], "net_benefit_low": low[i], "net_benefit_high": high[i]}
        rows.append({"rule": AT_PROBABILITY, "threshold": float(threshold)} | _shares(poor, called[i]) | ends)
    if (known := decided != "").any() and (decided[known] != "abstain").any():
        own = ((DECIDED_POOR, decided == "poor"), (NOT_DECIDED_GOOD, decided != "good"))
        rows += [{"rule": rule} | _shares(poor[known], who[known]) for rule, who in own]
    return pd.DataFrame(rows, columns=list(TABLE_COLUMNS))


def confusion_table(people: pd.DataFrame, decided: NDArray[np.object_]) -> pd.DataFrame:
    """Number of people by outcome and by what was said of them, at 50 % and with the model's decisions.

    Returns
    -------
    DataFrame
        ``rule`` (``at_half`` or ``decisions``), ``outcome``, ``said`` (``poor``, ``good`` or ``abstain``), ``n``.
    """
    poor = people["poor"].to_numpy(float) == 1
    likely = np.where(people["probability_poor"].to_numpy(float) >= THRESHOLD, "poor", "good")
    rules: dict[str, tuple[NDArray[Any], tuple[str, ...]]] = {"at_half": (likely, ("poor", "good"))}
    if (decided != "").any():
        rules["decisions"] = (decided, ("poor", "abstain", "good"))
    rows = [
        {"rule": rule, "outcome": outcome, "said": word, "n": int(((said == word) & (poor == is_poor)).sum())}
        for rule, (said, all_words) in rules.items()
        for outcome, is_poor in (("poor", True), ("good", False)) for word in all_words
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(CONFUSION_COLUMNS))


def decisions_of(rows: pd.DataFrame, people: pd.DataFrame) -> NDArray[np.object_]:
    """What was decided of each person: what most of the rows (sessions, repeats) say, else ``abstain``.

    Parameters
    ----------
    rows : DataFrame
        A row per unit and repeat, those that count: ``participant_id``, ``prediction`` where there is one.
    people : DataFrame
        A row per participant, from `reduce_to_participants`.

    Returns
    -------
    array of str
        (n,), empty for people of whom nothing was decided.
    """
    if "prediction" not in rows or people.empty:
        return np.full(len(people), "", dtype=object)
    keys = [name for name in ("dataset", "participant_id") if name in people]
    said = rows[rows["prediction"].isin(("poor", "good", "abstain"))]
    shares = pd.DataFrame({word: said["prediction"].eq(word) for word in ("poor", "good")}).astype(float)
    means = shares.groupby([said[key] for key in keys], dropna=False).mean().reset_index()
    found = people[keys].merge(means, on=keys, how="left")
    word = np.where(found["poor"] > 0.5, "poor", np.where(found["good"] > 0.5, "good", "abstain")).astype(object)
    word[found["poor"].isna().to_numpy()] = ""
    return word


def _at_least(probability: pd.Series[float], thresholds: Array) -> NDArray[np.bool_]:
    """(thresholds, n) Who is called poor."""
    return np.asarray(probability.to_numpy(float)[None, :] >= thresholds[:, None])


def _with_interval(
    poor: Array, called: NDArray[np.bool_], thresholds: Array, draws: Draws
) -> tuple[Array, Array, Array]:
    value = net_benefit(poor, called, thresholds, np.ones((1, len(poor))))[0]
    drawn = np.concatenate([net_benefit(poor, called, thresholds, block) for block in draws.blocks(len(poor))])
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0, method="inverted_cdf")
    return value, low, high


def _shares(poor: Array, called: NDArray[np.bool_]) -> dict[str, Any]:
    """Counts of the four kinds of calls, and the shares that they give with Wilson's intervals."""
    bad = poor == 1
    counts = [int(which.sum()) for which in (called & bad, called & ~bad, ~called & bad, ~called & ~bad)]
    hits, alarms, misses, rejections = counts
    pairs = ((hits, misses), (rejections, alarms), (hits, alarms), (rejections, misses))
    row: dict[str, Any] = {"n": len(poor), "n_poor": int(bad.sum()), **dict(zip(COUNTS, counts, strict=True))}
    for name, (right, wrong) in zip(SHARES, pairs, strict=True):
        low, high = wilson(right, right + wrong)
        share = right / (right + wrong) if right + wrong else float("nan")
        row |= {name: share, f"{name}_low": low, f"{name}_high": high}
    return row
