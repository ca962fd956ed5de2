"""An evaluation with who its people are: characteristics, subgroups, the worst errors, for each kind of people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from bids_stroke.core.settings import Settings
from bids_stroke.evaluation.bootstrap import Draws
from bids_stroke.evaluation.cohort.background import people_of
from bids_stroke.evaluation.cohort.characteristics import characteristics_table
from bids_stroke.evaluation.cohort.subgroups import subgroup_table
from bids_stroke.evaluation.cohort.worst import worst_table
from bids_stroke.evaluation.decisions import decisions_of
from bids_stroke.evaluation.evaluate import Evaluation
from bids_stroke.evaluation.kinds import apart
from bids_stroke.evaluation.participants import counted


def described(
    evaluation: Evaluation,
    table: pd.DataFrame,
    background: pd.DataFrame,
    settings: Settings,
    modality_of: Mapping[str, str],
) -> Evaluation:
    """Add what is known of the people beside their predictions.

    Parameters
    ----------
    evaluation : Evaluation
        From `evaluate_apart` of the same table, settings and modalities.
    table : DataFrame
        A row per unit, with ``session_id``.
    background : DataFrame
        A row per unit: `background.NUMBERS` and `background.WORDS`.
    settings : Settings
        Seed and number of bootstrap draws.
    modality_of : mapping
        Member -> modality.
    """
    rows = {kind: counted(part) for kind, part in apart(table).items()}
    draws = Draws(settings.training.bootstrap, settings.seed)
    found = []
    for part in (part for part in evaluation.parts if part.n):
        people = people_of(part.participants, rows[part.people], background, modality_of)
        decided = decisions_of(rows[part.people], part.participants)
        found.append(
            replace(
                part,
                characteristics=characteristics_table(people),
                subgroups=subgroup_table(people, draws),
                worst=worst_table(part.participants, decided, modality_of),
                others=(),
            )
        )
    empty = [replace(part, others=()) for part in evaluation.parts if not part.n]
    first, *others = (*found, *empty)
    return replace(first, others=tuple(others))
