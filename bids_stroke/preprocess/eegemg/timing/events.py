"""events.tsv of a recording: its rows on the recording's clock, and which of them are marks of joints."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mne_bids import get_bids_path_from_fname
from numpy.typing import NDArray

from bids_stroke.core.errors import DataError, InputError
from bids_stroke.core.json_files import read_json_object
from bids_stroke.core.records import BidsFile
from bids_stroke.core.text_files import read_text

Array = NDArray[np.float64]
_JOINT = re.compile(r"(comment/)?(new segment(/.*)?|edge|edge[ _].*|(bad[ _])?boundary)", re.IGNORECASE)
_LEFT_OUT = re.compile(r"(comment/)?bad_acq_skip.*", re.IGNORECASE)
_BAD = re.compile(r"(comment/)?bad.*", re.IGNORECASE | re.DOTALL)
"""mne puts the kind of a BrainVision marker before its text."""
BOUNDARY = "boundary"
"""``trial_type`` of the joints in what is written, as EEGLAB names them."""


@dataclass(frozen=True, eq=False)
class Marks:
    """Events as numbers and words, in the order of their file.

    Attributes
    ----------
    onset, duration : (n,) float64
        Seconds; the onset may be NaN, durations are 0 where they are not known.
    label : tuple of str
    """

    onset: Array
    duration: Array
    label: tuple[str, ...]

    @classmethod
    def none(cls) -> Marks:
        """No events at all."""
        return cls(np.zeros(0), np.zeros(0), ())

    @property
    def joint(self) -> NDArray[np.bool_]:
        """Which mark a joint: ``boundary``, ``EDGE``, ``New Segment``."""
        return np.array([_JOINT.fullmatch(label.strip()) is not None for label in self.label], dtype=bool)

    @property
    def left_out(self) -> NDArray[np.bool_]:
        """Which say that there was no recording for their duration: MNE's ``BAD_ACQ_SKIP``."""
        return np.array([_LEFT_OUT.fullmatch(label.strip()) is not None for label in self.label], dtype=bool)

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Which mark bad signal: their label, or comment, starts with BAD, and they are no joints."""
        bad = np.array([_BAD.fullmatch(label.strip()) is not None for label in self.label], dtype=bool)
        return bad & ~self.joint & ~self.left_out


def marks_of(table: pd.DataFrame | None) -> Marks:
    """The rows of events.tsv as marks; labels by ``trial_type``, else ``value``, as mne-bids has it."""
    if table is None or "onset" not in table:
        return Marks.none()
    duration = table["duration"] if "duration" in table else pd.Series("0", index=table.index)
    columns = [name for name in ("trial_type", "stim_type", "value") if name in table]
    column = next((name for name in columns if (table[name] != "n/a").any()), None)
    label = table[column].astype(str).tolist() if column else ["n/a"] * len(table)
    return Marks(
        pd.to_numeric(table["onset"], errors="coerce").to_numpy(dtype=np.float64),
        pd.to_numeric(duration, errors="coerce").fillna(0.0).to_numpy(dtype=np.float64),
        tuple(label),
    )


def events_file(item: BidsFile, extension: str = ".tsv") -> Path | None:
    """The table of a recording's events, or its sidecar, by the inheritance of BIDS."""
    path = get_bids_path_from_fname(item.path, check=False, verbose="error")
    found = path.find_matching_sidecar(suffix="events", extension=extension, on_error="ignore")
    return None if found is None else Path(found)


def events_of(item: BidsFile) -> tuple[pd.DataFrame, dict[str, Any]] | None:
    """Events of a recording as the text that they are, and their sidecar; None if it has none.

    Raises
    ------
    DataError
        It is no table, or its sidecar no JSON (``bad-events-table``).
    """
    path, described = events_file(item), events_file(item, ".json")
    if path is None:
        return None
    try:
        text = StringIO(read_text(path).text)
        table = pd.read_csv(text, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
        sidecar = read_json_object(described) if described is not None else {}
    except (pd.errors.EmptyDataError, pd.errors.ParserError, ValueError, InputError) as error:
        remedy = "Mend it, or take it away: the recording can be used without events."
        raise DataError(f"{path} or its sidecar cannot be read: {error}.", remedy, "bad-events-table") from error
    return table, sidecar
