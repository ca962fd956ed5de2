"""What a number in a table can be: limits by its JSON file or by the scale, and codes for missing values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

Bounds = tuple[float, float]

SCALES: Mapping[str, Bounds] = MappingProxyType(
    dict.fromkeys(("fma le", "fma le motor", "fma motor le", "le fma"), (0, 34))
    | dict.fromkeys(("fma ue", "fma ue motor", "fma motor ue", "ue fma"), (0, 66))
    | {"fma motor": (0, 100), "fma le total": (0, 86), "fma ue total": (0, 126), "fma": (0, 226), "fma total": (0, 226)}
    | dict.fromkeys(("nihss", "nih stroke", "nihss total"), (0, 42))
    | dict.fromkeys(("mrs", "modified rankin", "rankin"), (0, 6))
    | dict.fromkeys(("barthel", "barthel index", "mbi", "modified barthel", "modified barthel index"), (0, 100))
    | {"arat": (0, 57), "berg balance": (0, 56), "bbs": (0, 56), "fac": (0, 5), "motricity index": (0, 100)}
    | {"fim": (18, 126), "gcs": (3, 15), "moca": (0, 30), "mmse": (0, 30)}
    | {"rivermead mobility index": (0, 15), "trunk impairment": (0, 23)}
)
"""Scale -> lowest and highest score. Fugl-Meyer (1975): motor 66 + 34; ``total`` may have sensation, range and pain
with it (126, 86; all of it 226). Barthel counts to 20 or to 100."""
_TIMES = (
    r"\d+|baseline|base|bl|admission|adm|discharge|dis|follow|followup|up|fu|final|initial|first|last|pre|post|acute|"
    r"subacute|chronic|score|scale|sum|days?|d|weeks?|wk|w|months?|mo|m|years?|yr|y|hours?|h|ses|session|visit|v|t|time|"
    r"timepoint|tp|at|stroke|onset|after|entry|exit|intake"
)
_TIME = re.compile(_TIMES)
"""Words around the name of a scale that leave its limits as they are; ``change`` and ``percent`` are not among them."""
_SAME = (  # what is written otherwise -> as in SCALES
    (r"\bfugl meyer( assessment)?\b|\bfm\b", "fma"),
    (r"\b(lower|upper) (extremity|limb)\b", r"\1"),
    (r"\blower\b|\bleg\b", "le"),
    (r"\bupper\b|\barm\b", "ue"),
)

CODES = frozenset((-77.0, -88.0, -99.0, -777.0, -888.0, -999.0, -9999.0, 999.0, 9999.0))
"""What stands for a missing value in many tables; a measurement that happens to be one needs its limits in the JSON."""
SMALL_CODES = frozenset((-7.0, -8.0, -9.0))
"""The same, where a column has no other negative values: a change for the worse may be one of these, too."""

_MISSING = re.compile(
    r"((values?|data|scores?) )?((is|was|are|were) )?"
    r"(n/?a|nan|missing|unknown|unavailable|refused|declined|withheld|untestable|unassessable|lost to follow[- ]?up"
    r"|no (data|value|information|assessment|measurement|follow[- ]?up)( available)?"
    r"|did not attend|prefers? not to (say|answer)|(could|can) ?not be (assessed|tested|measured|scored|done)"
    r"|not (yet )?(assessed|done|available|applicable|measured|collected|recorded|reported|tested|known|evaluated"
    r"|examined|determined|performed|obtained|answered|documented|stated|scored|provided)"
    r"|(code |coded |marker )?(for |as )?missing)"
    r"( (values?|data|scores?|codes?|information))?(\W*| *[/(,;:.-].*| (or|and|by|due|because|since|for) .*)",
    re.IGNORECASE,
)
"""Levels that say that nothing was measured. Death is none: it is an outcome."""
_NOT_DONE = re.compile(r"performed|\bdone\b", re.IGNORECASE)
"""Said of the patient where the score is 0: a movement that is "not performed" is the worst score of its item."""


def about_column(described: Mapping[str, Any], column: str) -> Mapping[str, Any]:
    """What a JSON file says of a column, whatever the case of its name; nothing where it has no object there."""
    about = described.get(column)
    if about is None and described:
        name = column.strip().casefold()
        about = next((value for key, value in described.items() if key.strip().casefold() == name), None)
    return about if isinstance(about, Mapping) else {}


def level_of(about: Mapping[str, Any], text: str) -> str:
    """What the ``Levels`` of a column say of a value (numbers are equal as numbers); empty where they say nothing."""
    levels = about.get("Levels")
    if not isinstance(levels, Mapping):
        return ""
    level = levels.get(text)
    if level is None and (number := _number(text)) is not None:
        level = next((value for key, value in levels.items() if _number(str(key)) == number), None)
    meaning = level.get("Description", level.get("Label", "")) if isinstance(level, Mapping) else level
    return meaning.strip() if isinstance(meaning, str) else ""


def is_missing(about: Mapping[str, Any], text: str) -> bool:
    """Whether a value is a code that the column's JSON explains as missing.

    By ``Levels``, or by ``Annotations``/``MissingValues``, as Neurobagel writes them.

    >>> is_missing({"Levels": {"-99": "not assessed"}}, "-99.0")
    True
    >>> is_missing({"Levels": {"6": "dead"}}, "6")
    False
    """
    if not about:
        return False
    notes = about.get("Annotations")
    listed = notes.get("MissingValues", ()) if isinstance(notes, Mapping) else ()
    number = _number(text)
    codes = [str(value) for value in listed] if isinstance(listed, list) else []
    if text in codes or (number is not None and number in map(_number, codes)):
        return True
    level = level_of(about, text)
    return _MISSING.fullmatch(level) is not None and not (number == 0 and _NOT_DONE.search(level))


@lru_cache(maxsize=1024)
def scale_of(column: str) -> Bounds | None:
    """Lowest and highest score of the scale that a column is named after; None for any other column.

    >>> scale_of("fma_le_baseline"), scale_of("NIHSS_day90"), scale_of("nihss_change")
    ((0, 34), (0, 42), None)
    """
    name = " ".join(re.findall(r"[a-z]+|\d+", column.casefold()))
    for pattern, word in _SAME:
        name = re.sub(pattern, word, name)
    words = name.split()
    for begin in range(len(words)):
        for end in range(len(words), begin, -1):
            bounds = SCALES.get(" ".join(words[begin:end]))
            if bounds is not None and all(map(_TIME.fullmatch, words[:begin] + words[end:])):
                return bounds
    return None


def bounds_of(about: Mapping[str, Any], column: str) -> Bounds:
    """Between which numbers a value of a column lies: ``Minimum`` and ``Maximum`` of its JSON, else its scale's.

    Infinite where neither tells.
    """
    low, high = scale_of(column) or (-math.inf, math.inf)
    if not about:
        return low, high
    said = [_number(str(about.get(key, ""))) for key in ("Minimum", "Maximum")]
    return (low if said[0] is None else said[0]), (high if said[1] is None else said[1])


def why_impossible(about: Mapping[str, Any], column: str, value: float) -> str:
    """Why a column cannot have a value; empty where it can."""
    low, high = bounds_of(about, column)
    source = "Minimum and Maximum" if {"Minimum", "Maximum"} & about.keys() else "the scale"
    return "" if low <= value <= high else f"outside {low:g} to {high:g}, the limits of {source}"


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
