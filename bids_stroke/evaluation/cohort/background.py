"""What is known of people beside their predictions: one row a person, as the evaluation counts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bids_stroke.evaluation.missing_modalities import modalities_of

NUMBERS = ("age", "days_since_stroke", "first_score", "lesion_volume_ml")
WORDS = ("sex", "lesion_side", "site")
"""Columns of the background of a unit: in years, days, the score's units and ml; and texts. NaN or None: not known."""


@dataclass(frozen=True, eq=False)
class People:
    """Evaluated people of one kind."""

    table: pd.DataFrame
    """A row per participant, as `reduce_to_participants` has them: its columns, those of NUMBERS and WORDS, and
    ``sessions``, from how many units the prediction is a mean."""
    modalities: Mapping[str, pd.Series]
    """Who has each modality, (n,) bool."""


def people_of(
    participants: pd.DataFrame, rows: pd.DataFrame, background: pd.DataFrame, modality_of: Mapping[str, str]
) -> People:
    """Join evaluated people with what is known of them.

    Parameters
    ----------
    participants : DataFrame
        From `reduce_to_participants`.
    rows : DataFrame
        The rows of units that these are means of.
    background : DataFrame
        A row per unit: ``participant_id``, ``session_id``, and columns of NUMBERS and WORDS.
    modality_of : mapping
        Member -> modality.

    Returns
    -------
    People
        What differs between sessions is that of the first in which it is known.
    """
    units = rows[["participant_id", "session_id"]].drop_duplicates() if len(rows) else rows
    if units.empty:
        return People(participants.assign(**dict.fromkeys((*NUMBERS, *WORDS, "sessions"))), {})
    known = units.merge(background, on=["participant_id", "session_id"], how="left")
    by_person = known.groupby("participant_id", sort=True)
    first = by_person[[*NUMBERS, *WORDS]].first().join(by_person.size().rename("sessions")).reset_index()
    table = participants.merge(first, on="participant_id", how="left")
    there = modalities_of(participants, modality_of)
    return People(table, {name: pd.Series(has, table.index) for name, has in there.items()})
