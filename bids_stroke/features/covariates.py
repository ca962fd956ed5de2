"""What is known of a person beside the images: age, sex, days since stroke."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_stroke.bids.columns import SYNONYMS, UNITS, Value, number_of, sex_of

Values = NDArray[np.float64]

LIMITS: Mapping[str, float] = {"age": 120.0, "days_since_stroke": 36525.0}
"""What is above, or below 0, is a code, an error, or in other units."""
_MISSING = ("n/a", "na", "nan", "none", "null", "unknown", "missing", "-", "?", "")
_IN_JSON = "in participants.json (or the JSON file of sessions.tsv)"


@dataclass(frozen=True)
class Note:
    """What a person should know of how a covariate was read.

    Attributes
    ----------
    name : str
        The covariate.
    value : str
        As in the table.
    meaning : str
        What was made of it, and what to do about it.
    """

    name: str
    value: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.name} is {self.value}: {self.meaning}"


def covariate_names(outcome_column: str) -> tuple[str, ...]:
    """Covariates of an ensemble: all but the one that is the outcome itself."""
    return tuple(name for name, columns in SYNONYMS.items() if outcome_column.lower() not in columns)


def first_score_name(outcome_column: str) -> str:
    """Column of the outcome's first value, before or at the start of treatment."""
    return f"{outcome_column}_baseline"


def covariate_values(known: Mapping[str, Value], names: Sequence[str]) -> Values:
    """Covariates as numbers, NaN where missing or not understood: age in years, sex 1 for male and 0 for female."""
    columns = {column.lower(): value for column, value in known.items()}
    return np.array([_value(name, columns) for name in names], dtype=np.float64)


def covariate_notes(known: Mapping[str, Value], names: Sequence[str]) -> list[Note]:
    """What is not understood, or only by a convention, of a person's covariates; nothing of what is missing."""
    columns = {column.lower(): value for column, value in known.items()}
    return [note for name in names if (note := _read(name, columns)[1]) is not None]


