"""The fusion against each other model on the same people: differences, their intervals, and tests for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from bids_stroke.evaluation.bootstrap import MINIMUM_PARTICIPANTS, Draws, too_few, with_intervals
from bids_stroke.evaluation.metrics import Array, auc, delong_test, regression_metrics

COLUMNS = (
    "model", "kind", "metric", "n", "n_poor", "fusion", "other", "difference", "low", "high", "low_refit", "high_refit",
    "p", "p_holm", "reason",
)  # fmt: skip
FEWEST_FOLDS = 3
"""With which an interval over folds is given."""
LEAST_IN_A_FOLD, LEAST_OF_A_CLASS = 5, 2
"""People in a fold that is used, and of each class for AUC and Brier score."""


@dataclass(frozen=True)
class Compared:
    """A model that the fusion is compared with.

    Attributes
    ----------
    name, kind : str
        As in the table of metrics.
    probability : str
        Column with its probability of a poor outcome.
    score : str
        Column with its score, which need not be there.
    calibrated : bool
        Whether its probabilities are to be judged as such.
    """

    name: str
    kind: str
    probability: str
    score: str
    calibrated: bool


def comparison_table(
    people: pd.DataFrame, rows: pd.DataFrame, others: Sequence[Compared], draws: Draws
) -> pd.DataFrame:
    """Compare the fusion with other models, each on the people that both have predicted.

    Parameters
    ----------
    people : DataFrame
        A row per participant, as `reduce_to_participants` gives them.
    rows : DataFrame
        The rows that these are means of; with ``fold`` and ``repeat`` where they are of a cross-validation.
    others : sequence of Compared
        What the fusion is compared with.
    draws : Draws
        Number and seed of the bootstrap draws.

    Returns
    -------
    DataFrame
        A row per model and metric. ``difference``: fusion minus other of ``auc`` and ``r2``, of ``brier`` (where
        less is better) too; ``low`` and ``high`` its 95 % interval over people, models as they are; ``low_refit`` and
        ``high_refit`` one of the mean over the folds, in which the models were fitted anew, where there are any; ``p``
        two-sided; ``p_holm`` corrected for all rows of the table. NaN with a ``reason`` where people are too few.

    Notes
    -----
    AUC: DeLong's test. Brier score and R2: paired t test of the squared errors. Over folds: the corrected resampled
    t interval (Nadeau and Bengio 2003, "Inference for the generalization error"), whose variance counts that training
    sets overlap. Correction: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    found = [_row(people, rows, other, metric, draws) for other in others for metric in _metrics(people, other)]
    table = pd.DataFrame(found, columns=list(COLUMNS))
    table["p_holm"] = holm(table["p"].to_numpy(float))
    return table


def holm(p: Array) -> Array:
    """P-values corrected for their number, NaN left out.

    >>> holm(np.array([0.01, np.nan, 0.04, 0.03])).tolist()
    [0.03, nan, 0.06, 0.06]
    """
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def _metrics(people: pd.DataFrame, other: Compared) -> list[str]:
    scores = {"score", "predicted_score", other.score} <= set(people)
    return ["auc", *(["brier"] if other.calibrated else []), *(["r2"] if scores else [])]


def _columns(other: Compared, metric: str) -> tuple[str, str, str]:
    """Truth, fusion and other model of a metric."""
    if metric == "r2":
        return "score", "predicted_score", other.score
    return "poor", "probability_poor", other.probability


def _row(people: pd.DataFrame, rows: pd.DataFrame, other: Compared, metric: str, draws: Draws) -> dict[str, Any]:
    names = _columns(other, metric)
    given = people.dropna(subset=list(names))
    truth, fusion, model = (given[name].to_numpy(float) for name in names)
    head: dict[str, Any] = {"model": other.name, "kind": other.kind, "metric": metric}
    head |= {"n": len(given), "n_poor": int(given["poor"].sum())}
    few = f"too few participants ({len(given)} of at least {MINIMUM_PARTICIPANTS})"
    reason = (few if len(given) < MINIMUM_PARTICIPANTS else "") if metric == "r2" else too_few(truth)
    if reason:
        return head | {"reason": reason}
    measure = _MEASURES[metric]

    def both(weights: Array) -> dict[str, Array]:
        one, two = measure(truth, fusion, weights), measure(truth, model, weights)
        return {"fusion": one, "other": two, "difference": one - two}

    values = with_intervals(both, len(given), draws)
    low, high = _over_folds(rows, names, metric)
    return head | {
        "fusion": values["fusion"]["value"], "other": values["other"]["value"],
        "difference": values["difference"].pop("value"), **values["difference"],
        "low_refit": low, "high_refit": high, "p": _test(metric, truth, fusion, model),
    }  # fmt: skip


def _brier(truth: Array, said: Array, weights: Array) -> Array:
    return np.asarray(weights @ (said - truth) ** 2 / weights.sum(axis=1))


def _r2(truth: Array, said: Array, weights: Array) -> Array:
    return regression_metrics(truth, said, weights)["r2"]


_MEASURES: dict[str, Callable[[Array, Array, Array], Array]] = {"auc": auc, "brier": _brier, "r2": _r2}


def _test(metric: str, truth: Array, fusion: Array, model: Array) -> float:
    """Two-sided p-value of no difference."""
    if metric == "auc":
        return delong_test(truth, fusion, model)
    apart = (fusion - truth) ** 2 - (model - truth) ** 2
    error = float(apart.std(ddof=1)) / np.sqrt(len(apart))
    if error == 0:
        return 1.0 if apart.mean() == 0 else float("nan")
    return float(2 * student.sf(abs(apart.mean()) / error, len(apart) - 1))


def _over_folds(rows: pd.DataFrame, names: tuple[str, str, str], metric: str) -> tuple[float, float]:
    """The corrected resampled t interval of the difference; NaN where there are no folds, or too few of use."""
    nothing = (float("nan"), float("nan"))
    if not {"fold", "repeat", *names} <= set(rows):
        return nothing
    given = rows.dropna(subset=list(names))
    keys = [name for name in ("dataset", "participant_id") if name in given]
    differences, shares = [], []
    for _, own in given.groupby(["repeat", "fold"]):
        people = own[[*keys, *names]].groupby(keys, dropna=False).mean()
        truth, fusion, model = (people[name].to_numpy(float) for name in names)
        if len(truth) < LEAST_IN_A_FOLD:
            continue
        if metric != "r2":
            truth = (truth >= 0.5).astype(float)
            if min(truth.sum(), len(truth) - truth.sum()) < LEAST_OF_A_CLASS:
                continue
        weights = np.ones((1, len(truth)))
        one, two = (_MEASURES[metric](truth, said, weights)[0] for said in (fusion, model))
        differences.append(float(one - two))
        shares.append(len(people))
    known = np.array(differences)[np.isfinite(differences)]
    n, people_in_all = len(known), len(given[keys].drop_duplicates())
    if n < FEWEST_FOLDS:
        return nothing
    tested = float(np.mean(shares))
    variance = (1 / n + tested / (people_in_all - tested)) * float(known.var(ddof=1))
    half = float(student.ppf(0.975, n - 1)) * np.sqrt(variance)
    return float(known.mean() - half), float(known.mean() + half)
