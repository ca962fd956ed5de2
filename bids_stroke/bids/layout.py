"""The files of one subject: one walk of its folder. Entities and inheritance are pybids', which is not imported."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from bids_stroke.bids.choice.unread import BELONGING, Place, Unread, why_unread
from bids_stroke.bids.entities import comparable, named_entities, raw_entities
from bids_stroke.bids.sidecars import Folder, Metadata, Sidecar, Told, merged, natural
from bids_stroke.core.errors import InputError
from bids_stroke.core.modalities import QUERIES
from bids_stroke.core.records import BidsFile

READ_WITH: Mapping[str, tuple[str, ...]] = dict.fromkeys(("eeg", "emg"), ("channels", "coordsystem", "events"))
"""Suffix of a recording -> suffixes of further JSON files that mne-bids reads with it: they must be whole, too."""

_IMAGES = (".nii", ".nii.gz")
_BESIDE = tuple(ending for ending in BELONGING if ending != ".eeg")


@dataclass(frozen=True)
class Dataset:
    """A dataset in one run, raw or derived: its root is listed once, and each sidecar is read once.

    Parameters
    ----------
    name : str
        In BIDS URIs: ``raw``, or the name of a folder of derivatives.
    root : Folder
        Its root. Of the folders in it, only those of selected subjects are ever listed.
    subjects : frozenset of str
        Labels of its ``sub-*`` folders.
    """

    name: str
    root: Folder
    subjects: frozenset[str]

    @cached_property
    def _query_of(self) -> Mapping[tuple[str, str], tuple[str, str]]:
        """Suffix and extension of raw files -> their query and its datatype."""
        return {
            (query.suffix, end): (key, query.datatype) for key, query in QUERIES.items() for end in query.extensions
        }

    @classmethod
    def open(cls, path: Path, name: str) -> Dataset:
        """List the root of a dataset.

        Raises
        ------
        InputError
            It cannot be listed.
        """
        files, folders, _ = _listing(str(path))
        labels = frozenset(folder[4:] for folder in folders if folder.startswith("sub-"))
        return cls(name, Folder(str(path), "", files), labels)

    def folders(self, subject: str) -> list[Folder]:
        """All folders of a subject, of whatever depth; none where there is no such subject.

        Raises
        ------
        InputError
            A folder cannot be listed.
        """
        if subject not in self.subjects:
            return []
        return list(_walk(f"{self.root.path}/sub-{subject}", f"sub-{subject}/", self.root))

    def raw_files(self, folders: list[Folder]) -> dict[str, tuple[BidsFile, ...]]:
        """Raw files of a subject by query, in pybids' order, with pybids' entities and inherited metadata.

        Parameters
        ----------
        folders : list of Folder
            From :meth:`folders`.
        """
        found: dict[str, list[BidsFile]] = {query: [] for query in QUERIES}
        endings = tuple([f"{suffix}{extension}" for suffix, extension in self._query_of])
        names = [(folder, name) for folder in folders for name in folder.files if name.endswith(endings)]
        places = {folder.within: Place.of(folder.within) for folder, _ in names}
        for folder, name in sorted(names, key=lambda item: natural(item[0].within + item[1])):
            place = places[folder.within]
            entities = raw_entities(folder.within + name)
            query, datatype = self._query_of.get((entities.get("suffix", ""), entities.get("extension", "")), ("", ""))
            # not to half a label, of a folder sub-01_b
            belongs = place.subject == entities.get("subject") and not place.why_not_of(name)
            if query and belongs and place.datatype == (datatype or entities.get("datatype")):
                metadata = Metadata(partial(raw_metadata, folder, name, entities))
                found[query].append(self._file(folder, name, entities, metadata))
        return {query: tuple(files) for query, files in found.items()}

    def unread(self, folders: list[Folder], found: Mapping[str, Iterable[BidsFile]]) -> list[Unread]:
        """Files of a subject that are neither raw files of a query, nor masks, nor lie beside others; and why.

        Parameters
        ----------
        folders : list of Folder
            From :meth:`folders`.
        found : mapping of str to iterable of BidsFile
            From :meth:`raw_files`.
        """
        used = {file.uri for files in found.values() for file in files}
        left = []
        for folder in folders:
            start = f"bids:{self.name}:{folder.within}"
            own = f"{folder.within.split('/', 1)[0]}_"
            names = [
                name
                for name in folder.files
                if f"{start}{name}" not in used
                and not (name.endswith(_BESIDE) and (name.startswith(own) or not name.startswith("sub-")))
                and not (name.endswith(".eeg") and f"{name[:-4]}.vhdr" in folder.files)
            ]
            if names:
                place = Place.of(folder.within)
                told = ((name, why_unread(place, name, folder.files)) for name in sorted(names, key=natural))
                left += [Unread(name, why, place.session) for name, why in told if why]
        return left

    def images(self, folders: list[Folder], is_wanted: Callable[[str], bool] = bool) -> list[BidsFile]:
        """NIfTI files of a subject in the folders of datatypes, with all entities of their names, by path.

        Parameters
        ----------
        folders : list of Folder
            From :meth:`folders`.
        is_wanted : callable
            Whether files of a name are; all of them by default.
        """
        places = [folder for folder in folders if _is_datatype(folder.within)]
        names = [(folder, name) for folder in places for name in folder.files if name.endswith(_IMAGES)]
        found = []
        wanted = [item for item in names if is_wanted(item[1])]
        for folder, name in sorted(wanted, key=lambda item: [*item[0].within.split("/"), item[1]]):
            entities = named_entities(name)
            metadata = Metadata(partial(_named_metadata, folder, name, entities))
            found.append(self._file(folder, name, entities, metadata))
        return found

    def _file(self, folder: Folder, name: str, entities: Mapping[str, str], metadata: Metadata) -> BidsFile:
        within = f"{folder.within}{name}"
        if not within.isascii():
            _check_utf8(within, folder)
        return BidsFile(Path(f"{folder.path}/{name}"), entities, metadata, f"bids:{self.name}:{within}")


def _walk(path: str, within: str, above: Folder) -> Iterator[Folder]:
    files, folders, links = _listing(path)
    folder = Folder(path, within, files, above, links)
    yield folder
    for name in folders:
        yield from _walk(f"{path}/{name}", f"{within}{name}/", folder)


def _listing(path: str) -> tuple[list[str], list[str], list[str]]:
    """Names of the files and of the folders in a folder, without hidden ones, and of those files that are links.

    As in pybids, a link counts as what it leads to, and one that leads nowhere (git-annex, before a file is fetched) as
    a file; the content of a Zarr store is not looked at. A link to a folder that it lies in itself is left alone.
    """
    files, folders, links = [], [], []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not _is_folder(entry):
                    files.append(entry.name)
                    if entry.is_symlink():
                        links.append(entry.name)
                elif not entry.name.endswith(".zarr") and not (entry.is_symlink() and _holds(entry.path, path)):
                    folders.append(entry.name)
    except OSError as error:
        raise InputError(f"{error.filename} cannot be listed: {error.strerror}.", "Check its permissions.") from None
    return files, folders, links


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself leads nowhere
            return False
        raise


def _holds(link: str, folder: str) -> bool:
    return f"{os.path.realpath(folder)}/".startswith(f"{os.path.realpath(link)}/")


def _check_utf8(within: str, folder: Folder) -> None:
    try:
        within.encode()
    except UnicodeEncodeError:
        raise InputError(f"{folder.path!r} has a name that is not UTF-8: {within!r}.", "Rename the file.") from None


def _is_datatype(within: str) -> bool:
    """Whether a folder is ``sub-01/anat/`` or ``sub-01/ses-01/anat/``."""
    parts = within.split("/")
    return len(parts) == 3 or (len(parts) == 4 and parts[1].startswith("ses-"))


def raw_metadata(folder: Folder, name: str, entities: Mapping[str, str]) -> Told:
    """Metadata of a raw file as pybids gives them: without those that its name tells already.

    Raises
    ------
    InputError
        A sidecar cannot be read, or contradicts the name.
    """
    own, suffix = comparable(entities), entities["suffix"]
    sidecars = folder.applying(suffix, own, raw_entities)
    content, notes = merged(f"{folder.path}/{name}", sidecars)
    for other in READ_WITH.get(suffix, ()):
        if beside := folder.applying(other, own, _without_space):
            notes += merged(f"{folder.path}/{name}", beside).notes
    for key in content.keys() & entities.keys():
        _check_agreement(key, content.pop(key), entities[key], sidecars)
    return Told(content, notes)


def _without_space(within: str) -> dict[str, str]:
    """Entities of a file that describes electrodes: their space is not in the recording's name."""
    return {name: value for name, value in raw_entities(within).items() if name != "space"}


def _check_agreement(key: str, said: object, named: str, sidecars: list[Sidecar]) -> None:
    """InputError where a sidecar says of an entity something else than the file's name (1 and run-01 are the same)."""
    if str(said) != named and not (str(said).isdecimal() and named.isdecimal() and int(str(said)) == int(named)):
        source = next(sidecar.path for sidecar in reversed(sidecars) if key in sidecar.content)
        raise InputError(
            f"{source}: {key} is {said!r}, but the name of a file that it describes says {named!r}.",
            "Correct one of them, or remove the key.",
        )


def _named_metadata(folder: Folder, name: str, entities: Mapping[str, str]) -> Told:
    """Metadata of a derivative: whatever its sidecars say."""
    sidecars = folder.applying(entities["suffix"], comparable(entities), named_entities)
    return merged(f"{folder.path}/{name}", sidecars)
