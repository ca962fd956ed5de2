"""What the columns of participants.tsv and sessions.tsv mean: their names, units, codes, and ways to write numbers.

Their JSON files say so (``Units``, ``Levels``: BIDS, "tabular files"); nothing is guessed where they do not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from bids_stroke.bids.scales import about_column, level_of

Value = float | str

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
"""Covariate -> columns of participants.tsv or sessions.tsv that hold it; the first that is understood counts."""

UNITS: Mapping[str, str] = MappingProxyType({"age": "year", "days_since_stroke": "day"})
"""In which covariates are used."""
_DAYS: Mapping[str, float] = MappingProxyType(
    {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}
)
_UNIT_WORDS: Mapping[str, str] = MappingProxyType(
    {word: unit for unit in _DAYS for word in (unit, f"{unit}s")}
    | {"yr": "year", "yrs": "year", "mo": "month", "mos": "month", "wk": "week", "wks": "week", "hr": "hour"}
)
_LETTERS: Mapping[str, str] = MappingProxyType({"a": "year", "y": "year", "d": "day", "h": "hour"})
"""Units by themselves only: within a sentence they are words."""
_SEX_WORDS: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("m", "male", "man", "men"), "male") | dict.fromkeys(("f", "female", "woman", "women"), "female")
)
_NUMBER = re.compile(r"(-?\d+)(?:[.,](\d{1,2}))?(\+?)")
"""A comma is a decimal one only before one or two digits: ``1,234`` may be a thousand."""


def covariate_of(column: str) -> str:
    """The covariate that a column holds; empty for none."""
    return next((name for name, columns in SYNONYMS.items() if column.lower() in columns), "")


def in_our_terms(
    values: Mapping[str, Value], described: Mapping[str, Any], codes: Callable[[], Iterable[Value]] = tuple
) -> dict[str, Value]:
    """Values of one row with ages in years, times in days and the sex as a word.

    Parameters
    ----------
    values : mapping
        Column -> value; only columns of covariates are changed.
    described : mapping
        The table's JSON file.
    codes : callable
        Gives what all tables have in columns of the sex: 1 means one thing beside 0 and another beside 2. Called only
        where a code has no Level, because it reads the tables of everybody.

    Returns
    -------
    dict
        What is not understood is a text that says so (``63 fortnights``, ``code 1``), for the reader to refuse.
    """
    found = dict(values)
    for column, value in values.items():
        name, about = covariate_of(column), about_column(described, column)
        if name == "sex":
            found[column] = _sex(value, about, codes)
        elif name in UNITS:
            found[column] = _converted(value, str(about.get("Units") or ""), UNITS[name])
    return found


def number_of(text: str) -> float | None:
    """A number as people write it: with a decimal comma, or open at the top (``89+``); None for anything else."""
    match = _NUMBER.fullmatch(text.strip())
    return float(f"{match[1]}.{match[2] or 0}") if match else None


def in_days(text: str, units: str) -> float | None:
    """A time as a number of days, which it is in where nothing is said of its units; None for anything else.

    >>> in_days("2", "weeks"), in_days("90", ""), in_days("2", "fortnights")
    (14.0, 90.0, None)
    """
    try:
        number = float(text)
    except ValueError:
        return None
    days = _DAYS.get(unit_of(units)) if units.strip().lower() not in ("", "n/a") else 1.0
    return number * days if days and math.isfinite(number) else None


def sex_of(text: str) -> str:
    """``male`` or ``female`` if a text says one of them, else empty."""
    said = {_SEX_WORDS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in _SEX_WORDS}
    return said.pop() if len(said) == 1 else ""


def _sex(value: Value, about: Mapping[str, Any], codes: Callable[[], Iterable[Value]]) -> Value:
    text = f"{value:g}" if isinstance(value, float) else value
    if meaning := level_of(about, text):
        return sex_of(meaning) or meaning
    if isinstance(value, float) and not {code for code in codes() if isinstance(code, float)} <= {0.0, 1.0}:
        return f"code {text}"
    return value


def _converted(value: Value, units: str, wanted: str) -> Value:
    unit = unit_of(units) if units.strip().lower() not in ("", "n/a") else wanted
    if unit == wanted:
        return value
    number = value if isinstance(value, float) else number_of(value)
    if number is None:
        return value
    return number * _DAYS[unit] / _DAYS[wanted] if unit else f"{number:g} {units}"


def unit_of(text: str) -> str:
    """``hour``, ``day``, ``week``, ``month`` or ``year`` if a text says one of them, else empty."""
    words = text.strip().lower()
    if words in _LETTERS:
        return _LETTERS[words]
    said = {_UNIT_WORDS[word] for word in re.findall(r"[a-z]+", words) if word in _UNIT_WORDS}
    return said.pop() if len(said) == 1 else ""
