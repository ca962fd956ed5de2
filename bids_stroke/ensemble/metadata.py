"""What can be known of a bundle on disk without loading it (and without torch)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from bids_stroke.core.errors import InputError, ModelError
from bids_stroke.core.json_files import read_json_object

if TYPE_CHECKING:
    from bids_stroke.ensemble.metadata_fields import MetadataFields

CHECKSUMS = "SHA256SUMS"
METADATA = "configs/metadata.json"
MODEL_CARD = "docs/model_card.md"
OUT_OF_FOLD = "out_of_fold.tsv"
EVIDENCE = "evidence.tsv"
"""What the fusion was fitted on."""
FORMAT_VERSION = 2
"""2: one distribution of the outcome in place of a calibration of the probability and a fusion of scores."""
PREPROCESSING_VERSION = 1
"""Raised when feature maps change so that older networks must not read them."""
_COPY_AGAIN = "Copy the bundle again from where it was made, or train it again."


def weights_file(member: str) -> str:
    """Name of the file with a member's weights, from the bundle's folder."""
    return f"models/{member}.safetensors"


def unreadable(file: Path, why: str) -> ModelError:
    """The error of a file of a bundle that does not hold what it must."""
    return ModelError(f"Model file {file} cannot be read: {why}.", _COPY_AGAIN, "corrupt-model")


def bundle_digest(path: Path) -> str:
    """sha256 that stands for the whole bundle, found without checking it.

    Raises
    ------
    ModelError
        There is no bundle in this folder.
    """
    sums = path / CHECKSUMS
    if not sums.is_file():
        what = "has no " + CHECKSUMS if path.is_dir() else "does not exist"
        raise ModelError(
            f"Model {path} {what}: it is no bundle.", "Give --model a folder made by the train level.", "missing-model"
        )
    return hashlib.sha256(_bytes(sums)).hexdigest()


def verify_checksums(path: Path) -> frozenset[str]:
    """Compare every file of a bundle that is listed with its checksum; nothing of them is parsed.

    Returns
    -------
    frozenset of str
        Names of the files that are listed, from the bundle's folder.

    Raises
    ------
    ModelError
        The list is none; a file is missing, changed, or not within the folder.
    """
    rows = _listed(path)
    files = [_inside(path, name) for name in rows]
    for file in files:
        if not _is_file(file):
            raise ModelError(f"Model file {file} is missing.", _COPY_AGAIN, "corrupt-model")
    from concurrent.futures import ThreadPoolExecutor  # here: it imports more than the rest of this module

    with ThreadPoolExecutor() as pool:  # hashlib lets go of the interpreter's lock
        for file, wanted, found in zip(files, rows.values(), pool.map(_sha256, files), strict=True):
            if found != wanted:
                raise ModelError(f"Model file {file} is corrupt: its sha256 differs.", _COPY_AGAIN, "corrupt-model")
    return frozenset(rows)


def _listed(path: Path) -> dict[str, str]:
    """Checksum of each file that is listed, by its name."""
    sums = _inside(path, CHECKSUMS)
    rows = [line.split("  ", 1) for line in _bytes(sums).decode("utf-8", "replace").splitlines()]
    names = [row[-1] for row in rows]
    if any(len(row) != 2 for row in rows) or METADATA not in names or len(set(names)) < len(names):
        raise ModelError(f"{sums} is not a list of checksums of a bundle.", _COPY_AGAIN, "corrupt-model")
    return {name: digest for digest, name in rows}


def _inside(path: Path, name: str) -> Path:
    """A file of a bundle; ModelError for a name, or a link, that leads out of the folder."""
    parts = PurePosixPath(name)
    file = path / name.replace("\0", "?")
    leads_out = parts.is_absolute() or ".." in parts.parts or "\0" in name
    if leads_out or not file.resolve().is_relative_to(path.resolve()):
        raise ModelError(
            f"{path / CHECKSUMS}: the file {name!r} is not within the bundle.",
            "Copy the bundle with its files instead of links (cp -rL), from where it was made.",
            "corrupt-model",
        )
    return file


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a name that is too long
        return False


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(
            f"Model file {file} cannot be read: {error.strerror}.", "Check its permissions.", "corrupt-model"
        ) from None


def verify_versions(path: Path, metadata: Mapping[str, Any]) -> None:
    """Compare the versions in a bundle's metadata with those that are read here; ModelError where one differs."""
    for key, ours in (("format_version", FORMAT_VERSION), ("preprocessing_version", PREPROCESSING_VERSION)):
        if metadata.get(key) != ours:
            packages = metadata.get("required_packages_version")
            made_by = packages.get("bids_stroke", "unknown") if isinstance(packages, Mapping) else "unknown"
            raise ModelError(
                f"Model {path} has {key} {metadata.get(key)}, this version of bids_stroke reads {ours}.",
                f"Train it again, or use bids_stroke {made_by}, which made it.",
                "other-version",
            )


