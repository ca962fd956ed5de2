"""What lies derived beside raw data: lesion masks, feature maps in a standard space, preprocessed native images."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from bids_stroke.core.errors import InputError
from bids_stroke.core.json_files import read_json_object
from bids_stroke.core.modalities import MODALITIES
from bids_stroke.core.records import SPACE, BidsFile
from bids_stroke.derivatives.names import beside, is_named, parse

LESION_NAME = re.compile(
    r"_(label-L\d*_(?:.*_)?mask|label-[Ll]esion\w*?_(?:.*_)?(?:mask|roi)|desc-[^_]*[Ll]esion[^_]*_mask)\.nii(\.gz)?$"
)
"""Lesion masks under all names in use: BIDS label L, fMRIPrep's label-lesion_roi, desc-*lesion*."""
LESION_SHARE_NAME = re.compile(r"_label-(L\d*|[Ll]esion\w*?)_(?:.*_)?probseg\.nii(\.gz)?$")
"""Share of each voxel that is lesion."""
_LIKE_A_LESION = re.compile(r"lesion|infarct|stroke|[^a-z](?:msk|roi)\.nii", re.I)
"""Names that people give to lesion masks and that are none of BIDS."""

_TENSOR = r"(?!.*_model-(?!tensor|dti))(?!.*_desc-color)"
"""No map of another model (kurtosis has an MD too), no picture in colour."""
_NATIVE_MAP = re.compile(rf"{_TENSOR}.*_param-(fa|md|rd|ad)_(?:.*_)?dwimap\.nii(\.gz)?$", re.I)
READY_NAMES: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    "anat": {
        "t1w": re.compile(r"_desc-preproc_T1w\.nii(\.gz)?$"),
        "brain_mask": re.compile(r"_desc-brain_mask\.nii(\.gz)?$"),
        **{tissue.lower(): re.compile(rf"_label-{tissue}_probseg\.nii(\.gz)?$") for tissue in ("GM", "WM", "CSF")},
    },
    "dwi": {
        "dwi": re.compile(r"_desc-preproc_dwi\.nii(\.gz)?$"),
        "dwi_mask": re.compile(r"_desc-brain_mask\.nii(\.gz)?$"),
    },
    "func": {"bold": re.compile(r"^(?!.*_echo-).*_desc-preproc_bold\.nii(\.gz)?$")},
}
"""Preprocessed images by folder and role, as fMRIPrep, sMRIPrep and QSIPrep name them; so does this app (names.py)."""
TURNED = "ACPC"
"""Space of QSIPrep whose T1w was turned: what was drawn on the raw T1w does not fit it."""
_NATIVE_SPACES = (None, "T1w", "dwi", TURNED)
_PYBIDS_NAMES = {"acq": "acquisition", "dir": "direction"}
_NOT_OF_THE_RUN = re.compile(r"_(space|res|den)-[A-Za-z0-9]+")
_CONFOUNDS = ("desc-confounds_timeseries.tsv", "desc-confounds_regressors.tsv")
"""As fMRIPrep names them, and as it did before version 20.2."""


def lesion_folders(bids_dir: Path) -> dict[str, Path]:
    """Datasets in ``derivatives/`` beside raw data that may hold lesion masks, by name.

    Outputs of this app do not count, nor what this user may not look into.
    """
    folders = sorted((bids_dir / "derivatives").glob("[!.]*"))
    readable = [path for path in folders if path.is_dir() and os.access(path, os.R_OK | os.X_OK)]
    return {path.name: path for path in readable if not _is_ours(path)}


def is_lesion(name: str) -> bool:
    """Whether a file of this name is a lesion mask or a map of shares of one."""
    return bool(LESION_NAME.search(name) or LESION_SHARE_NAME.search(name))


def may_be_lesion(name: str) -> bool:
    """Whether a file of this name is a lesion mask, or may be meant as one.

    >>> [may_be_lesion(f"sub-1_{end}.nii.gz") for end in ("msk", "desc-lesion_roi", "desc-brain_mask")]
    [True, True, False]
    """
    return is_lesion(name) or bool(_LIKE_A_LESION.search(name))


def why_no_lesion(images: Mapping[str, Sequence[BidsFile]], lesions: Sequence[BidsFile]) -> dict[BidsFile, str]:
    """Images that may be meant as lesion masks and are not read, and why.

    Parameters
    ----------
    images : mapping of str to sequence of BidsFile
        As for :func:`find_lesions`.
    lesions : sequence of BidsFile
        What it found.
    """
    used = {path.resolve() for lesion in lesions for path in (lesion.path, *lesion.beside.values())}
    alone = "a map of shares of lesion is read beside a mask only: give the mask, too"
    other = "lesion masks are called *_label-L_mask or *_desc-lesion_mask: rename it if it is one"
    return {
        file: alone if LESION_SHARE_NAME.search(file.path.name) else other
        for files in images.values()
        for file in files
        if may_be_lesion(file.path.name) and file.path.resolve() not in used
    }


def find_lesions(images: Mapping[str, Sequence[BidsFile]]) -> tuple[BidsFile, ...]:
    """Lesion masks of a subject beside the raw data, in ``derivatives/*`` and in ``--derivatives``.

    A mask with a map of shares in its folder, of the same space and grid, has it ``beside`` it as ``share``. Of several
    that of the same description is taken; where that does not decide, they are ``share_or_not_0`` and so on.

    Parameters
    ----------
    images : mapping of str to sequence of BidsFile
        Images of the subject by dataset. Of one file in two datasets (a link, a folder named twice) the last counts.
    """
    found = {}
    for files in images.values():
        shares = [
            file for file in files if LESION_SHARE_NAME.search(file.path.name) or is_named(file.path, "lesion_shares")
        ]
        for mask in files:
            if LESION_NAME.search(mask.path.name) or is_named(mask.path, "lesion_mask"):
                found[mask.path.resolve()] = replace(mask, beside=_shares_of(mask, shares))
    return tuple(found.values())


