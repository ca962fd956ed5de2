"""Text files of samples as tables of channels, in volts.

One row a sample, one column a channel, separated by tab, semicolon, comma or blanks; the first row may hold the
channels' names. What the numbers mean (rate, unit, names) is not in such files and has to be given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.channels import CHANNELS, canonical_name, is_site, kind_of, numbered_electrodes
from bids_stroke.core.errors import DataError, InputError, UsageError

VOLTS = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "nV": 1e-9}
"""Volts of one unit."""
TYPES = ("eeg", "emg", "eog", "ecg", "misc")
PUBLISHED = "published"
"""As a list of channels: the 16 sites and 6 muscles of the published study, in its order."""
_LEFT_OUT = re.compile(r"-|time|t|sample|samples|index|time ?[(\[]?m?s[)\]]?", re.IGNORECASE)
_SEPARATORS = ("\t", ";", ",")


@dataclass(frozen=True)
class TxtOptions:
    """What a text file does not tell of itself.

    Attributes
    ----------
    subject, task : str
        Labels; letters and digits.
    rate : float
        Hz.
    unit : str
        Of all columns: a key of `VOLTS`.
    channels : tuple of str
        ``NAME`` or ``NAME:TYPE`` for each column; ``-`` leaves a column out; ``published`` alone stands for the
        study's 22. Empty: the first row has the names.
    mains : float
        Mains frequency, Hz.
    session, run : str or None
    reference : str
        Site of the EEG's reference.
    """

    subject: str
    task: str
    rate: float
    unit: str = "uV"
    channels: tuple[str, ...] = ()
    mains: float = 50.0
    session: str | None = None
    run: str | None = None
    reference: str = "n/a"


@dataclass(frozen=True, eq=False)
class Table:
    """Columns that are kept: data (n_channels, n_samples) float64 in volts."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    data: NDArray[np.float64]


def read_table(source: Path, options: TxtOptions) -> Table:
    """Read the numbers, in volts, with names and types of the channels (raises as `txt_recordings.convert_txt`)."""
    _check(options)
    try:
        text = source.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{source} does not exist.", "Look at the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source} cannot be read as text: {error}.", "Export it as plain text.") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise DataError(f"{source} is empty.", "Export it again.", "ragged-table")
    separator = next((mark for mark in _SEPARATORS if mark in lines[0][1]), None)
    first = _fields(lines[0][1], separator)
    header = not all(_is_number(item, separator) for item in first)
    names = _names(source, options, first if header else None)
    if len(names) != len(first):
        raise DataError(
            f"{source} has {len(first)} columns, but {len(names)} channels are given.",
            "Give one name for each column in --channels, - for a column to leave out.",
            "wrong-columns",
        )
    values = _numbers(source, lines[int(header) :], separator, len(first))
    kept = [index for index, name in enumerate(names) if not _LEFT_OUT.fullmatch(name)]
    numbered = numbered_electrodes([names[index] for index in kept])
    pairs = [_name_and_type(names[index], names[index] in numbered) for index in kept]
    found = [name for name, _ in pairs]
    if len(set(found)) < len(found):
        double = sorted({name for name in found if found.count(name) > 1})
        raise DataError(f"{source}: channels named twice: {', '.join(double)}.", "Name each once.", "wrong-columns")
    if not {"eeg", "emg"} & {kind for _, kind in pairs}:
        remedy = "Name them by the 10-20 system or the muscle, or give types: --channels 'X1:EEG,X2:EMG'."
        raise DataError(f"{source}: no column is known as EEG or EMG ({', '.join(found)}).", remedy, "wrong-columns")
    data = np.ascontiguousarray(values[:, kept].T) * VOLTS[options.unit]
    return Table(tuple(found), tuple(kind for _, kind in pairs), data)


def _check(options: TxtOptions) -> None:
    for name in ("subject", "task", "session", "run"):
        label = getattr(options, name)
        if label is not None and not re.fullmatch(r"[A-Za-z0-9]+", label):
            raise UsageError(f"--{name} {label!r} is no BIDS label.", "Use letters and digits only.")
    if options.unit not in VOLTS:
        raise UsageError(f"--unit {options.unit!r} is not known.", f"Give one of {', '.join(VOLTS)}.")
    if not 1 <= options.rate <= 1e5:
        raise UsageError(f"--rate {options.rate:g} Hz is no sampling rate of EEG.", "Give it in Hz.")


def _names(source: Path, options: TxtOptions, header: Sequence[str] | None) -> tuple[str, ...]:
    if options.channels:
        return CHANNELS if options.channels == (PUBLISHED,) else options.channels
    if header is None:
        raise UsageError(
            f"{source} has no row of names.",
            f"Give --channels NAME,NAME,... (or --channels {PUBLISHED} for the study's 22 in its order).",
        )
    return tuple(header)


def _name_and_type(text: str, numbered: bool) -> tuple[str, str]:
    """Name and type of a channel: as given after the colon, or by what the name says; a numbered one is no site."""
    name, _, given = text.partition(":")
    name = name.strip()
    if given:
        if given.strip().lower() not in TYPES:
            raise UsageError(f"--channels: {text!r} has an unknown type.", f"Types are {', '.join(TYPES)}.")
        return name, given.strip().lower()
    return name, "eeg" if is_site(canonical_name(name)) and not numbered else kind_of(name) or "misc"


def _fields(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    fields = [item.strip().strip('"') for item in line.split(separator)]
    return fields[:-1] if fields[-1] == "" and len(fields) > 1 else fields  # exports often end rows with a separator


def _is_number(text: str, separator: str | None) -> bool:
    try:
        float(_with_point(text, separator))
    except ValueError:
        return False
    return True


def _with_point(text: str, separator: str | None) -> str:
    return text.replace(",", ".") if separator in ("\t", ";") else text


def _numbers(
    source: Path, lines: Sequence[tuple[int, str]], separator: str | None, n_columns: int
) -> NDArray[np.float64]:
    """All rows as (n_samples, n_columns) float64; the first row that is not so is named."""
    values = np.empty((len(lines), n_columns))
    for index, (number, line) in enumerate(lines):
        fields = _fields(_with_point(line, separator), separator)
        if len(fields) != n_columns:
            raise DataError(
                f"{source}, line {number}: {len(fields)} columns instead of {n_columns}.",
                "Every row must have every channel. Export the file again, or cut the broken rows at its end.",
                "ragged-table",
            )
        try:
            values[index] = fields
        except ValueError:
            wrong = next(item for item in fields if not _is_number(item, None))
            raise DataError(
                f"{source}, line {number}: {wrong!r} is not a number.", "Export it again.", "not-a-number"
            ) from None
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = bad[0]
        raise DataError(
            f"{source}, line {lines[row][0]}, column {column + 1}: not a finite number ({len(bad)} in all).",
            "Lost samples cannot be filled in: cut the file there, or leave the column out by - in --channels.",
            "not-a-number",
        )
    if len(values) < 2:
        raise DataError(f"{source} has {len(values)} samples.", "Export it again.", "ragged-table")
    return values
