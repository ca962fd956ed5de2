"""Files of a person that no query takes: why, one by one; and how what is left out is said."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bids_stroke.bids.derivative_files import is_lesion
from bids_stroke.core.modalities import QUERIES

BELONGING = (".json", ".tsv", ".bval", ".bvec", ".vmrk", ".eeg", ".fdt")
"""Endings of files that lie beside data and are read with them, or not at all."""
_IMAGES = (".nii", ".nii.gz")
_OTHER_FORMATS: Mapping[str, str] = {
    **dict.fromkeys((".img", ".hdr", ".img.gz", ".hdr.gz", ".mgz", ".mgh", ".mif", ".mif.gz", ".mih", ".nrrd", ".nhdr",
                     ".mnc", ".mha", ".mhd", ".par", ".rec", ".dcm", ".ima", ".dicom"), ".nii.gz"),
    **dict.fromkeys((".fif", ".cnt", ".mff", ".vhdr.gz", ".edf.gz", ".mat", ".c3d", ".poly5", ".xdf"),
                    ".vhdr, .edf, .bdf or .set"),
}  # fmt: skip
"""Formats of images and recordings that are not read, and what to convert them to."""
_LABEL = re.compile("[a-zA-Z0-9+]+")
_PERSON = re.compile(
    r"(?!sub-)(?:[sS][uU][bB][-_ ].+|(?:(?i:sub|subj|subject|participant|patient|pat|case))?[-_ ]?[0-9]+)"
)
_KNOWN: Mapping[str, str] = {
    "UNIT1": "UNIT1 is not read: its background is noise; make a T1w without it",
    "MP2RAGE": "an MP2RAGE is not read: make a T1w of its inversions",
}
MOST_OF_ONE_KIND = 3
"""So many files left out for one reason stand one by one; of more, the first and their number."""


@dataclass(frozen=True)
class Unread:
    """A file of a person that is not used."""

    name: str
    why: str
    session: str | None = None


@dataclass(frozen=True)
class Place:
    """A folder of a person: ``sub-01/ses-02/anat/``."""

    subject: str
    session: str | None
    datatype: str
    """Empty where it is no folder of a datatype."""

    @classmethod
    def of(cls, within: str) -> Place:
        """The place of a folder by its path from the root of the dataset, with a slash at its end."""
        subject, *below, _ = within.split("/")
        session = below.pop(0)[4:] if below and below[0].startswith("ses-") else None
        return cls(subject[4:], session, below[0] if len(below) == 1 else "")

    def why_not_of(self, name: str) -> str:
        """Why a file of this folder is none of the person and session; empty if it is."""
        if not name.startswith(f"sub-{self.subject}_"):
            said = name.split("_", 1)[0]
            start = f"begins with {said}" if said.startswith("sub-") else f"does not begin with sub-{self.subject}_"
            return f"its name {start}, its folder is sub-{self.subject}: rename or move it"
        if self.session is not None and "_ses-" in name and f"_ses-{self.session}_" not in name:
            said = name.split("_ses-", 1)[1].split("_", 1)[0]
            return f"its name says ses-{said}, its folder ses-{self.session}: rename or move it"
        return ""


def why_unread(place: Place, name: str, beside: Iterable[str] = ()) -> str:
    """Why no query takes a file; empty for files that belong to others, and for lesion masks.

    Parameters
    ----------
    place : Place
        Its folder.
    name : str
        Its name.
    beside : iterable of str
        Names of the files in its folder.
    """
    stem, dot, end = name.partition(".")
    extension = f"{dot}{end}"
    if name.endswith(BELONGING):
        if extension == ".eeg" and f"{stem}.vhdr" not in beside:
            return f"there is no {stem}.vhdr to read it by"
        return place.why_not_of(name) if name.startswith("sub-") else ""
    if not (_LABEL.fullmatch(place.subject) and _LABEL.fullmatch(place.session or "0")):
        return "the label of its folder has other characters than letters and digits"
    if is_lesion(name):  # where masks are looked for, all is said of them
        return "" if place.datatype else f"it lies in no folder of a datatype of sub-{place.subject}: move it"
    return place.why_not_of(name) or _why_of_suffix(place, stem.rsplit("_", 1)[-1], extension)


def _why_of_suffix(place: Place, suffix: str, extension: str) -> str:
    small, ending = suffix.lower(), extension.lower()
    if convert := _OTHER_FORMATS.get(ending):
        return f"the format {extension} is not read: convert it to {convert}"
    queries = [query for query in QUERIES.values() if query.suffix.lower() == small]
    if not queries:
        if suffix in _KNOWN:
            return _KNOWN[suffix]
        read = ", ".join(dict.fromkeys(query.suffix for query in QUERIES.values()))
        return f"{suffix}{extension} is not read; what is: {read}"
    query = next((query for query in queries if ending in query.extensions), queries[0])
    if ending not in query.extensions:
        return f"{suffix} is not read as {extension}; what is: {', '.join(query.extensions)}"
    if suffix != query.suffix or extension != ending:
        return f"BIDS writes it {query.suffix}{ending}: rename it"
    if query.datatype:
        session = f"ses-{place.session}/" if place.session else ""
        return f"it does not lie in sub-{place.subject}/{session}{query.datatype}/: move it"
    return f"it lies in no folder of a datatype of sub-{place.subject}: move it"


def folders_not_read(bids_dir: Path) -> list[str]:
    """One sentence that names the folders of a dataset that look like people and are not called ``sub-``."""
    with os.scandir(bids_dir) as entries:
        found = sorted(entry.name for entry in entries if _PERSON.fullmatch(entry.name) and entry.is_dir())
    if not found:
        return []
    shown = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
    return [f"Not read, since people's folders are called sub-LABEL: {shown}. Rename them if they hold people."]


def in_lines(left_out: Mapping[str, str]) -> dict[str, str]:
    """What is left out, as it is shown: of many files with one reason the first and their number.

    Parameters
    ----------
    left_out : mapping of str to str
        Name -> why (``Session.left_out``).

    Examples
    --------
    >>> in_lines({f"sub-01_run-{run}_sbref.nii.gz": "not read" for run in range(1, 9)})
    {'sub-01_run-1_sbref.nii.gz and 7 more': 'not read'}
    """
    by_reason: dict[str, list[str]] = {}
    for name, why in left_out.items():
        by_reason.setdefault(why, []).append(name)
    lines = {}
    for why, names in by_reason.items():
        if len(names) > MOST_OF_ONE_KIND:
            lines[f"{names[0]} and {len(names) - 1} more"] = why
        else:
            lines |= dict.fromkeys(names, why)
    return lines


def in_sentences(left_out: Mapping[str, str]) -> list[str]:
    """The same as sentences without a full stop: for tables and messages."""
    return [f"{name} is left out: {why}" for name, why in in_lines(left_out).items()]
