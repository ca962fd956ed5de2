"""All files of one subject, wherever they lie: raw, lesion masks beside them, and what ``--derivatives`` give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_stroke.bids.choice.duplicates import one_of_packed
from bids_stroke.bids.choice.unread import Place, Unread
from bids_stroke.bids.derivative_files import (
    find_lesions,
    find_maps,
    find_native,
    is_lesion,
    lesion_folders,
    may_be_lesion,
    why_no_lesion,
)
from bids_stroke.bids.layout import Dataset
from bids_stroke.core.records import BidsFile
from bids_stroke.core.spaces import image_of


@dataclass(frozen=True)
class SubjectFiles:
    """What one subject has, before it is dealt out to sessions.

    Parameters
    ----------
    raw : mapping of str to tuple of BidsFile
        By query.
    lesions, maps, native : tuple of BidsFile
        From :func:`find_lesions`, :func:`find_maps` and :func:`find_native`.
    left_out : tuple of Unread
        Files that are not used, and why.
    links : frozenset of str
        Paths of raw files that are links.
    images : tuple of BidsFile
        Raw images that lesion masks may have been drawn on.
    """

    raw: Mapping[str, tuple[BidsFile, ...]]
    lesions: tuple[BidsFile, ...]
    maps: tuple[BidsFile, ...]
    native: tuple[BidsFile, ...]
    left_out: tuple[Unread, ...] = ()
    links: frozenset[str] = frozenset()
    images: tuple[BidsFile, ...] = ()

    def sessions(self) -> set[str | None]:
        """Session labels of everything; a file above the sessions belongs to all of them."""
        items = [item for query, files in self.raw.items() if query != "epi" for item in files]
        items += [*self.lesions, *self.maps, *self.native]
        labels = {item.entities.get("session") for item in items}
        return labels - {None} if len(labels) > 1 else labels


@dataclass(frozen=True)
class Datasets:
    """The datasets of a run: each root is listed once, and of the folders in it only those of selected subjects."""

    raw: Dataset
    derivatives: Mapping[str, Dataset]
    """Of ``--derivatives``."""
    lesions: Mapping[str, Dataset] | None
    """In ``derivatives/`` of the raw dataset, for lesion masks only; None where no masks are needed."""

    @classmethod
    def open(cls, bids_dir: Path, derivatives: Mapping[str, Path], needs_lesion: bool) -> Datasets:
        """List the roots.

        Raises
        ------
        InputError
            One of them cannot be listed.
        """
        beside = lesion_folders(bids_dir).items() if needs_lesion else ()
        lesions = {name: Dataset.open(path, name) for name, path in beside if name not in derivatives}
        given = {name: Dataset.open(path, name) for name, path in derivatives.items()}
        return cls(Dataset.open(bids_dir, "raw"), given, lesions if needs_lesion else None)

    def subject(self, label: str) -> SubjectFiles:
        """All files of a subject.

        Raises
        ------
        InputError
            A folder of the subject cannot be listed.
        """
        folders = self.raw.folders(label)
        raw = self.raw.raw_files(folders)
        left_out = self.raw.unread(folders, raw)
        given = _images(self.derivatives, label, left_out)
        lesions: tuple[BidsFile, ...] = ()
        images: list[BidsFile] = []
        if self.lesions is not None:
            beside = _images(self.lesions, label, left_out, may_be_lesion)
            own = _own_once(self.raw.images(folders, is_lesion), left_out)
            derived = {"raw": own, **beside, **given}
            lesions = find_lesions(derived)
            unlike = why_no_lesion(derived, lesions)
            left_out += [Unread(file.path.name, why, _place(file).session) for file, why in unlike.items()]
        if lesions:
            images = self.raw.images(folders, lambda name: bool(image_of(name)))
        links = frozenset(f"{folder.path}/{name}" for folder in folders for name in folder.links)
        ready = find_maps(given), find_native(given)
        return SubjectFiles(raw, lesions, *ready, tuple(left_out), links, tuple(images))


def _images(
    datasets: Mapping[str, Dataset], subject: str, left_out: list[Unread], is_wanted: Callable[[str], bool] = bool
) -> dict[str, Sequence[BidsFile]]:
    """Images of a subject by dataset; what is left out of two files of one image is added to `left_out`."""
    found = {name: dataset.images(dataset.folders(subject), is_wanted) for name, dataset in datasets.items()}
    return {name: _own_once(files, left_out) for name, files in found.items()}


def _own_once(files: Sequence[BidsFile], left_out: list[Unread]) -> Sequence[BidsFile]:
    """Images that their folder and their name say to be of one person, packed or unpacked."""
    others = {file: why for file in files if (why := _place(file).why_not_of(file.path.name))}
    kept, spare = one_of_packed([file for file in files if file not in others])
    left_out += [Unread(file.path.name, why, _place(file).session) for file, why in (others | spare).items()]
    return kept


def _place(file: BidsFile) -> Place:
    return Place.of(f"{file.uri.split(':', 2)[2].rpartition('/')[0]}/")
