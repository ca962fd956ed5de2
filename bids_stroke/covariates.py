"""What is known of a person beside the images: age, sex, days since stroke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "age": ("age", "age_years", "age_at_scan", "age_at_stroke"),
        "sex": ("sex", "gender"),
        "days_since_stroke": (
            "days_since_stroke",
            "days_stroke_to_baseline",
            "days_post_stroke",
            "time_since_stroke_days",
            "days_since_onset",
        ),
    }
)
"""Covariate -> columns of participants.tsv or sessions.tsv that hold it, first found first taken."""

_SEXES: Mapping[str, float] = MappingProxyType({"m": 1.0, "male": 1.0, "f": 0.0, "female": 0.0})


def covariate_names(outcome_column: str) -> tuple[str, ...]:
    """Covariates of an ensemble: all but the one that is the outcome itself."""
    return tuple(name for name, columns in SYNONYMS.items() if outcome_column not in columns)


def covariate_values(known: Mapping[str, float | str], names: Sequence[str]) -> Values:
    """Covariates as numbers, NaN where missing or not understood: age in years, sex 1 for male and 0 for female."""
    columns = {column.lower(): value for column, value in known.items()}
    return np.array([_value(name, columns) for name in names], dtype=np.float64)


def _value(name: str, columns: Mapping[str, float | str]) -> float:
    for column in SYNONYMS[name]:
        if column in columns:
            value = columns[column]
            if name == "sex" and isinstance(value, str):
                return _SEXES.get(value.strip().lower(), np.nan)
            if name == "sex" and value not in (0, 1):  # 1 and 2 mean different sexes in different places
                return np.nan
            return float(value) if isinstance(value, (int, float)) else np.nan
    return np.nan


@dataclass(frozen=True)
class CovariateScaler:
    """Standardisation with the statistics of a training set, and an indicator for what is missing.

    Attributes
    ----------
    names : tuple of str
        Covariates in order.
    mean, sd, low, high : tuple of float
        Of the training set, in the covariates' units.
    indicators : bool
        Whether the network is told what is missing. Without, nobody lacking a covariate can be predicted.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    indicators: bool = True

    @classmethod
    def fit(cls, names: Sequence[str], values: Values) -> CovariateScaler:
        """Statistics of ``values`` (n, covariates); a covariate nobody has gets mean 0 and sd 1."""
        columns = [column[np.isfinite(column)] for column in values.T]
        return cls(
            tuple(names),
            tuple(float(c.mean()) if len(c) else 0.0 for c in columns),
            tuple(float(c.std()) if len(c) and c.std() > 0 else 1.0 for c in columns),
            tuple(float(c.min()) if len(c) else 0.0 for c in columns),
            tuple(float(c.max()) if len(c) else 0.0 for c in columns),
        )

    def transform(self, values: Values) -> NDArray[np.float32]:
        """Standardised values (0 where missing), then indicators (1 where missing): (n, 2 * covariates).

        Without ``indicators``: (n, covariates), NaN where missing.
        """
        known = np.isfinite(values)
        scaled = (np.where(known, values, 0.0) - np.array(self.mean)) / np.array(self.sd)
        if not self.indicators:
            return np.where(known, scaled, np.nan).astype(np.float32)
        return np.concatenate([np.where(known, scaled, 0.0), ~known], axis=-1).astype(np.float32)

    def lacking(self, values: Values) -> tuple[str, ...]:
        """Missing covariates that the network cannot do without: none where it has indicators."""
        missing = () if self.indicators else np.flatnonzero(~np.isfinite(values))
        return tuple(self.names[i] for i in missing)

    def complaints(self, values: Values) -> list[str]:
        """Why the model may not apply to a person: covariates missing or outside the training range."""
        found = []
        for name, value, low, high in zip(self.names, values, self.low, self.high, strict=True):
            if not np.isfinite(value):
                found.append(f"{name} is missing: the training mean stands in for it.")
            elif not low <= value <= high:
                found.append(f"{name} {value:g} is outside the training range {low:g} to {high:g}.")
        return found
