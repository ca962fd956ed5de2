"""Small BOLD runs and tables of confounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from bids_stroke.core.records import BidsFile
from bids_stroke.preprocess.bold.confounds import confound_table

TR = 2.0


def table_of(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    series = rng.normal(100, 1, (2, 2, 2, n)).astype(np.float32)
    masks = {"brain": np.ones((2, 2, 2), bool)}
    return confound_table(series, rng.standard_normal((n, 6)).cumsum(axis=0) * 0.02, masks, TR)


def run_file(folder: Path, shape: tuple[int, ...], metadata: Mapping[str, object], name: str = "task-rest") -> BidsFile:
    path = folder / f"sub-1_{name}_bold.nii.gz"
    image = nib.Nifti1Image(np.ones(shape, np.float32), np.diag([5.0, 5, 5, 1]))
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((5.0, 5.0, 5.0, TR)[: len(shape)])
    image.to_filename(path)
    long = {"acq": "acquisition", "dir": "direction"}
    pairs = [part.split("-") for part in name.split("_")]
    return BidsFile(path, {long.get(key, key): value for key, value in pairs}, metadata, f"bids:raw:{path.name}")
