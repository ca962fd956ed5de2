"""Broken recordings: BrainVision, EDF and BDF, EEGLAB."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from scipy.io import loadmat, savemat

from tests.fuzz.base import set_content
from tests.fuzz.text import WORDS, broken_bytes, broken_text
from tests.fuzz.trial import Trial, copy, participant, stem_of

_OPTIONS = ("--modalities", "eegemg", "--config", "{place}/config.yml")
_FIXED: tuple[tuple[str, int, int], ...] = (
    ("version", 0, 8), ("patient", 8, 80), ("recording", 88, 80), ("date", 168, 8), ("time", 176, 8),
    ("header bytes", 184, 8), ("reserved", 192, 44), ("records", 236, 8), ("duration", 244, 8), ("signals", 252, 4),
)  # fmt: skip
"""Fields of an EDF header that are there once: place and length."""
_OF_SIGNALS: tuple[tuple[str, int, int], ...] = (
    ("label", 0, 16), ("transducer", 16, 80), ("unit", 96, 8), ("physical min", 104, 8), ("physical max", 112, 8),
    ("digital min", 120, 8), ("digital max", 128, 8), ("filter", 136, 80), ("samples", 216, 8),
)  # fmt: skip
_RESERVED = ("EDF+C", "EDF+D", "BDF+D", "24BIT", "BIOSEMI")
_NUMBERS = ("1e308", "99999999", "-1", "0", "0.0001", "nan", "1e-300")


def brainvision(base: Path, place: Path, rng: Random) -> Trial:
    """A header, its markers, or its data are broken."""
    folder = _copied(base, place) / "sub-02" / "eeg"
    path = folder / f"sub-02_task-leg_eeg.{rng.choice(('vhdr', 'vhdr', 'vhdr', 'vmrk', 'eeg'))}"
    if path.suffix == ".eeg":
        content, what = broken_bytes(path.read_bytes(), rng)
    elif rng.random() < 0.6:
        content, what = _broken_line(path.read_text(encoding="utf-8"), rng)
    else:
        content, what = broken_text(path.read_bytes(), rng)
    path.write_bytes(content)
    return _trial("02", path, what)


def _broken_line(text: str, rng: Random) -> tuple[bytes, str]:
    """A ``key=value`` line with another value, or gone."""
    lines = text.splitlines()
    at = rng.choice([i for i, line in enumerate(lines) if "=" in line and not line.startswith(";")])
    key = lines[at].split("=", 1)[0]
    if rng.random() < 0.25:
        del lines[at]
        return "\n".join(lines).encode(), f"without {key}"
    value = rng.choice((*WORDS, *_NUMBERS))
    lines[at] = f"{key}={value}"
    return "\n".join(lines).encode("utf-8", "surrogatepass"), f"{key}={value[:30]!r}"


def edf(base: Path, place: Path, rng: Random) -> Trial:
    """A field of an EDF or BDF header holds what it must not, or the file is damaged."""
    folder = _copied(base, place) / "sub-03"
    path = folder / rng.choice(("eeg/sub-03_task-leg_eeg.edf", "emg/sub-03_task-leg_emg.bdf"))
    data = bytearray(path.read_bytes())
    if rng.random() < 0.15:
        content, what = broken_bytes(bytes(data), rng)
    else:
        said = []
        for _ in range(rng.choice((1, 1, 2))):
            n_signals = int(path.read_bytes()[252:256])
            value = rng.choice((*WORDS, *_NUMBERS, *_RESERVED, "12", "1", "2", "5"))
            if rng.random() < 0.5:
                name, at, length = rng.choice(_FIXED)
            else:
                name, at, length = rng.choice(_OF_SIGNALS)
                at = 256 + at * n_signals + rng.randrange(n_signals) * length
            field = value.encode("latin-1", "replace")[:length]
            data[at : at + length] = field.ljust(length)
            said.append(f"{name} = {value[:20]!r}")
        content, what = bytes(data), ", ".join(said)
    path.write_bytes(content)
    return _trial("03", path, what)


def eeglab(base: Path, place: Path, rng: Random) -> Trial:
    """A field of an EEGLAB structure is of another kind or gone, or the file is damaged."""
    path = _copied(base, place) / "sub-04" / "eeg" / "sub-04_task-leg_eeg.set"
    if rng.random() < 0.25:
        content, what = broken_bytes(path.read_bytes(), rng)
        path.write_bytes(content)
        return _trial("04", path, what)
    signals = loadmat(path, squeeze_me=True)["EEG"]["data"].item() / 1e6
    fields = set_content(np.asarray(signals))
    key = rng.choice(list(fields))
    values: tuple[Any, ...] = (
        [],
        0,
        -1,
        1e308,
        float("nan"),
        float("inf"),
        "x",
        np.zeros((0, 5)),
        np.zeros((3, 4, 5)),
        {"a": 1},
        2**40,
        "sub-04_task-leg_eeg.fdt",
        np.array([np.nan]),
        "\u00e9",
        True,
        np.array(["a", "b"], dtype=object),
    )
    if rng.random() < 0.2:
        del fields[key]
        what = f"without {key}"
    else:
        value = rng.choice(values)
        fields[key] = value
        what = f"{key} = {str(value)[:30]!r}"
    if rng.random() < 0.3:
        savemat(path, fields, appendmat=False)  # as EEGLAB writes since 2020: fields at the top
        what += ", at the top"
    else:
        savemat(path, {"EEG": fields}, appendmat=False)
    return _trial("04", path, what)


def _copied(base: Path, place: Path) -> Path:
    copy(base, place, "raw")
    (place / "config.yml").write_bytes((base / "config.yml").read_bytes())
    return place / "raw"


def _trial(label: str, path: Path, what: str) -> Trial:
    names = (path.name, stem_of(path), stem_of(path).split("_", 1)[1])
    return Trial(participant("--participant-label", label, *_OPTIONS), names, f"{path.name}: {what}")
