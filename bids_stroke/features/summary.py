"""A person in few numbers: by these it is told whether a model was trained on people like them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np

from bids_stroke.core.biomarkers import BIOMARKERS as EVERY_BIOMARKER
from bids_stroke.core.modalities import BIOMARKERS, MODALITIES
from bids_stroke.core.records import UnitFeatures
from bids_stroke.derivatives.biomarkers import read_biomarkers
from bids_stroke.features.covariates import covariate_values
from bids_stroke.features.readers import read_volume

_NOT_COUNTED = ("sex",)
"""Covariates that are no quantity: who is of a sex that nobody in training had is told of by the covariates' scaler."""
_MEAN = "mean_"
_UNITS = {"age": "years", "days_since_stroke": "days"}
_WORDS = {"days_since_stroke": "time since stroke"}


@dataclass(frozen=True)
class Quantity:
    """One number of a person.

    Attributes
    ----------
    name : str
        A covariate, a biomarker, or ``mean_<modality>`` for the mean of a map where it is above 0.
    words : str
        Its name in sentences.
    unit : str
        Empty where it has none.
    skewed : bool
        Whether it is 0 or more without an upper limit: then its cube root is compared, because a lesion of 300 ml is
        not as odd beside one of 30 ml as its millilitres say (the cube root of a volume is its width).
    """

    name: str
    words: str
    unit: str = ""
    skewed: bool = False


def quantity(name: str) -> Quantity:
    """What a number is.

    >>> quantity("lesion_volume_ml").words, quantity("mean_fa").words, quantity("days_since_stroke").skewed
    ('lesion volume', 'mean of the map fa', True)
    """
    if one := EVERY_BIOMARKER.get(name):
        return Quantity(name, one.words, one.unit, one.limits == (0.0, inf))
    modality = MODALITIES.get(name.removeprefix(_MEAN)) if name.startswith(_MEAN) else None
    if modality:
        unit = modality.standard_map.unit if modality.standard_map else ""
        return Quantity(name, f"mean of the map {modality.name}", unit)
    return Quantity(name, _WORDS.get(name, name), _UNITS.get(name, ""), name == "days_since_stroke")


def quantity_names(covariates: Sequence[str], modalities: Collection[str]) -> tuple[str, ...]:
    """Every number that a model may know people by.

    Parameters
    ----------
    covariates : sequence of str
        Those that its members read.
    modalities : collection of str
        Those that its members read: of those that are one map, other than a mask, the mean counts.

    >>> names = quantity_names(("age", "sex"), ("fa", "lesion"))
    >>> names[:2], names[-1]
    (('age', 'lesion_volume_ml'), 'mean_fa')
    """
    maps = [m for m, known in MODALITIES.items() if m in modalities and known.sample == "volume" and not known.is_mask]
    counted = [name for name in covariates if name not in _NOT_COUNTED]
    return (*counted, *EVERY_BIOMARKER, *(f"{_MEAN}{name}" for name in maps))


def summary_numbers(unit: UnitFeatures, names: Sequence[str]) -> dict[str, float]:
    """Those of the numbers that are known of a unit.

    Raises
    ------
    DataError
        A map or the table of biomarkers is broken.
    """
    found = dict(zip(names, map(float, covariate_values(unit.covariates, names)), strict=True))
    if paths := unit.features.get(BIOMARKERS):
        found |= {name: value for name, value in read_biomarkers(paths[0]).items() if name in found}
    for name in names:
        paths = unit.features.get(name.removeprefix(_MEAN), ()) if name.startswith(_MEAN) else ()
        if paths:
            found[name] = _mean(paths)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _mean(paths: Sequence[Path]) -> float:
    """Mean of a map where it is above 0, in the map's own unit; NaN where it is nowhere."""
    data = read_volume(paths, {"scale": 1.0, "shrink": 1}).data
    return float(data[data > 0].mean(dtype=np.float64)) if (data > 0).any() else float("nan")
