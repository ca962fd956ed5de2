"""Quality numbers judged by rule: one registry, tables for a unit and for the cohort."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import write_json, write_table
from bids_stroke.quality.rules import RULES, Rule

if TYPE_CHECKING:
    import pandas as pd

OK, CHECK, FAIL, NONE = "ok", "check", "fail", "n/a"
"""Flags: as expected; to be looked at; cannot be right; not judged, because the number alone says nothing."""
UNUSUAL_MADS = 3.5
"""Scaled median absolute deviations from the cohort's median (Iglewicz and Hoaglin 1993) that are unusual."""
FEWEST_UNITS = 10
"""Fewer units than this say nothing of what is usual in a cohort."""
_MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class Judged:
    """One quality number of one step, and what its rule says of it."""

    step: str
    name: str
    value: float
    rule: Rule | None
    flag: str

    @property
    def column(self) -> str:
        """Name of the number's column in tables with a row for each unit."""
        return f"{self.step}_{self.name}"


def rule_of(step: str, name: str) -> Rule | None:
    """The rule of a quality number: the step's own, else the one for all steps; None where nobody wrote one.

    >>> rule_of("dwi", "n_shells").label
    'shells'
    """
    return RULES.get(f"{step}/{name}") or RULES.get(f"*/{name}")


def flag(value: float, rule: Rule | None) -> str:
    """Judge a number by the ranges of a rule: ``ok``, ``check`` or ``fail``; ``n/a`` where it has no ranges.

    Parameters
    ----------
    value : float
        In the rule's units. NaN and infinity fail.
    rule : Rule or None
        From `rule_of`.

    Examples
    --------
    >>> flag(4.0, Rule("mean head motion", "mm", "Much: the maps are uncertain", plausible=(None, 0.5)))
    'check'
    """
    if rule is None or (rule.plausible == rule.possible == (None, None)):
        return NONE
    if not math.isfinite(value) or not _within(value, rule.possible):
        return FAIL
    return OK if _within(value, rule.plausible) else CHECK


def _within(value: float, limits: tuple[float | None, float | None]) -> bool:
    low, high = limits
    return (low is None or value >= low) and (high is None or value <= high)


def judge(steps: Mapping[str, StepReport]) -> list[Judged]:
    """All quality numbers of a unit, judged, in the order in which the steps gave them."""
    return [
        Judged(step, name, float(value), rule, flag(float(value), rule))
        for step, report in steps.items()
        for name, value in report.qc.items()
        for rule in [rule_of(step, name)]
    ]


def unit_table(steps: Mapping[str, StepReport]) -> pd.DataFrame:
    """Make a unit's table, a row for each quality number.

    Parameters
    ----------
    steps : mapping of str to StepReport
        Reports by step.

    Returns
    -------
    DataFrame
        The columns of UNIT_COLUMNS; values in the units beside them.
    """
    import pandas as pd

    rows = [
        {
            "step": item.step,
            "quantity": item.name,
            "value": item.value,
            "units": item.rule.units if item.rule else None,
            "flag": item.flag,
            "plausible_low": item.rule.plausible[0] if item.rule else None,
            "plausible_high": item.rule.plausible[1] if item.rule else None,
            "description": item.rule.meaning if item.rule else None,
        }
        for item in judge(steps)
    ]
    return pd.DataFrame(rows, columns=list(UNIT_COLUMNS))


def cohort_table(units: Mapping[tuple[str, str | None], Mapping[str, StepReport]]) -> pd.DataFrame:
    """Make the cohort's table, a row for each unit: its worst flag, what is flagged or unusual, and all its numbers.

    Parameters
    ----------
    units : mapping of (subject, session) to mapping of str to StepReport
        Labels without ``sub-`` and ``ses-``; reports by step.

    Returns
    -------
    DataFrame
        ``participant_id``, ``session_id``, ``flag``, the names of columns in ``fail``, ``check`` and ``unusual``, then
        a column ``<step>_<number>`` for each number, in its rule's units, NaN where a unit has none.
    """
    import pandas as pd

    judged = {unit: judge(steps) for unit, steps in units.items()}
    values = pd.DataFrame(
        [{item.column: item.value for item in items} for items in judged.values()],
        index=range(len(judged)),
        dtype=float,
    )
    far = unusual(values)
    rows = []
    for number, ((subject, session), items) in enumerate(judged.items()):
        said = {kind: [item.column for item in items if item.flag == kind] for kind in (OK, CHECK, FAIL)}
        outlying = [str(column) for column, is_far in far.iloc[number].items() if is_far]
        worst = FAIL if said[FAIL] else CHECK if said[CHECK] or outlying else OK if said[OK] else NONE
        row = {"participant_id": f"sub-{subject}", "session_id": f"ses-{session}" if session else None}
        lists = {"fail": said[FAIL], "check": said[CHECK], "unusual": outlying}
        rows.append(row | {"flag": worst} | {name: " ".join(found) or None for name, found in lists.items()})
    first_columns = ["participant_id", "session_id", "flag", "fail", "check", "unusual"]
    return pd.concat([pd.DataFrame(rows, columns=first_columns), values], axis=1)


