"""Baselines in the folds of the networks: what age, time, the first score and one number of an image tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.features.covariates import CovariateScaler
from bids_stroke.features.readers import read_samples
from bids_stroke.networks import registry
from bids_stroke.networks.shallow import ShallowNetwork
from bids_stroke.training.cohort import Cohort
from bids_stroke.training.folds import Split

Array = NDArray[np.float64]

MINIMUM_PER_CLASS = 3


@dataclass(frozen=True, eq=False)
class Baseline:
    """Predictors of a baseline.

    Attributes
    ----------
    columns : (units, columns) float64
        NaN where missing.
    known : (units,) bool
        Rows that it says something of: those that have what the baseline is named for.
    """

    columns: Array
    known: NDArray[np.bool_]


def baselines(cohort: Cohort, inputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Baseline]:
    """Every baseline that somebody has the predictors of.

    ``clinical`` is age, sex and days since stroke. The others have these too, where they are known:
    ``initial_score`` the first score; ``lesion_volume`` log(1 + ml) of the lesion in standard space; ``tract_load``
    beside it log(1 + ml / 0.1) of its parts in the corticospinal tracts, added; ``tract_asymmetry`` the difference of
    mean FA between the tract's sides over their sum; ``band_power`` the logarithmic share of each band, mean over
    channels.

    Parameters
    ----------
    cohort : Cohort
        Units with their feature files.
    inputs : mapping
        Options of the readers by modality, for those whose defaults are not meant.
    """
    lesion, fa, power = _lesion(cohort), _asymmetry(cohort), _band_power(cohort, inputs.get("eegemg", {}))
    own = {
        "clinical": cohort.covariates[:, :0], "initial_score": cohort.first[:, None], "lesion_volume": lesion[:, :1],
        "tract_load": lesion, "tract_asymmetry": fa, "band_power": power,
    }  # fmt: skip
    clinical = cohort.covariates[:, np.isfinite(cohort.covariates).any(axis=0)]
    found = {name: _baseline(columns, clinical) for name, columns in own.items()}
    return {name: baseline for name, baseline in found.items() if baseline.known.any()}


def _baseline(own: Array, clinical: Array) -> Baseline:
    named = own if own.shape[1] else clinical
    return Baseline(np.concatenate([own, clinical], axis=1), np.asarray(np.isfinite(named).any(axis=1)))


def _lesion(cohort: Cohort) -> Array:
    """log(1 + ml) of the lesion, and log(1 + ml / 0.1) of its parts in the tracts, (n, 2)."""
    return _measured(cohort, "lesion", {}, _network("regions", quantity="volume", n_parcels=1))[:, :2]


def _asymmetry(cohort: Cohort) -> Array:
    """|left - right| / (left + right) of the tract's mean FA, (n, 1)."""
    values = _measured(cohort, "fa", {}, _network("regions", quantity="mean", n_parcels=1))
    total = values[:, 1:2]
    return np.divide(values[:, 3:4], total, out=np.full_like(total, np.nan), where=total > 0)


def _band_power(cohort: Cohort, inputs: Mapping[str, Any]) -> Array:
    """Logarithmic share of each band, mean over windows and channels, (n, bands); (n, 0) without options."""
    if not inputs:
        return np.full((len(cohort.units), 1), np.nan)
    channels = len(inputs["channels"])
    network = _network("band_power", n_channels=channels, rate=inputs["rate"])
    values = _measured(cohort, "eegemg", inputs, network)
    return np.asarray(values.reshape(len(values), -1, channels).mean(axis=2))


def _network(name: str, **arguments: Any) -> ShallowNetwork:
    network = registry.build(name, **arguments)
    assert isinstance(network, ShallowNetwork)  # the registry says so
    return network


def _measured(cohort: Cohort, modality: str, inputs: Mapping[str, Any], network: ShallowNetwork) -> Array:
    """Features of each unit, mean over its samples; NaN where the modality is missing."""
    found = np.full((len(cohort.units), network.n_features), np.nan)
    if any(unit.unit.features.get(modality) for unit in cohort.units):
        network.prepare()
    for row, labelled in enumerate(cohort.units):
        if paths := labelled.unit.features.get(modality, ()):
            try:
                samples = read_samples(modality, paths, inputs).data
            except MissingModalityError:  # such as a channel that the member needs
                continue
            found[row] = network.features(torch.from_numpy(samples)).mean(0).numpy()
    return found


def predict_baselines(found: Mapping[str, Baseline], cohort: Cohort, split: Split) -> dict[str, tuple[Array, Array]]:
    """Probabilities and scores of the test rows, by models fitted on the training rows.

    Logistic regression (L2, C=1) and ridge regression (alpha=1) on standardised predictors. NaN for rows without
    what a baseline is named for, and everywhere if the training rows hold too few of a class.
    """
    return {name: _predict(baseline, cohort, split) for name, baseline in found.items()}


def _predict(baseline: Baseline, cohort: Cohort, split: Split) -> tuple[Array, Array]:
    columns, known = baseline.columns, baseline.known
    train, there = split.train[known[split.train]], known[split.test]
    poor, score = cohort.poor[train], cohort.score[train]
    probability, expected = np.full(len(split.test), np.nan), np.full(len(split.test), np.nan)
    if min(poor.sum(), (~poor).sum()) < MINIMUM_PER_CLASS or not there.any():
        return probability, expected
    scaler = CovariateScaler.fit([str(i) for i in range(columns.shape[1])], columns[train])
    before, after = scaler.transform(columns[train]), scaler.transform(columns[split.test[there]])
    probability[there] = LogisticRegression().fit(before, poor).predict_proba(after)[:, 1]
    expected[there] = Ridge().fit(before, score).predict(after)
    return probability, expected
