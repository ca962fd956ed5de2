"""Whether channels.tsv and the recording speak of the same channels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import mne
import pandas as pd
from mne_bids import get_bids_path_from_fname

from bids_stroke.core.errors import DataError, InputError
from bids_stroke.core.text_files import read_text

_TYPES = frozenset(
    {
        "AUDIO", "EEG", "EOG", "ECG", "EKG", "EMG", "EYEGAZE", "GSR", "HEOG", "MISC", "PPG", "PUPIL", "REF", "RESP",
        "SYSCLOCK", "TEMP", "TRIG", "VEOG", "ACCEL", "GYRO", "MAGN", "LATENCY", "SEEG", "ECOG", "DBS", "n/a",
    }
)  # fmt: skip
"""Types of channels in the BIDS specification (EEG, EMG and what accompanies them)."""


def channels_table(recording: Path) -> tuple[Path, pd.DataFrame] | None:
    """``channels.tsv`` of a recording as text, by the inheritance of BIDS; None if there is none.

    Raises
    ------
    DataError
        It has no rows, or no column ``name`` or ``type``.
    """
    path = get_bids_path_from_fname(recording, check=False, verbose="error")
    found = path.find_matching_sidecar(suffix="channels", extension=".tsv", on_error="ignore")
    if found is None:
        return None
    remedy = "Give each channel of the recording a row with name, type and units."
    try:
        text = StringIO(read_text(found).text)
        table = pd.read_csv(text, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, InputError) as error:
        raise DataError(f"{found} is no table: {error}.", remedy, "bad-channels-table") from error
    lacking = [column for column in ("name", "type") if column not in table]
    if lacking:
        raise DataError(f"{found} has no column {' and '.join(lacking)}.", remedy, "bad-channels-table")
    return Path(found), table


def compare(recording: Path, names: Sequence[str]) -> list[str]:
    """What to say about differences in number and about unknown types.

    Raises
    ------
    DataError
        Names differ, or their order does.
    """
    found = channels_table(recording)
    if found is None:
        return [f"{recording.name} has no channels.tsv: the types of its channels are those in the file, mostly EEG"]
    path, table = found
    listed = table["name"].tolist()
    shared = min(len(listed), len(names))
    if listed[:shared] != list(names[:shared]):
        raise DataError(
            f"{path} is at odds with {recording.name}: {_difference(listed, names)}.",
            "Give the rows the names of the file's channels, in their order.",
            "channels-mismatch",
        )
    notes = [note] if (note := read_text(path).note) else []
    if len(names) > shared:
        notes.append(f"{recording.name}: without a row in channels.tsv and left out: {', '.join(names[shared:])}")
    if len(listed) > shared:
        notes.append(f"{path.name} names channels that are not in {recording.name}: {', '.join(listed[shared:])}")
    unknown = sorted(set(table["type"]) - _TYPES - {kind.lower() for kind in _TYPES})
    if unknown:
        notes.append(f"{path.name}: channels of a type that is not of BIDS are left out ({', '.join(unknown)})")
    return notes


def names_in_file(recording: Path) -> list[str]:
    """Names of the channels by the file's own header."""
    return list(mne.io.read_raw(recording, preload=False, verbose="error").ch_names)


def without_row(recording: Path, names: Sequence[str]) -> list[str]:
    """Channels at the end of the file for which channels.tsv has no row."""
    found = channels_table(recording)
    return [] if found is None else list(names[len(found[1]) :])


def _difference(listed: Sequence[str], names: Sequence[str]) -> str:
    only = [[name for name in first if name not in set(second)] for first, second in ((listed, names), (names, listed))]
    said = [f"only in {where}: {', '.join(found)}" for where, found in zip(("the table", "the file"), only, strict=True)
            if found]  # fmt: skip
    if said:
        return "; ".join(said)
    row = next(index for index, (first, second) in enumerate(zip(listed, names, strict=False)) if first != second)
    return f"the order differs, first in row {row + 1} ({listed[row]} instead of {names[row]})"