def unusual(values: pd.DataFrame) -> pd.DataFrame:
    """Find the units that lie far from the cohort's median: more than 3.5 scaled median absolute deviations.

    Parameters
    ----------
    values : DataFrame
        (units, numbers), each column in units of its own; NaN where a unit lacks a number.

    Returns
    -------
    DataFrame
        (units, numbers) of bool. Never true in a column that fewer than 10 units have, or in which more than half of
        them are equal.
    """
    distance = (values - values.median()).abs()
    spread = _MAD_TO_SD * distance.median()
    enough = (values.notna().sum() >= FEWEST_UNITS) & (spread > 0)
    return (distance > UNUSUAL_MADS * spread) & enough


def write_unit_table(path: Path, steps: Mapping[str, StepReport]) -> Path:
    """Write a unit's table of quality numbers (TSV), and beside it the JSON file that describes its columns."""
    write_json(path.with_suffix(".json"), UNIT_COLUMNS)
    return write_table(path, unit_table(steps))


def write_cohort_table(path: Path, table: pd.DataFrame) -> Path:
    """Write a cohort's table of quality numbers (TSV), and beside it a JSON file with each column's units and rule."""
    write_json(path.with_suffix(".json"), describe_columns(list(map(str, table))))
    return write_table(path, table)


def describe_columns(columns: Sequence[str]) -> dict[str, Any]:
    """Description, units and rule of each column of a cohort's table, by the column's name.

    >>> describe_columns(["dwi_n_shells"])["dwi_n_shells"]["Units"]
    '1'
    """
    return {column: _COHORT_COLUMNS.get(column) or _described(column) for column in columns}


def _described(column: str) -> dict[str, Any]:
    step, _, name = column.partition("_")
    rule = rule_of(step, name)
    if rule is None:
        return {"Description": f"{name} of the step {step}; no rule"}
    ranges = {"PlausibleRange": rule.plausible, "PossibleRange": rule.possible}
    told = {key: list(limits) for key, limits in ranges.items() if limits != (None, None)}
    return {"Description": rule.meaning, "Units": rule.units, **told}


def worst_flag(flags: Iterable[str]) -> str:
    """The worst of several flags; ``n/a`` of none.

    >>> worst_flag(["ok", "check", "n/a"])
    'check'
    """
    return max(flags, key=(NONE, OK, CHECK, FAIL).index, default=NONE)


_FLAGS = {
    OK: "Within the plausible range",
    CHECK: "Outside the plausible range, or unusual in the cohort: to be looked at",
    FAIL: "Outside the possible range: what was computed cannot be right",
    NONE: "Not judged: the number alone says nothing",
}
UNIT_COLUMNS: dict[str, Any] = {
    "step": {"Description": "Preprocessing step that measured it"},
    "quantity": {"Description": "Name of the quality number"},
    "value": {"Description": "The number, in the units beside it"},
    "units": {"Description": "Units; 1: no unit"},
    "flag": {"Description": "What the rule says", "Levels": _FLAGS},
    "plausible_low": {"Description": "Smallest plausible value; n/a: none"},
    "plausible_high": {"Description": "Largest plausible value; n/a: none"},
    "description": {"Description": "What the number means"},
}
_COHORT_COLUMNS: dict[str, dict[str, Any]] = {
    "participant_id": {"Description": "Participant"},
    "session_id": {"Description": "Session, where there are any"},
    "flag": {"Description": "The worst that is said of this unit", "Levels": _FLAGS},
    "fail": {"Description": "Columns outside their possible range"},
    "check": {"Description": "Columns outside their plausible range"},
    "unusual": {
        "Description": f"Columns more than {UNUSUAL_MADS} scaled median absolute deviations from the cohort's median, "
        f"where {FEWEST_UNITS} units and more have a value"
    },
}
