"""Quality numbers for the pages: each in words, with its usual range and the judgement of its rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bids_stroke.core.records import StepReport
from bids_stroke.quality import judge
from bids_stroke.quality.rules import Limits
from bids_stroke.report import strips, words

JUDGEMENT = {
    judge.OK: "as expected",
    judge.CHECK: "look at this",
    judge.FAIL: "cannot be right",
    judge.NONE: "",
}
MIRRORED = "mirrored"
"""A quality number that is yes or no."""


@dataclass(frozen=True)
class Line:
    """One quality number in words, as a line of a table on a page."""

    step: str
    label: str
    value: str
    usual: str
    """``900 to 2000 ml``; empty where nothing is said to be usual."""
    flag: str
    judgement: str
    meaning: str


def lines(steps: Mapping[str, StepReport]) -> list[Line]:
    """Every quality number of a unit, in the order of the steps."""
    return [_line(item) for item in judge.judge(steps)]


def flagged(steps: Mapping[str, StepReport]) -> list[Line]:
    """The quality numbers of a unit that are to be looked at or cannot be right, the latter first."""
    found = [_line(item) for item in judge.judge(steps) if item.flag in (judge.CHECK, judge.FAIL)]
    return sorted(found, key=lambda item: item.flag != judge.FAIL)


def flagged_units(units: Mapping[str, Mapping[str, StepReport]]) -> list[dict[str, Any]]:
    """Units with something to be looked at: name, the worst judgement, and what it is, in words."""
    found = []
    for unit, steps in units.items():
        items = flagged(steps)
        if items:
            told = [f"{item.step}: {item.label} {item.value}" + (f" (usual: {item.usual})" if item.usual else "")
                    for item in items]  # fmt: skip
            flag = judge.worst_flag(item.flag for item in items)
            found.append({"unit": unit, "flag": flag, "judgement": JUDGEMENT[flag], "what": told})
    return sorted(found, key=lambda row: (row["flag"] != judge.FAIL, row["unit"]))


def overview(units: Mapping[str, Mapping[str, StepReport]]) -> list[dict[str, Any]]:
    """What the page of the group shows of each quality number of each step.

    Parameters
    ----------
    units : mapping
        Unit -> step -> report.

    Returns
    -------
    list of dict
        ``step`` and ``name`` in words, ``n``, ``median``, ``low`` and ``high`` with their unit, ``usual``, ``unusual``
        (units far from the median of this cohort) and ``strip``, the plot of all units in the order given, None where
        that would tell nothing.
    """
    judged = [judge.judge(steps) for steps in units.values()]
    names = {item.column: item for items in judged for item in items}
    values = pd.DataFrame([{item.column: item.value for item in items} for items in judged], list(units), dtype=float)
    far = judge.unusual(values)
    flags = [{item.column: item.flag in (judge.CHECK, judge.FAIL) for item in items} for items in judged]
    found = []
    for column, like in names.items():
        known = values[column].dropna()
        if not known.empty:
            ends = {"median": known.median(), "low": known.min(), "high": known.max()}
            measure = like.rule.units if like.rule else "1"
            marked = [bool(own.get(column)) or is_far for own, is_far in zip(flags, far[column].tolist(), strict=True)]
            found.append({
                "step": words.step_in_words(like.step), "name": _label(like.step, like.name), "n": len(known),
                **{key: _shown(value, like.name, measure) for key, value in ends.items()},
                "usual": _range(like.rule.plausible, like.name, measure) if like.rule else "",
                "unusual": sorted(far.index[far[column]]),
                "strip": _strip(like, values[column].tolist(), marked),
            })  # fmt: skip
    return found


def _strip(like: judge.Judged, values: Sequence[float], marked: Sequence[bool]) -> strips.Strip | None:
    """The plot of a number, in the units in which people read it; None of what is only yes or no."""
    units = like.rule.units if like.rule else "1"
    if like.name == MIRRORED:
        return None
    scale, _, unit = _reading(like.name, units)
    numbers = [
        None if math.isnan(value) else strips.Number(value * scale, _split(value, like.name, units)[0], is_marked)
        for value, is_marked in zip(values, marked, strict=True)
    ]
    low, high = like.rule.plausible if like.rule else (None, None)
    usual = (None if low is None else low * scale, None if high is None else high * scale)
    return strips.strip(_label(like.step, like.name), unit, numbers, usual)


def _line(item: judge.Judged) -> Line:
    units = item.rule.units if item.rule else "1"
    return Line(
        step=words.step_in_words(item.step),
        label=_label(item.step, item.name),
        value=_shown(item.value, item.name, units),
        usual=_range(item.rule.plausible, item.name, units) if item.rule else "",
        flag=item.flag,
        judgement=JUDGEMENT[item.flag],
        meaning=item.rule.meaning if item.rule else "",
    )


def _label(step: str, name: str) -> str:
    rule = judge.rule_of(step, name)
    return rule.label if rule else words.quantity_in_words(name)


def _range(limits: Limits, name: str, units: str) -> str:
    """``900 to 2000 ml``, ``at most 0.5 mm``."""
    low, high = limits
    if low is not None and high is not None:
        number, unit = _split(low, name, units)
        return f"{number} to {_shown(high, name, units)}" if unit else f"{number} to {_split(high, name, units)[0]}"
    if low is not None:
        return f"at least {_shown(low, name, units)}"
    return f"at most {_shown(high, name, units)}" if high is not None else ""


def _shown(value: float, name: str, units: str) -> str:
    number, unit = _split(value, name, units)
    return f"{number} {unit}".strip()


def _split(value: float, name: str, units: str) -> tuple[str, str]:
    """A number and its unit as people read them."""
    if name == MIRRORED:
        return ("yes" if value else "no"), ""
    scale, digits, unit = _reading(name, units)
    return words.significant(scale * value, 4 if digits is None and abs(value) >= 1000 else 3), unit


def _reading(name: str, units: str) -> tuple[float, int | None, str]:
    """How people read a number: times what, with how many digits where that is fixed, and the unit.

    Shares in percent, diffusivities in thousandths.
    """
    if units == "mm^2/s":
        return 1000.0, 3, "× 10⁻³ mm²/s"
    if units == "1" and name.endswith("_fraction"):
        return 100.0, 3, "%"
    return 1.0, None, {"1": "", "s/mm^2": "s/mm²"}.get(units, units)
