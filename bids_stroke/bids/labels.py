"""One person, one label: labels that differ only in the case of letters, in zeros before a number, or in ``sub-``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path


def same_person(participant_id: str) -> str:
    """What all spellings of a label have in common: ``sub-01``, ``01``, ``1`` and ``SUB-001`` give ``sub-1``.

    People whose labels have it in common may be two all the same: it serves to be careful, not to tell people apart.
    """
    label = participant_id.strip().casefold().removeprefix("sub-")
    return "sub-" + re.sub(r"\d+", lambda digits: digits[0].lstrip("0") or "0", label)


def same_dataset(name: str) -> str:
    """The name of a dataset without what people type differently: case and spaces."""
    return " ".join(name.casefold().split())


def participant_hash(salt: str, dataset: str, participant_id: str) -> str:
    """How a bundle knows a person again without naming them."""
    return hashlib.sha256("\0".join((salt, dataset, participant_id)).encode()).hexdigest()[:32]


def ledger_hash(salt: str, dataset: str, participant_id: str) -> str:
    """The hash by which a participant is known to have been trained on, however the labels are spelled."""
    return participant_hash(salt, same_dataset(dataset), same_person(participant_id))


def twins(labels: Iterable[str]) -> list[tuple[str, ...]]:
    """Labels that may mean the same person, together, sorted; labels without another are not among them."""
    found: dict[str, set[str]] = {}
    for label in labels:
        found.setdefault(same_person(label), set()).add(label)
    return sorted(tuple(sorted(group)) for group in found.values() if len(group) > 1)


def strangers(rows: Iterable[str], subjects: Sequence[str]) -> list[tuple[str, str]]:
    """Labels in a table that are nobody's, beside the subject whom they may mean: ``01`` for the folder ``sub-01``."""
    exact = set(subjects)
    known = {same_person(subject): subject for subject in subjects}
    pairs = {(row, known[same_person(row)]) for row in rows if row not in exact and same_person(row) in known}
    return sorted(pairs)


def has_folder(root: Path, name: str) -> bool:
    """Whether there is a folder of a name; of one that is too long for the file system there is none."""
    try:
        return (root / name).is_dir()
    except OSError:
        return False
