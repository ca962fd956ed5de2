"""What lies derived beside raw data: lesion masks under all names in use, and feature maps in a standard space."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bids_stroke.index import files_of
from bids_stroke.records import SPACE, BidsFile

LESION_NAME = re.compile(
    r"_(label-L\d*_(?:.*_)?mask|label-[Ll]esion\w*?_(?:.*_)?(?:mask|roi)|desc-[^_]*[Ll]esion[^_]*_mask)\.nii(\.gz)?$"
)
"""Lesion masks under all names in use: BIDS label L, fMRIPrep's label-lesion_roi, desc-*lesion*."""

MAP_NAMES: Mapping[str, re.Pattern[str]] = {
    modality: re.compile(rf"_space-MNI152\w+?_.*{name}\.nii(\.gz)?$", re.I)
    for modality, name in {
        **{param: rf"param-{param}_(?:.*_)?dwimap" for param in ("fa", "md", "rd", "ad")},
        **{tissue: rf"label-{tissue}_(?:probseg|desc-intensity_T1w)" for tissue in ("gm", "wm")},
    }.items()
}
"""Feature maps in a standard space that ``--derivatives`` can give."""


def find_lesions(bids_dir: Path, subject: str, derivatives: Mapping[str, Path]) -> tuple[BidsFile, ...]:
    """Lesion masks of a subject beside the raw data, in ``derivatives/*`` and in ``--derivatives``."""
    roots = {"raw": bids_dir}
    roots |= {path.name: path for path in sorted(bids_dir.glob("derivatives/*")) if not _is_ours(path)}
    roots |= dict(derivatives)
    found = {
        file.path.resolve(): file
        for name, root in roots.items()
        for file in files_of(root, subject, name)
        if LESION_NAME.search(file.path.name)
    }
    return tuple(found.values())


def _is_ours(folder: Path) -> bool:
    """Whether a folder is no dataset of masks but an output of this app, which must not become its own input."""
    if not folder.is_dir():
        return True
    try:
        generators = json.loads((folder / "dataset_description.json").read_text()).get("GeneratedBy", [])
    except (OSError, ValueError, AttributeError):
        return False
    return any(isinstance(item, dict) and item.get("Name") == "bids_stroke" for item in generators)


def find_maps(subject: str, derivatives: Mapping[str, Path]) -> tuple[BidsFile, ...]:
    """Feature maps in a standard space of a subject, with their ``modality``."""
    found = (
        replace(file, entities={**file.entities, "modality": modality})
        for name, root in derivatives.items()
        for file in files_of(root, subject, name)
        for modality, pattern in MAP_NAMES.items()
        if pattern.search(file.path.name)
    )
    # the last of several is used: our own space before others, tissue intensities before probabilities
    return tuple(
        sorted(found, key=lambda file: (file.entities.get("space") == SPACE, "desc-intensity" in file.path.name))
    )


def best_lesions(masks: tuple[BidsFile, ...], has_t1w: bool) -> tuple[BidsFile, ...]:
    """Native masks when there is a T1w to carry them to standard space, else those in standard space."""
    standard = tuple(mask for mask in masks if mask.entities.get("space", "").startswith("MNI"))
    native = tuple(mask for mask in masks if mask not in standard)
    return (native or standard) if has_t1w else (standard or native)
