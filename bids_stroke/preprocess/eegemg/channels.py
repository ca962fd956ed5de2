"""Whether channels.tsv and the recording speak of the same channels."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mne_bids import get_bids_path_from_fname

from bids_stroke.core.channels import canonical_name, ears, kind_of
from bids_stroke.core.errors import DataError, InputError
from bids_stroke.core.text_files import read_text
from bids_stroke.preprocess.eegemg.montage import has_site, standard_names
from bids_stroke.signals.sides import is_muscle, told_side

_TYPES = frozenset(
    {
        "AUDIO", "EEG", "EOG", "ECG", "EKG", "EMG", "EYEGAZE", "GSR", "HEOG", "MISC", "PPG", "PUPIL", "REF", "RESP",
        "SYSCLOCK", "TEMP", "TRIG", "VEOG", "ACCEL", "GYRO", "MAGN", "LATENCY", "SEEG", "ECOG", "DBS", "n/a",
    }
)  # fmt: skip
"""Types of channels in the BIDS specification (EEG, EMG and what accompanies them)."""
_NOTHING = ("", "n/a")
_LONGEST_NAME = 40
"""Letters: a longer description tells of more than the muscle."""
_MISTAKEN = ("emg", "eog", "ecg")
"""Kinds of channels that programs write as EEG where nobody tells them: mne-bids does so of every channel of an EDF."""


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
        return []
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


def set_types(recording: Path, raw: Any) -> list[str]:
    """Set the types that channels.tsv does not tell, by the channels' names, and say so.

    A channel without a type (``n/a``), and every channel where there is no channels.tsv, is what its name says: a site
    of a cap, a muscle, eyes, heart or something else (`kind_of`). Where the file itself gives a type, that stays; but
    ears are no EEG, nor are muscles, eyes and heart that are told to be. What stays unknown is left out of a recording
    of EEG, and is EMG in one of EMG (``_emg``). Channels at the end for which the table has no row are left out.

    Parameters
    ----------
    recording : Path
    raw : mne.io.BaseRaw
        Its channels' types are set.
    """
    found = channels_table(recording)
    names, types = list(raw.ch_names), dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    if found is None:
        open_names = [name for name in names if types[name] == "eeg"]
    else:
        listed = found[1].iloc[: len(names)]
        without = listed["type"].str.strip().str.lower().isin(("n/a", "")).tolist()
        open_names = [name for name, lacks in zip(names, without, strict=False) if lacks]
        raw.set_channel_types(dict.fromkeys(names[len(listed) :], "misc"), verbose="error")
    notes = []
    is_emg = recording.name.rsplit("_", 1)[-1].startswith("emg.")
    if open_names:
        placed = {ch["ch_name"] for ch in raw.info["chs"] if np.isfinite(ch["loc"][:3]).all() and ch["loc"][:3].any()}
        kinds = {name: kind for name, kind in _kinds(names, placed, is_emg).items() if name in open_names}
        raw.set_channel_types({name: kind or "misc" for name, kind in kinds.items()}, on_unit_change="ignore",
                              verbose="error")  # fmt: skip
        why = "no channels.tsv" if found is None else f"{found[0].name} has no type for some"
        notes.append(f"{recording.name}: {why}; by their names {_said(kinds)}")
    if is_emg and "emg" not in raw.get_channel_types():
        notes.append(f"{recording.name}: no channel has type EMG in channels.tsv; all are taken as EMG")
        raw.set_channel_types(dict.fromkeys(names, "emg"), verbose="error")
    return notes + _take_out(recording, raw)


def _take_out(recording: Path, raw: Any) -> list[str]:
    """Give ears, muscles, eyes and heart that count as EEG their own type, and say so.

    Ears lie near the brain, but a reference to the average with them would be one to the ears and the brain.
    """
    eeg = [name for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True) if kind == "eeg"]
    found = {name: kind for name in eeg if (kind := kind_of(name)) in _MISTAKEN}
    beside = [name for name in eeg if name in ears(raw.ch_names)]
    if len(beside) + len(found) == len(eeg):  # ears or not: it is the only EEG that there is
        beside = []
    raw.set_channel_types({**found, **dict.fromkeys(beside, "misc")}, on_unit_change="ignore", verbose="error")
    notes = [f"{recording.name}: ears are no sites of the brain and left out: {', '.join(beside)}"] if beside else []
    if found:
        said = ", ".join(f"{name} ({kind.upper()})" for name, kind in found.items())
        notes.append(f"{recording.name}: told to be EEG, and taken as what their names say: {said}")
    return notes


def name_muscles(recording: Path, raw: Any) -> list[str]:
    """Call EMG channels by the muscles that channels.tsv tells of them, and say where that is another one.

    A muscle is what ``target_muscle`` says (BIDS, EMG), else ``name``, else ``description`` where the name tells none.
    A side that only the name tells comes before it. Muscles that several channels would have leave them their names.

    Parameters
    ----------
    recording : Path
    raw : mne.io.BaseRaw
        With its types; its EMG channels are renamed.
    """
    found = channels_table(recording)
    if found is None:
        return []
    table = found[1].iloc[: len(raw.ch_names)]
    emg = {name for name, kind in zip(raw.ch_names, raw.get_channel_types(), strict=True) if kind == "emg"}
    rows = [{str(key): str(value) for key, value in row.items()} for row in table.to_dict("records")]
    muscles = {row["name"]: _muscle(row) if row["name"] in emg else row["name"] for row in rows}
    often = Counter(muscles.get(name, name) for name in raw.ch_names)
    renamed = {name: muscle for name, muscle in muscles.items() if muscle != name and often[muscle] == 1}
    raw.rename_channels(renamed, verbose="error")
    notes = []
    other = {name: muscle for name, muscle in renamed.items() if canonical_name(name) != canonical_name(muscle)}
    if other:
        said = ", ".join(f"{name} is {muscle}" for name, muscle in other.items())
        notes.append(f"{recording.name}: muscles by {found[0].name}: {said}")
    double = sorted({muscle for name, muscle in muscles.items() if muscle != name and often[muscle] > 1})
    if double:
        notes.append(f"{recording.name}: {found[0].name} has more than one channel of {', '.join(double)}: they keep "
                     "their names")  # fmt: skip
    return notes


def _muscle(row: Mapping[str, str]) -> str:
    """The muscle of an EMG channel by its row; its name where nothing tells one."""
    name, target, described = (row.get(key, "").strip() for key in ("name", "target_muscle", "description"))
    muscle = row["name"]
    if target.lower() not in _NOTHING:
        muscle = target
    elif not is_muscle(name) and is_muscle(described) and len(described) <= _LONGEST_NAME:
        muscle = described
    side = told_side(name)
    return muscle if muscle == row["name"] or not side or told_side(muscle) else f"{side} {muscle}"


def _kinds(names: Sequence[str], placed: Set[str], is_emg: bool) -> dict[str, str]:
    """Name -> type as mne has it; empty where the name tells nothing."""
    site = dict(zip(names, has_site(standard_names(names)), strict=True))
    beside = ears(names) if any(site.values()) else frozenset()
    kinds = {}
    for name in names:
        kind = kind_of(name)
        if not kind and name in beside:
            kind = "misc"
        elif not kind and (site[name] or name in placed):
            kind = "eeg"
        elif not kind and is_emg:
            kind = "emg"
        kinds[name] = kind
    return kinds


def _said(kinds: Mapping[str, str]) -> str:
    groups = {kind: [name for name, found in kinds.items() if found == kind] for kind in ("eeg", "emg", "eog", "")}
    other = [name for name, kind in kinds.items() if kind and kind not in groups]
    said = [f"{len(groups['eeg'])} channels are EEG"] if groups["eeg"] else []
    said += [f"EMG: {', '.join(groups['emg'])}"] if groups["emg"] else []
    said += [f"EOG: {', '.join(groups['eog'])}"] if groups["eog"] else []
    said += [f"left out: {', '.join(other)}"] if other else []
    if groups[""]:
        said.append(f"not known and left out: {', '.join(groups[''])} (give their types in channels.tsv)")
    return "; ".join(said)


def _difference(listed: Sequence[str], names: Sequence[str]) -> str:
    only = [[name for name in first if name not in set(second)] for first, second in ((listed, names), (names, listed))]
    said = [f"only in {where}: {', '.join(found)}" for where, found in zip(("the table", "the file"), only, strict=True)
            if found]  # fmt: skip
    if said:
        return "; ".join(said)
    row = next(index for index, (first, second) in enumerate(zip(listed, names, strict=False)) if first != second)
    return f"the order differs, first in row {row + 1} ({listed[row]} instead of {names[row]})"
