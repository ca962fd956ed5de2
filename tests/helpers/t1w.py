"""T1w files with their BIDS identity."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib

from bids_stroke.core.records import BidsFile

T1w = nib.Nifti1Image


def file_of(folder: Path, image: T1w, name: str = "sub-01_T1w.nii.gz") -> BidsFile:
    folder.mkdir(parents=True, exist_ok=True)
    image.to_filename(folder / name)
    return BidsFile(folder / name, {}, {}, f"bids:raw:sub-01/anat/{name}")


def file_in(root: Path, path: Path, dataset: str = "raw") -> BidsFile:
    return BidsFile(path, {}, {}, f"bids:{dataset}:{path.relative_to(root).as_posix()}")
