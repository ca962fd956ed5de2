"""What can be known of a bundle on disk without loading it (and without torch)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bids_stroke.core.errors import ModelError

CHECKSUMS = "SHA256SUMS"
METADATA = "configs/metadata.json"
FORMAT_VERSION = 1
PREPROCESSING_VERSION = 1
"""Raised when feature maps change so that older networks must not read them."""


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
    return hashlib.sha256(sums.read_bytes()).hexdigest()


def verify_checksums(path: Path) -> None:
    """Compare every file of a bundle with its checksum; ModelError where one is missing or changed."""
    remedy = "Copy the bundle again from where it was made, or train it again."
    rows = [line.split("  ", 1) for line in (path / CHECKSUMS).read_text().splitlines()]
    if any(len(row) != 2 for row in rows) or METADATA not in {row[-1] for row in rows}:
        raise ModelError(f"{path / CHECKSUMS} is not a list of checksums of a bundle.", remedy, "corrupt-model")
    files = [path / name for _, name in rows]
    for file in files:
        if not file.is_file():
            raise ModelError(f"Model file {file} is missing.", remedy, "corrupt-model")
    from concurrent.futures import ThreadPoolExecutor  # here: it imports more than the rest of this module

    with ThreadPoolExecutor() as pool:  # hashlib lets go of the interpreter's lock
        for file, (wanted, _), found in zip(files, rows, pool.map(_sha256, files), strict=True):
            if found != wanted:
                raise ModelError(f"Model file {file} is corrupt: its sha256 differs.", remedy, "corrupt-model")


def verify_versions(path: Path, metadata: Mapping[str, Any]) -> None:
    """Compare the versions in a bundle's metadata with those that are read here; ModelError where one differs."""
    for key, ours in (("format_version", FORMAT_VERSION), ("preprocessing_version", PREPROCESSING_VERSION)):
        if metadata.get(key) != ours:
            made_by = metadata.get("required_packages_version", {}).get("bids_stroke", "unknown")
            raise ModelError(
                f"Model {path} has {key} {metadata.get(key)}, this version of bids_stroke reads {ours}.",
                f"Train it again, or use bids_stroke {made_by}, which made it.",
                "other-version",
            )


def verify_bundle(path: Path) -> None:
    """Check all that can be checked of a bundle without its networks: files, checksums, versions.

    Raises
    ------
    ModelError
        The folder is no bundle, a file is changed or missing, or the bundle is of another version.
    """
    bundle_digest(path)
    verify_checksums(path)
    verify_versions(path, _read_metadata(path))


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def bundle_outcome(path: Path) -> str:
    """The rule that the bundle predicts, ``fma_le<=17``; ModelError if its metadata cannot be read."""
    return str(_metadata(path)["outcome"])


def bundle_modalities(path: Path) -> dict[str, str]:
    """Modality of each member; ModelError if its metadata cannot be read."""
    return {entry["member"]["name"]: entry["member"]["modality"] for entry in _metadata(path)["members"]}


def bundle_lesion_side(path: Path) -> str:
    """Setting ``lesion_side`` of the maps that the bundle was trained on; bundles from before it knew only as-is."""
    settings = _metadata(path)["facts"].get("settings", {})
    return str(settings.get("lesion_side", "as-is"))


def _metadata(path: Path) -> dict[str, Any]:
    content = _read_metadata(path)
    try:
        return {key: content[key] for key in ("outcome", "members", "facts")}
    except KeyError as error:
        raise _unreadable(path, error) from None


def _read_metadata(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((path / METADATA).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path / METADATA} cannot be read: {type(error).__name__}: {error}.",
        "Copy the bundle again from where it was made, or train it again.",
        "corrupt-model",
    )
