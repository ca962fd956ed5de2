"""Tables of a bundle: what its members said out of fold, of the people of its training set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bids_stroke.ensemble.metadata import EVIDENCE, OUT_OF_FOLD, unreadable
from bids_stroke.fusion.out_of_fold import OutOfFold, read_out_of_fold

if TYPE_CHECKING:
    import pandas as pd  # half a second that a prediction can do without

_COLUMNS = ("participant_hash", "session_id", "prediction", "probability_poor")
"""Without these its people cannot be told from others, or counted."""


def read_people(path: Path) -> pd.DataFrame:
    """Out-of-fold predictions of the training participants of the bundle in a folder, by ``participant_hash``.

    Raises
    ------
    ModelError
        The table is none, or lacks a column.
    """
    import pandas as pd

    file = path / OUT_OF_FOLD
    try:
        table = pd.read_csv(file, sep="\t", na_values="n/a", dtype={"session_id": str})
    except (OSError, ValueError) as error:
        raise unreadable(file, str(error)) from None
    if lacking := [name for name in _COLUMNS if name not in table]:
        raise unreadable(file, f"it has no column {', '.join(lacking)}")
    if len(table) and not pd.api.types.is_numeric_dtype(table["probability_poor"]):
        raise unreadable(file, "its column probability_poor holds text")
    return table


def read_evidence(path: Path) -> OutOfFold | None:
    """What the fusion of the bundle in a folder was fitted on; None in one whose fusion was not fitted here.

    Raises
    ------
    ModelError
        The table is none, or lacks a column.
    """
    try:
        return read_out_of_fold(path / EVIDENCE)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(path / EVIDENCE, f"{type(error).__name__} {error}") from None
