"""The people whose outcome was furthest from what was predicted: to look at, and to learn from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.evaluation.missing_modalities import modalities_of

MOST = 10
COLUMNS = (
    "participant_id", "poor", "probability_poor", "error", "decided", "score", "predicted_score", "score_error",
    "missing",
)  # fmt: skip


def worst_table(
    people: pd.DataFrame, decided: NDArray[np.object_], modality_of: Mapping[str, str], most: int = MOST
) -> pd.DataFrame:
    """The people with the largest distance of the probability from the outcome, the largest first.

    Parameters
    ----------
    people : DataFrame
        A row per participant: ``participant_id``, ``poor`` (0 or 1), ``probability_poor`` (0 to 1), ``p_<member>``, and
        ``score`` with ``predicted_score`` where there are any.
    decided : array of str
        (n,), what the model decided of each, from `decisions.decisions_of`.
    modality_of : mapping
        Member -> modality.
    most : int
        How many are listed.

    Returns
    -------
    DataFrame
        COLUMNS: ``error`` is the distance, 0 to 1, ``score_error`` predicted less true score, ``missing`` the
        modalities that the person lacks and others have, separated by spaces.
    """
    nothing = pd.Series(np.nan, people.index)
    score, predicted = (people.get(name, nothing) for name in ("score", "predicted_score"))
    there = {name: has for name, has in modalities_of(people, modality_of).items() if has.any()}
    lacking = [" ".join(name for name, has in there.items() if not has[i]) for i in range(len(people))]
    found = people[["participant_id", "poor", "probability_poor"]].assign(
        error=(people["probability_poor"] - people["poor"]).abs(), decided=decided, score=score,
        predicted_score=predicted, score_error=predicted - score, missing=lacking,
    )  # fmt: skip
    in_order = found.sort_values(["error", "participant_id"], ascending=[False, True], kind="stable")
    return in_order[list(COLUMNS)].head(most).reset_index(drop=True)
