"""Clinical baselines: what age, time, the first score or the lesion's size tell without any network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from bids_stroke.covariates import CovariateScaler
from bids_stroke.features import read_samples
from bids_stroke.training.cases import Cohort
from bids_stroke.training.folds import Split

Array = NDArray[np.float64]

MINIMUM_PER_CLASS = 3
VOXEL_ML = 0.008
"""Volume of a voxel of the standard grid."""


def baseline_values(cohort: Cohort, outcome_column: str) -> dict[str, Array]:
    """Predictors of each baseline that somebody has: name -> (units, columns), NaN where missing.

    ``clinical`` is age, sex and days since stroke; ``initial_score`` the column ``<outcome>_baseline``;
    ``lesion_volume`` the logarithm of the lesion's volume (ml) in standard space.
    """
    first = [unit.unit.covariates.get(f"{outcome_column}_baseline") for unit in cohort.units]
    scores = np.array([value if isinstance(value, (int, float)) else np.nan for value in first])
    volumes = np.array([_lesion_volume(cohort, row) for row in range(len(cohort.units))])
    values = {"clinical": cohort.covariates, "initial_score": scores[:, None], "lesion_volume": volumes[:, None]}
    return {name: columns for name, columns in values.items() if np.isfinite(columns).any()}


def _lesion_volume(cohort: Cohort, row: int) -> float:
    paths = cohort.units[row].unit.features.get("lesion", ())
    if not paths:
        return np.nan
    return float(np.log1p(read_samples("lesion", paths, {}).data.sum(dtype=np.float64) * VOXEL_ML))


def predict_baselines(values: Mapping[str, Array], poor: NDArray[np.bool_], split: Split) -> dict[str, Array]:
    """Probabilities of the test rows by logistic regressions (L2, C=1) fitted on the training rows.

    NaN for rows without any of a baseline's predictors, and everywhere if the training rows hold too few of a class.
    """
    return {name: _predict(columns, poor, split) for name, columns in values.items()}


def _predict(columns: Array, poor: NDArray[np.bool_], split: Split) -> Array:
    known = np.asarray(np.isfinite(columns).any(axis=1))
    train = split.train[known[split.train]]
    result = np.full(len(split.test), np.nan)
    if min(poor[train].sum(), (~poor[train]).sum()) < MINIMUM_PER_CLASS:
        return result
    scaler = CovariateScaler.fit([str(i) for i in range(columns.shape[1])], columns[train])
    model = LogisticRegression().fit(scaler.transform(columns[train]), poor[train])
    there = known[split.test]
    if there.any():
        result[there] = model.predict_proba(scaler.transform(columns[split.test[there]]))[:, 1]
    return result
