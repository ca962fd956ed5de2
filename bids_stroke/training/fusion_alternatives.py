"""Other ways to fuse than weights on the simplex, in the same folds, and what choosing among members costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from bids_stroke.evaluation.metrics import ranking_metrics
from bids_stroke.features.covariates import CovariateScaler
from bids_stroke.fusion.fitted import clipped_logit

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]

MOST_MEMBERS = 10
"""With which every one of the 1023 subsets is tried."""
MOST_TOGETHER = 4
"""With more members only sets of so many are tried, and all members together."""
NESTED = "best_subset"


@dataclass(frozen=True, eq=False)
class FoldOutputs:
    """What the members said in one outer fold.

    Attributes
    ----------
    inner : (n_train, members) float64
        Of the training rows, out of the inner folds; NaN where a member is missing.
    poor : (n_train,) bool
        Their outcomes.
    test : (n_test, members) float64
        Of the test rows.
    """

    inner: Array
    poor: Truth
    test: Array


def subsets(n_members: int) -> list[tuple[int, ...]]:
    """Every non-empty set of members, small ones first; of many members (`MOST_MEMBERS`) the small sets and all."""
    sizes = range(1, n_members + 1) if n_members <= MOST_MEMBERS else (*range(1, MOST_TOGETHER + 1), n_members)
    return [subset for size in sizes for subset in combinations(range(n_members), size)]


def mean(probabilities: Array) -> Array:
    """Mean over the members that are there (n,), NaN where none is: the fusion of the MICCAI 2025 study."""
    present = np.isfinite(probabilities)
    total, count = np.where(present, probabilities, 0.0).sum(axis=1), present.sum(axis=1)
    return np.asarray(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0))


def vote(probabilities: Array) -> Array:
    """Share of the members that are there which say poor (n,), NaN where none is there."""
    return mean(np.where(np.isfinite(probabilities), probabilities >= 0.5, np.nan))


def stack(fold: FoldOutputs) -> Array:
    """Probabilities of the test rows by a logistic regression (L2, C=1) on the members' logits.

    A missing member counts as its mean and is told by an indicator (van Ness et al. 2023, "The missing indicator
    method: from low to high dimensions"). NaN for rows without any member, everywhere if there is one class only.
    """
    known = np.isfinite(fold.inner).any(axis=1)
    there = np.isfinite(fold.test).any(axis=1)
    result = np.full(len(fold.test), np.nan)
    poor = fold.poor[known]
    if not there.any() or poor.all() or not poor.any():
        return result
    logits = clipped_logit(fold.inner[known])
    scaler = CovariateScaler.fit([str(i) for i in range(logits.shape[1])], logits)
    model = LogisticRegression().fit(scaler.transform(logits), poor)
    result[there] = model.predict_proba(scaler.transform(clipped_logit(fold.test[there])))[:, 1]
    return result


def best_subset(fold: FoldOutputs) -> tuple[int, ...]:
    """Members whose mean has the largest AUC on the inner predictions; the smallest set of equals."""
    return max(subsets(fold.inner.shape[1]), key=lambda members: auc(fold.poor, mean(fold.inner[:, members])))


def auc(poor: Truth, probability: Array) -> float:
    """Area under the ROC curve; rows without a probability count as 0.5, one class only as no area (0.5)."""
    if poor.all() or not poor.any():
        return 0.5
    filled = np.where(np.isfinite(probability), probability, 0.5)
    return float(ranking_metrics(poor.astype(float), filled, np.ones((1, len(poor))))["auc"][0])


def alternatives(fold: FoldOutputs) -> dict[str, Array]:
    """Probabilities of the test rows by each other way to fuse: ``mean vote stacking best_subset``."""
    chosen = best_subset(fold)
    return {
        "mean": mean(fold.test), "vote": vote(fold.test), "stacking": stack(fold),
        NESTED: mean(fold.test[:, chosen]),
    }  # fmt: skip


def subset_table(names: Sequence[str], folds: Sequence[FoldOutputs], outcomes: Sequence[Truth]) -> pd.DataFrame:
    """The subsets of members, and the price of choosing the best one.

    Parameters
    ----------
    names : sequence of str
        Of the members.
    folds : sequence of FoldOutputs
        One for each outer fold.
    outcomes : sequence of (n_test,) bool
        Of the test rows of each fold.

    Returns
    -------
    DataFrame
        ``members`` (names joined by +), ``n_members``, ``auc_inner`` and ``auc_test`` (mean over outer folds, of the
        members' mean probability), ``times_chosen`` (outer folds in which the inner predictions chose it). The first
        row, ``nested choice``, is what choosing gives on people on whom nothing was chosen; the largest ``auc_test``
        below it is larger for having been looked for.
    """
    chosen = [best_subset(fold) for fold in folds]
    rows = [
        {
            "members": "+".join(names[i] for i in members),
            "n_members": len(members),
            "auc_inner": float(np.mean([auc(fold.poor, mean(fold.inner[:, members])) for fold in folds])),
            "auc_test": _auc_test(folds, outcomes, [members] * len(folds)),
            "times_chosen": chosen.count(members),
        }
        for members in subsets(len(names))
    ]
    table = pd.DataFrame(rows, columns=["members", "n_members", "auc_inner", "auc_test", "times_chosen"])
    table = table.sort_values(["auc_test", "n_members"], ascending=[False, True], ignore_index=True)
    nested = {"members": "nested choice", "n_members": None, "auc_inner": None, "times_chosen": len(folds)}
    first = pd.DataFrame([nested | {"auc_test": _auc_test(folds, outcomes, chosen)}], columns=table.columns)
    return pd.concat([first.astype(object), table.astype(object)], ignore_index=True)


def _auc_test(folds: Sequence[FoldOutputs], outcomes: Sequence[Truth], chosen: Sequence[tuple[int, ...]]) -> float:
    areas = [
        auc(poor, mean(fold.test[:, members])) for fold, poor, members in zip(folds, outcomes, chosen, strict=True)
    ]
    return float(np.mean(areas))
