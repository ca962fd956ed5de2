"""From the units that were selected to the people who are evaluated: how many are lost where, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from bids_stroke.evaluation.kinds import apart
from bids_stroke.evaluation.participants import counted, reasons

COLUMNS = ("stage", "reason", "units", "people")
SELECTED, NOT_PREDICTED, PREDICTED, LEFT_OUT, EVALUATED = (
    "selected",
    "not_predicted",
    "predicted",
    "left_out",
    "evaluated",
)
"""Stages in order: what is selected, less those without a prediction, what has one, less those who do not count, and
those who are evaluated, by kind of people."""
NOT_CURRENT, NOT_RUN = "not-current", "not-run"
Unit = tuple[str, str | None]
"""``participant_id`` and ``session_id``."""


def flow_table(selected: Iterable[Unit], why_none: Mapping[Unit, str], table: pd.DataFrame) -> pd.DataFrame:
    """Count units and people from what was selected to what is evaluated.

    Parameters
    ----------
    selected : iterable of (str, str or None)
        The units that were asked for.
    why_none : mapping
        Unit -> code of the reason why it has no prediction; `NOT_RUN` stands for units that are not named.
    table : DataFrame
        The rows of predictions that `evaluate_apart` takes.

    Returns
    -------
    DataFrame
        ``stage``, ``reason`` (of units lost; of those evaluated the kind of people; else empty), ``units``, ``people``.
        In ``not_predicted`` and ``left_out`` people are those of whom a unit is lost there: who has another unit may
        still be evaluated.
    """
    asked = list(dict.fromkeys(selected))
    session = table["session_id"] if "session_id" in table else pd.Series(None, table.index, dtype=object)
    own = [_unit(*pair) for pair in zip(table["participant_id"], session, strict=True)]
    why = [_short(reason) for reason in reasons(table)]
    known = {unit for unit, reason in zip(own, why, strict=True) if reason != NOT_CURRENT}
    missing = [unit for unit in asked if unit not in known]
    stale = {unit for unit, reason in zip(own, why, strict=True) if reason == NOT_CURRENT}
    lost: dict[str, list[Unit]] = {}
    for unit in missing:
        lost.setdefault(NOT_CURRENT if unit in stale else why_none.get(unit, NOT_RUN), []).append(unit)
    left: dict[str, list[Unit]] = {}
    for unit, reason in zip(own, why, strict=True):
        if reason not in ("", NOT_CURRENT):
            left.setdefault(reason, []).append(unit)
    rows = [_row(SELECTED, "", asked), *(_row(NOT_PREDICTED, reason, units) for reason, units in sorted(lost.items()))]
    rows += [_row(PREDICTED, "", [unit for unit in own if unit in known])]
    rows += [_row(LEFT_OUT, reason, units) for reason, units in sorted(left.items())]
    for kind, part in apart(table).items():
        used = counted(part)
        ids = [own[position] for position in table.index.get_indexer(used.index)]
        rows.append(_row(EVALUATED, kind, ids))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _unit(participant: Any, session: Any) -> Unit:
    return str(participant), None if pd.isna(session) or session == "n/a" else str(session)


def _short(reason: str) -> str:
    """A reason without its details: ``not current: prediction changed`` is `NOT_CURRENT`."""
    return NOT_CURRENT if reason.startswith("not current") else reason


def _row(stage: str, reason: str, units: list[Unit]) -> dict[str, Any]:
    return {"stage": stage, "reason": reason, "units": len(units), "people": len({person for person, _ in units})}
