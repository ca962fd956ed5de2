"""The table of predictions on the page of the group: its rows in words, and what it can be filtered by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bids_stroke.core.modalities import BIOMARKERS, EARLY
from bids_stroke.report import places, words
from bids_stroke.report.explanation import kind_in_words

TRUE = (True, 1, "1", "True", "true")
DECISION = {"poor": "poor", "good": "good", "abstain": "no decision", "left-out": "not shown"}
LOOK = {"fail": "cannot be right", "check": "look at this"}


@dataclass(frozen=True)
class Row:
    """A line of the table, in words; numbers as they are, for the table is sorted by them.

    Attributes
    ----------
    participant, session, page : str
        ``sub-<label>``, the session's label or a dash, the address of the session on the person's page.
    decision, outcome : str
        ``poor``, ``good``, ``abstain``, ``left-out``; ``poor``, ``good`` or ``unknown``.
    probability, low, high, predicted_score, score : float or None
        None where there is none.
    look : str
        Worst judgement of the unit's quality numbers: ``fail``, ``check`` or empty.
    missing : tuple of str
        Kinds of data that the prediction does without, in words.
    notes : str
        Why it is not evaluated, or how it came about.
    """

    participant: str
    session: str
    page: str
    decision: str
    probability: float | None
    low: float | None
    high: float | None
    predicted_score: float | None
    score: float | None
    outcome: str
    look: str
    missing: tuple[str, ...]
    notes: str


def rows(
    predictions: pd.DataFrame, looks: Mapping[str, str], member_modality: Mapping[str, str]
) -> tuple[list[Row], list[str]]:
    """The rows of the table, and the kinds of data that somebody lacks, in words.

    Parameters
    ----------
    predictions : DataFrame
        As `group.write_group_report` takes it.
    looks : mapping
        Unit (``sub-01_ses-02``) -> ``check`` or ``fail``.
    member_modality : mapping
        Member of the ensemble -> modality; others are called by the begin of their name.
    """
    found = [_row(row, looks, member_modality) for row in predictions.to_dict("records")]
    return found, sorted({kind for row in found for kind in row.missing})


def _row(row: Mapping[Any, Any], looks: Mapping[str, str], member_modality: Mapping[str, str]) -> Row:
    session = None if words.missing(row.get("session_id")) else str(row["session_id"]).removeprefix("ses-")
    person, poor = str(row["participant_id"]), _known(row, "poor")
    lacks = [] if words.missing(row.get("missing")) else str(row["missing"]).split()
    return Row(
        participant=person,
        session=session or "–",
        page=places.page_of(person.removeprefix("sub-"), session),
        decision=str(row.get("prediction")) if row.get("prediction") in DECISION else "",
        probability=_known(row, "probability_poor"),
        low=_known(row, "probability_poor_low"),
        high=_known(row, "probability_poor_high"),
        predicted_score=_known(row, "predicted_score"),
        score=_known(row, "score"),
        outcome="unknown" if poor is None else "poor" if poor == 1 else "good",
        look=looks.get(person + (f"_ses-{session}" if session else ""), ""),
        missing=tuple(dict.fromkeys(_kinds(lacks, member_modality))),
        notes=_notes(row),
    )


def _known(row: Mapping[Any, Any], name: str) -> float | None:
    return None if words.missing(row.get(name)) or row.get(name) is pd.NA else float(row[name])


def _kinds(members: Sequence[str], member_modality: Mapping[str, str]) -> list[str]:
    """Kinds of data that these members read; what a fusion of others lacks, something else lacks."""
    modalities = [member_modality.get(name, name.split("_")[0]) for name in members if name != EARLY]
    return [kind_in_words(modality) for modality in modalities if modality not in (BIOMARKERS, EARLY)]


def _notes(row: Mapping[Any, Any]) -> str:
    excluded = row.get("excluded")
    if isinstance(excluded, str) and not words.missing(excluded):
        return "not evaluated: " + words.reason_in_words(excluded)
    if row.get("out_of_fold") in TRUE:
        return "was in the training data: out-of-fold prediction"
    return words.reason_in_words("in-training-set") if row.get("in_training_set") in TRUE else ""
