"""What lies derived beside raw data: lesion masks, feature maps in a standard space, preprocessed native images."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bids_stroke.bids.layout import files_of
from bids_stroke.core.records import SPACE, BidsFile
from bids_stroke.derivatives.names import beside, is_named, parse

LESION_NAME = re.compile(
    r"_(label-L\d*_(?:.*_)?mask|label-[Ll]esion\w*?_(?:.*_)?(?:mask|roi)|desc-[^_]*[Ll]esion[^_]*_mask)\.nii(\.gz)?$"
)
"""Lesion masks under all names in use: BIDS label L, fMRIPrep's label-lesion_roi, desc-*lesion*."""
LESION_SHARE_NAME = re.compile(r"_label-(L\d*|[Ll]esion\w*?)_(?:.*_)?probseg\.nii(\.gz)?$")
"""Share of each voxel that is lesion."""

_TENSOR = r"(?!.*_model-(?!tensor|dti))(?!.*_desc-color)"
"""No map of another model (kurtosis has an MD too), no picture in colour."""
MAP_NAMES: Mapping[str, re.Pattern[str]] = {
    modality: re.compile(rf"{_TENSOR}.*_space-MNI152\w+?_.*{name}\.nii(\.gz)?$", re.I)
    for modality, name in {
        **{param: rf"param-{param}_(?:.*_)?dwimap" for param in ("fa", "md", "rd", "ad")},
        **{tissue: rf"label-{tissue}_(?:probseg|desc-intensity_T1w)" for tissue in ("gm", "wm")},
    }.items()
}
"""Feature maps in a standard space that ``--derivatives`` can give."""


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


def find_lesions(bids_dir: Path, subject: str, derivatives: Mapping[str, Path]) -> tuple[BidsFile, ...]:
    """Lesion masks of a subject beside the raw data, in ``derivatives/*`` and in ``--derivatives``.

    A mask with a map of shares in its folder, of the same space and grid, has it ``beside`` it as ``share``. Of several
    that of the same description is taken; where that does not decide, they are ``share_or_not_0`` and so on.
    """
    roots = {"raw": bids_dir}
    roots |= {path.name: path for path in sorted(bids_dir.glob("derivatives/*")) if not _is_ours(path)}
    roots |= dict(derivatives)
    found = {}
    for name, root in roots.items():
        files = files_of(root, subject, name)
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
        if pattern.search(file.path.name) or _is_own_map(file.path, modality)
    )
    # the last of several is used: our own space before others, tissue intensities before probabilities
    return tuple(sorted(found, key=lambda file: (file.entities.get("space") == SPACE, _is_intensity(file.path))))


def find_native(subject: str, derivatives: Mapping[str, Path]) -> tuple[BidsFile, ...]:
    """Preprocessed images and tensor maps of a subject in its own space, with ``dataset`` and ``role``.

    BOLD runs in an MNI152 space too; with raw files' names of entities and the files that belong to them.
    """
    found = []
    for name, root in derivatives.items():
        for file in files_of(root, subject, name):
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


def best_lesions(masks: tuple[BidsFile, ...], has_t1w: bool) -> tuple[BidsFile, ...]:
    """Native masks when there is a T1w to carry them to standard space, else those in standard space."""
    standard = tuple(mask for mask in masks if mask.entities.get("space", "").startswith("MNI"))
    native = tuple(mask for mask in masks if mask not in standard)
    return (native or standard) if has_t1w else (standard or native)
