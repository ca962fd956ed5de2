"""Text files of EEG and EMG samples to BIDS recordings: ``bids_stroke_tools convert-txt``."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pandas as pd
from mne_bids import BIDSPath, write_raw_bids

from bids_stroke.convert.text_table import Table, TxtOptions, read_table
from bids_stroke.core.errors import UsageError
from bids_stroke.derivatives.outputs import write_json, write_text

_PLAUSIBLE_VOLTS = (1e-7, 5e-3)
"""Standard deviations between which EEG and EMG lie, filtered or not."""


def convert_txt(source: Path, bids_dir: Path, options: TxtOptions) -> tuple[Path, tuple[str, ...]]:
    """Write a text file as a BIDS recording.

    BrainVision under ``eeg/`` with the EMG typed in channels.tsv; BDF under ``emg/`` where there is no EEG channel.
    Files at the root of the dataset are written only where they are lacking; a new person is added to
    participants.tsv.

    Parameters
    ----------
    source : Path
    bids_dir : Path
        May not exist yet.
    options : TxtOptions

    Returns
    -------
    path : Path
        The recording.
    notes : tuple of str
        What should be looked at.

    Raises
    ------
    InputError
        The file is missing.
    DataError
        It is not a table of finite numbers (``ragged-table``, ``not-a-number``, ``constant-recording``), or does not
        have the columns that were promised (``wrong-columns``).
    UsageError
        An option is at odds with itself, or the recording exists.
    """
    table = read_table(source, options)
    kind = "eeg" if "eeg" in table.types else "emg"
    labels = {"subject": options.subject, "session": options.session, "task": options.task, "run": options.run}
    extension = ".vhdr" if kind == "eeg" else ".bdf"
    final = BIDSPath(**labels, datatype=kind, suffix=kind, root=bids_dir, extension=extension)
    target = Path(final.fpath)
    if target.exists():
        raise UsageError(f"{target} exists.", "Remove it, or give another --task, --session or --run.")
    with tempfile.TemporaryDirectory() as temporary:
        path = final.copy().update(root=temporary, extension=None)
        _write(_raw(table, options), path, kind)
        _describe(Path(temporary), options)
        _merge(Path(temporary), bids_dir, options.subject)
    return target, tuple(_notes(table, options))


def _raw(table: Table, options: TxtOptions) -> Any:
    info = mne.create_info(list(table.names), options.rate, list(table.types), verbose="error")
    info["line_freq"] = options.mains
    return mne.io.RawArray(table.data, info, verbose="error")


def _write(raw: Any, path: BIDSPath, kind: str) -> None:
    more = {"emg_placement": "Other"} if kind == "emg" else {}
    form = "BrainVision" if kind == "eeg" else "BDF"
    write_raw_bids(raw, path, format=form, allow_preload=True, overwrite=True, verbose="error", **more)


def _describe(root: Path, options: TxtOptions) -> None:
    """Add to the sidecar what mne-bids cannot know."""
    sidecar = next(path for path in root.rglob("sub-*/**/*.json") if path.stem.endswith(("_eeg", "_emg")))
    content = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    kind = sidecar.stem[-3:].upper()
    content[f"{kind}Reference"] = options.reference
    if kind == "EMG":
        content["EMGPlacementSchemeDescription"] = "Not told by the text file."
    write_json(sidecar, content)


def _merge(fresh: Path, bids_dir: Path, subject: str) -> None:
    """Copy a dataset of one recording into another; files that are there stay, but for one more participant."""
    bids_dir.mkdir(parents=True, exist_ok=True)
    for path in sorted(item for item in fresh.rglob("*") if item.is_file()):
        target = bids_dir / path.relative_to(fresh)
        # scans.tsv would hold acquisition times, which text files do not have
        if not target.exists() and not path.name.endswith(("_scans.tsv", "_scans.json", ".lock")):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    table = bids_dir / "participants.tsv"
    people = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    label = f"sub-{subject}"
    if label not in set(people["participant_id"]):
        people.loc[len(people)] = [label if column == "participant_id" else "n/a" for column in people]
        write_text(table, people.to_csv(sep="\t", index=False, lineterminator="\n"))


def _notes(table: Table, options: TxtOptions) -> list[str]:
    notes = []
    other = [name for name, kind in zip(table.names, table.types, strict=True) if kind == "misc"]
    if other:
        notes.append(f"neither a 10-20 site nor a muscle that is known, written as MISC: {', '.join(other)}")
    for kind in ("eeg", "emg"):
        rows = table.data[[item == kind for item in table.types]]
        spread = float(np.median(rows.std(axis=1))) if len(rows) else _PLAUSIBLE_VOLTS[0]
        if not _PLAUSIBLE_VOLTS[0] <= spread <= _PLAUSIBLE_VOLTS[1]:
            notes.append(f"the {kind.upper()} spreads {spread * 1e6:.3g} uV: is {options.unit} the right unit?")
    return notes