def _shares_of(mask: BidsFile, shares: Sequence[BidsFile]) -> dict[str, Path]:
    """The maps of shares that fit a mask, by role."""
    fitting = [share for share in shares if _of_one_lesion(mask, share)]
    alike = [share for share in fitting if share.entities.get("desc") == mask.entities.get("desc")]
    if len(alike) == 1 or len(fitting) == 1:
        return {"share": (alike or fitting)[0].path}
    return {f"share_or_not_{i}": share.path for i, share in enumerate(fitting)}


def _of_one_lesion(mask: BidsFile, share: BidsFile) -> bool:
    """Whether a mask and a map of shares differ in suffix and description only."""
    own, other = ({**file.entities, "desc": "", "suffix": ""} for file in (mask, share))
    return mask.path.parent == share.path.parent and own == other


def _is_ours(folder: Path) -> bool:
    """Whether a folder is no dataset of masks but an output of this app, which must not become its own input."""
    try:
        generators = read_json_object(folder / "dataset_description.json").get("GeneratedBy")
    except InputError:
        return False
    listed = generators if isinstance(generators, list) else []
    return any(isinstance(item, dict) and item.get("Name") == "bids_stroke" for item in listed)


def modalities_of_map(name: str) -> list[str]:
    """Modalities whose feature map in a standard space a file of this name is, by their records.

    >>> modalities_of_map("sub-01_space-MNI152NLin6Asym_model-dti_param-MD_dwimap.nii.gz")
    ['md']
    """
    maps = {modality: known.standard_map for modality, known in MODALITIES.items()}
    return [modality for modality, known in maps.items() if known and _map_name(known.name).search(name)]


@cache
def _map_name(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{_TENSOR}.*_space-MNI152\w+?_.*{pattern}\.nii(\.gz)?$", re.I)


def find_maps(images: Mapping[str, Sequence[BidsFile]]) -> tuple[BidsFile, ...]:
    """Feature maps in a standard space of a subject, with their ``modality``.

    Parameters
    ----------
    images : mapping of str to sequence of BidsFile
        Images of the subject by dataset of ``--derivatives``.
    """
    found = (
        replace(file, entities={**file.entities, "modality": modality})
        for files in images.values()
        for file in files
        for modality in MODALITIES
        if modality in modalities_of_map(file.path.name) or _is_own_map(file.path, modality)
    )
    # the last of several is used: our own space before others, tissue intensities before probabilities
    return tuple(sorted(found, key=lambda file: (file.entities.get("space") == SPACE, _is_intensity(file.path))))


def find_native(images: Mapping[str, Sequence[BidsFile]]) -> tuple[BidsFile, ...]:
    """Preprocessed images and tensor maps of a subject in its own space, with ``dataset`` and ``role``.

    BOLD runs in an MNI152 space too; with raw files' names of entities and the files that belong to them.

    Parameters
    ----------
    images : mapping of str to sequence of BidsFile
        Images of the subject by dataset of ``--derivatives``.
    """
    found = []
    for name, files in images.items():
        for file in files:
            space = file.entities.get("space")
            standard = file.path.parent.name == "func" and str(space).startswith("MNI152")
            if space not in _NATIVE_SPACES and not standard:
                continue
            names = READY_NAMES.get(file.path.parent.name, {})
            roles = [
                role for role, known in names.items() if known.search(file.path.name) or _is_own_image(file.path, role)
            ]
            if not roles and (named := _NATIVE_MAP.search(file.path.name)):
                roles = [f"{named[1].lower()}_map"]
            found += [
                replace(
                    file,
                    entities={**_as_raw(file.entities), "dataset": name, "role": role},
                    beside=_beside_bold(file.path) if role == "bold" else {},
                )
                for role in roles
            ]
    return tuple(found)


def _is_intensity(path: Path) -> bool:
    return "desc-intensity" in path.name or is_named(path, "tissue_intensity")


def _is_own_map(path: Path, modality: str) -> bool:
    """Whether a file has the name that this app gives a map of a modality in standard space."""
    tissue = {"label": modality.upper()}
    roles = {"tensor_map": {"param": modality}, "tissue_intensity": tissue, "tissue_probability": tissue}
    return any(is_named(path, role, space=SPACE, **own) for role, own in roles.items())


def _is_own_image(path: Path, role: str) -> bool:
    """Whether a file has the name that this app gives an image of a role of READY_NAMES."""
    if role in ("gm", "wm", "csf"):
        return is_named(path, "tissue_probability", label=role.upper())
    return is_named(path, role)


def _as_raw(entities: Mapping[str, str]) -> dict[str, str]:
    return {_PYBIDS_NAMES.get(key, key): value for key, value in entities.items()}


def _beside_bold(path: Path) -> dict[str, Path]:
    """Mask (same space) and confounds (of the run) of a ready BOLD file, as far as they are there."""
    stem = path.name.split("_desc-preproc_bold")[0]
    masks = [path.with_name(f"{stem}_desc-brain_mask.{ending}") for ending in ("nii.gz", "nii")]
    tables = [path.with_name(f"{_NOT_OF_THE_RUN.sub('', stem)}_{ending}") for ending in _CONFOUNDS]
    if is_named(path, "bold"):  # of an earlier run of this app
        tables.append(beside(path, "confounds"))
        masks += [] if "space" in parse(path.name).entities else [beside(path, "bold_mask")]
    # the first of each that is there
    return {
        role: path
        for role, paths in (("mask", masks), ("confounds", tables))
        for path in reversed(paths)
        if path.is_file()
    }
