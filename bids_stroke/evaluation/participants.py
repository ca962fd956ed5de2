"""From rows of predictions to one row per participant: who is evaluated, who is left out, and why."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bids_stroke.core.errors import InputError
from bids_stroke.core.settings import Settings
from bids_stroke.evaluation.bootstrap import too_few
from bids_stroke.evaluation.metrics import ranking_metrics


def reduce_to_participants(
    table: pd.DataFrame, settings: Settings
) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Reduce predictions to one row per participant, by means over sessions and repeats.

    Parameters
    ----------
    table : DataFrame
        A row per unit: ``participant_id``, ``poor`` (0 or 1), ``probability_poor`` (0 to 1), and where there are
        any the other columns that `evaluate` takes.
    settings : Settings
        Its outcome rule is applied to the mean score where a participant's outcomes differ between sessions.

    Returns
    -------
    participants : DataFrame
        ``participant_id`` (with ``dataset`` where there is one) and the means: outcomes, scores, probabilities.
    left_out : DataFrame
        The rows that are not evaluated: ``participant_id``, ``session_id``, ``reason``.
    notes : tuple of str
        Sentences for the report on what was averaged.

    Raises
    ------
    InputError
        A column is missing, a probability is not between 0 and 1, or outcomes differ and there are no scores.
    """
    needed = {"participant_id", "poor", "probability_poor"}
    if needed - set(table.columns):
        remedy = f"It needs {', '.join(sorted(needed))}."
        raise InputError(f"The predictions lack the columns {sorted(needed - set(table.columns))}.", remedy)
    keys = [name for name in ("dataset", "participant_id") if name in table]  # sub-01 of two datasets are two people
    values = [name for name in table.columns if name.startswith(("p_", "fusion_", "baseline_"))]
    scores = [name for name in table.columns if name in ("score", "predicted_score") or name.startswith("s_")]
    numbers = ["poor", "probability_poor", *scores, *values]
    table = table.assign(**{name: pd.to_numeric(table[name]).astype(float) for name in numbers})
    for name in ("probability_poor", *values):
        if not table[name].dropna().between(0, 1).all():
            raise InputError(f"Column {name} of the predictions is not between 0 and 1.", "Give probabilities.")
    reason = reasons(table)
    sessions = table["session_id"] if "session_id" in table else pd.Series(None, table.index, dtype=object)
    left_out = table[keys].assign(session_id=sessions, reason=reason)
    kept = table[reason == ""]
    grouped = kept.groupby(keys, sort=True, dropna=False)
    people = grouped[numbers].mean().reset_index()
    notes = _settle_outcomes(people, settings)
    rows_per_person = grouped.size()
    if (rows_per_person > 1).any():
        notes.append(
            "Evaluated once per participant, by the mean probability where there are several sessions or repeats "
            f"({int((rows_per_person > 1).sum())} of {len(people)} participants)."
        )
    return people, left_out[reason != ""].drop_duplicates().reset_index(drop=True), tuple(notes)


def _settle_outcomes(people: pd.DataFrame, settings: Settings) -> list[str]:
    """Give the participants whose outcomes differ between sessions the one of their mean score, in place; say whose."""
    mixed = ~people["poor"].isin((0.0, 1.0))
    if not mixed.any():
        return []
    if "score" not in people:
        raise InputError("Outcomes of a participant differ between sessions, without scores.", "Give 'score'.")
    people.loc[mixed, "poor"] = [float(settings.outcome.is_poor(value)) for value in people.loc[mixed, "score"]]
    who = ", ".join(people.loc[mixed, "participant_id"])
    return [f"The outcome differs between sessions of {who}: the rule was applied to the mean score."]


def counted(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of predictions that are evaluated: with an outcome and a prediction, and not excluded."""
    found: pd.DataFrame = table[reasons(table) == ""]
    return found


def repeats_note(table: pd.DataFrame, settings: Settings) -> tuple[str, ...]:
    """Say how well the fusion does in each repeat of a training alone, since the model that is kept is no mean of them.

    Parameters
    ----------
    table : DataFrame
        As for `reduce_to_participants`; without a column ``repeat``, or with one repeat, there is nothing to say.
    settings : Settings
        With the outcome rule.

    Returns
    -------
    tuple of str
        One sentence with the range of the AUC; none where a repeat has too few outcomes.
    """
    if "repeat" not in table or table["repeat"].nunique() < 2:
        return ()
    areas = []
    for _, own in table.groupby("repeat"):
        people = reduce_to_participants(own, settings)[0]
        poor, fusion = (people[name].to_numpy(float) for name in ("poor", "probability_poor"))
        if too_few(poor):
            return ()
        areas.append(float(ranking_metrics(poor, fusion, np.ones((1, len(poor))))["auc"][0]))
    return (
        f"What is evaluated is the mean of {len(areas)} repeats of the training; in each repeat alone the AUC of the "
        f"fusion is {min(areas):.2f} to {max(areas):.2f} (mean {np.mean(areas):.2f}). The model that is kept is one "
        "training, not a mean.",
    )


def reasons(table: pd.DataFrame) -> pd.Series[str]:
    """Why each row is not evaluated; empty for rows that are."""
    reason = pd.Series("", table.index, dtype=object)
    reason[table["probability_poor"].isna()] = "no-prediction"
    reason[table["poor"].isna()] = "no-outcome"
    if "excluded" in table:
        given = table["excluded"].map(_exclusion)
        reason = reason.mask(given != "", given)
    return reason


def _exclusion(value: object) -> str:
    """The reason in a cell of ``excluded``: a text, or true without one."""
    if isinstance(value, str):
        return "" if value == "n/a" else value
    return "excluded" if value is True else ""
