"""Quality numbers for the pages: each in words, with its usual range and the judgement of its rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bids_stroke.core.records import StepReport
from bids_stroke.quality import judge
from bids_stroke.quality.rules import Limits
from bids_stroke.report import words

JUDGEMENT = {
    judge.OK: "as expected",
    judge.CHECK: "look at this",
    judge.FAIL: "cannot be right",
    judge.NONE: "",
}


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
    found = [item for item in lines(steps) if item.flag in (judge.CHECK, judge.FAIL)]
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
    """For each quality number of each step: median, range, and the units that are unusual in this cohort."""
    names: dict[str, tuple[str, str]] = {}
    rows: dict[str, dict[str, float]] = {}
    for unit, steps in units.items():
        judged = judge.judge(steps)
        names |= {item.column: (item.step, item.name) for item in judged}
        rows[unit] = {item.column: item.value for item in judged}
    values = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    far = judge.unusual(values)
    found = []
    for column, (step, name) in names.items():
        known = values[column].dropna()
        if not known.empty:
            rule = judge.rule_of(step, name)
            measure = rule.units if rule else "1"
            ends = {"median": known.median(), "low": known.min(), "high": known.max()}
            found.append({
                "step": words.step_in_words(step), "name": _label(step, name), "n": len(known),
                **{key: _shown(value, name, measure) for key, value in ends.items()},
                "unusual": ", ".join(sorted(far.index[far[column]])),
            })  # fmt: skip
    return found


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
    """A number and its unit as people read them: shares in percent, diffusivities in thousandths."""
    if units == "mm^2/s":
        return words.significant(1000.0 * value, 3), "× 10⁻³ mm²/s"
    if name == "mirrored":
        return ("yes" if value else "no"), ""
    if units == "1" and name.endswith("_fraction"):
        return words.significant(100.0 * value, 3), "%"
    return words.significant(value, 4 if abs(value) >= 1000 else 3), {"1": "", "s/mm^2": "s/mm²"}.get(units, units)