def cohort_notes(people: Sequence[Mapping[str, Value]], names: Sequence[str]) -> list[str]:
    """The same of a cohort: one sentence for each kind of note, with examples and how often."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for note in (note for known in people for note in covariate_notes(known, names)):
        kinds.setdefault((note.name, note.meaning), []).append(note.value)
    return [
        f"{name} is {' or '.join(sorted(set(values))[:3])} ({len(values)} of {len(people)} units): {meaning}"
        for (name, meaning), values in kinds.items()
    ]


def _value(name: str, columns: Mapping[str, Value]) -> float:
    return _read(name, columns)[0]


def _read(name: str, columns: Mapping[str, Value]) -> tuple[float, Note | None]:
    """A covariate as a number, NaN where it is missing or not understood, and what should be known of it.

    Of several columns the first that is understood counts.
    """
    first: Note | None = None
    for column in (column for column in SYNONYMS.get(name, (name.lower(),)) if column in columns):
        number, note = _read_one(name, columns[column])
        if np.isfinite(number) and first:
            more = f" {note.meaning}" if note else ""
            return number, Note(name, first.value, f"not understood, so the column {column} is read instead.{more}")
        if np.isfinite(number):
            return number, note
        first = first or note
    return np.nan, first


def _read_one(name: str, value: Value) -> tuple[float, Note | None]:
    if isinstance(value, str) and value.strip().lower() in _MISSING:
        return np.nan, None
    number, meaning = _sex(value) if name == "sex" else _quantity(name, value)
    shown = value if isinstance(value, str) else f"{value:g}"
    return number, Note(name, shown, meaning) if meaning else None


def _sex(value: Value) -> tuple[float, str]:
    if isinstance(value, str) and (word := sex_of(value)):
        return float(word == "male"), ""
    remedy = f'Write M and F, or name the Levels of the column {_IN_JSON}, as {{"1": "male", "2": "female"}}.'
    if isinstance(value, str) and not value.startswith("code "):
        return np.nan, "neither male nor female, which is treated as missing."
    if value in (0, 1):
        return float(value), f"taken as 1 for male and 0 for female. {remedy}"
    return np.nan, f"nothing tells which sex that is, and it is treated as missing. {remedy}"


def _quantity(name: str, value: Value) -> tuple[float, str]:
    number = number_of(value) if isinstance(value, str) else float(value)
    units = f"{UNITS[name]}s" if name in UNITS else ""
    remedy = f"Correct it, or give the Units of the column {_IN_JSON}: hour, day, week, month or year."
    if number is None:
        wanted = f"no number of {units}" if units else "no number"
        return np.nan, f"{wanted}, and treated as missing." + (f" {remedy}" if units else "")
    if not 0 <= number <= LIMITS.get(name, np.inf) and name in LIMITS:
        return np.nan, f"cannot be a number of {units}, and is treated as missing. {remedy}"
    if isinstance(value, str) and value.strip().endswith("+"):
        return number, "read as the number without the plus."
    return number, ""


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
        """Statistics of ``values`` (n, covariates); what nobody has gets mean 0, sd 1 and an empty range, 1 to 0."""
        columns = [column[np.isfinite(column)] for column in values.T]
        return cls(
            tuple(names),
            tuple(float(c.mean()) if len(c) else 0.0 for c in columns),
            tuple(float(c.std()) if len(c) and c.std() > 0 else 1.0 for c in columns),
            tuple(float(c.min()) if len(c) else 1.0 for c in columns),
            tuple(float(c.max()) if len(c) else 0.0 for c in columns),
        )

    @property
    def varied(self) -> NDArray[np.bool_]:
        """(covariates,) Which had several values in training: of the others nothing was learned."""
        return np.greater(self.high, self.low)

    @property
    def never_known(self) -> NDArray[np.bool_]:
        """(covariates,) Which nobody had in training: their range is empty."""
        return np.greater(self.low, self.high)

    def transform(self, values: Values) -> NDArray[np.float32]:
        """Standardised values (0 where missing), then indicators (1 where missing): (n, 2 * covariates).

        Without ``indicators``: (n, covariates), NaN where missing. A covariate that did not vary in training is that
        of the training: a network's weight for it was drawn and never fitted.
        """
        known = np.isfinite(values) & ~self.never_known
        scaled = np.where(self.varied, (np.where(known, values, 0.0) - np.array(self.mean)) / np.array(self.sd), 0.0)
        if not self.indicators:
            return np.where(known, scaled, np.nan).astype(np.float32)
        return np.concatenate([np.where(known, scaled, 0.0), ~known], axis=-1).astype(np.float32)

    def tells_of(self, values: Values) -> bool:
        """Whether anything is known of a person that somebody had in training."""
        return bool((np.isfinite(values) & ~self.never_known).any())

    def lacking(self, values: Values) -> tuple[str, ...]:
        """Missing covariates that the network cannot do without: none where it has indicators."""
        missing = () if self.indicators else np.flatnonzero(~np.isfinite(values))
        return tuple(self.names[i] for i in missing)

    def complaints(self, values: Values) -> list[str]:
        """Why the model may not apply to a person: covariates missing, not used, or outside the training range."""
        found = []
        each = zip(self.names, values, self.low, self.high, self.never_known, strict=True)
        for name, value, low, high, never in each:
            if never:
                if np.isfinite(value):
                    found.append(f"{name} {value:g} is not used: nobody had it in training.")
            elif not np.isfinite(value):
                found.append(f"{name} is missing: the training mean stands in for it.")
            elif low == high != value:
                found.append(f"{name} {value:g} is not used: in training it was {low:g} for all.")
            elif not low <= value <= high:
                found.append(f"{name} {value:g} is outside the training range {low:g} to {high:g}.")
        return found