def verify_bundle(path: Path) -> MetadataFields:
    """Check all that can be checked of a bundle without its networks: files, checksums, versions, metadata.

    Raises
    ------
    ModelError
        The folder is no bundle; a file is changed, missing or not in its list of checksums; the bundle is of another
        version, or its metadata are not what they must be.
    """
    bundle_digest(path)
    listed = verify_checksums(path)
    metadata = _metadata(path)
    names = [METADATA, MODEL_CARD, OUT_OF_FOLD, *(weights_file(entry.member.name) for entry in metadata.networks)]
    if (path / EVIDENCE).exists():
        names.append(EVIDENCE)
    _require_listed(path, names, listed)
    return metadata


def _require_listed(path: Path, names: Iterable[str], listed: frozenset[str]) -> None:
    """ModelError where a file that will be read has no checksum: nobody could tell whether it is the right one."""
    for name in names:
        if name not in listed:
            raise ModelError(
                f"Model file {path / name} is not in {CHECKSUMS}.",
                f"{_COPY_AGAIN} If you know that it is right: sha256sum {name} >> {CHECKSUMS}, in the bundle's folder.",
                "corrupt-model",
            )


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            f"Model file {file} cannot be read: {error.strerror}.", "Check its permissions.", "corrupt-model"
        ) from None


def bundle_outcome(path: Path) -> str:
    """The rule that the bundle predicts, ``fma_le<=17``; ModelError if its metadata cannot be read."""
    return _metadata(path).outcome


def bundle_modalities(path: Path) -> dict[str, str]:
    """Modality of each member; ModelError if its metadata cannot be read."""
    return {entry.member.name: entry.member.modality for entry in _metadata(path).members}


def bundle_networks(path: Path) -> tuple[str, ...]:
    """Networks of the members and of the early fusion, each once; ModelError if its metadata cannot be read."""
    found = _metadata(path)
    every = [*found.members, *([found.early_fusion] if found.early_fusion else [])]
    return tuple(dict.fromkeys(entry.member.network for entry in every))


def bundle_network_of(path: Path) -> dict[str, str]:
    """Network of each member and of the early fusion, by name; ModelError if its metadata cannot be read."""
    found = _metadata(path)
    every = [*found.members, *([found.early_fusion] if found.early_fusion else [])]
    return {entry.member.name: entry.member.network for entry in every}


def bundle_lesion_side(path: Path) -> str:
    """Setting ``lesion_side`` of the maps that the bundle was trained on; bundles from before it knew only as-is."""
    return _metadata(path).facts.settings.lesion_side


def _metadata(path: Path) -> MetadataFields:
    """Metadata of a bundle of this version, checked key by key."""
    file = path / METADATA
    try:
        content = read_json_object(file)
    except InputError as error:
        raise ModelError(error.message, _COPY_AGAIN, "corrupt-model") from None
    verify_versions(path, content)
    from bids_stroke.ensemble.metadata_fields import metadata_fields  # here: it takes a moment to make

    return metadata_fields(file, content)
