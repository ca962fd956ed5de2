"""Small diffusion series, and phantoms as the diffusion modules take them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np

from bids_stroke.core.records import BidsFile
from bids_stroke.imaging.images import array
from bids_stroke.preprocess.dwi.gradients import Gradients
from bids_stroke.preprocess.dwi.motion.eddy import Bend, Correction, Scan
from bids_stroke.preprocess.dwi.phase_encoding import Encoding
from bids_stroke.preprocess.dwi.series import Series
from tests.helpers.phantom import AXIS, Phantom

COARSE = {"shape": (36, 44, 34), "voxel_mm": 5.0}
"""A quick grid."""
WHOLE_HEAD = {"shape": (46, 56, 44), "voxel_mm": 4.0}


def bids_files(folder: Path) -> tuple[BidsFile, ...]:
    """All images of a folder with their sidecars."""
    found = []
    for path in sorted(folder.glob("*.nii.gz")):
        sidecar = Path(str(path).replace(".nii.gz", ".json"))
        metadata = json.loads(sidecar.read_text()) if sidecar.is_file() else {}
        found.append(BidsFile(path, {"sub": "01"}, metadata, f"bids:raw:sub-01/{path.parent.name}/{path.name}"))
    return tuple(found)


def series_of(folder: Path, metadata: dict[str, object], n: int = 8) -> Series:
    """A small series of one run with a sidecar."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    image = nib.Nifti1Image(rng.uniform(50, 100, (10, 12, 6, n)).astype(np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    image.to_filename(folder / "sub-01_dwi.nii.gz")
    bvals = np.where(np.arange(n) % 4, 1000.0, 0.0)
    bvecs = rng.standard_normal((n, 3))
    gradients = Gradients(bvals, bvecs / np.linalg.norm(bvecs, axis=1, keepdims=True) * (bvals > 0)[:, None])
    source = BidsFile(folder / "sub-01_dwi.nii.gz", {}, metadata, "bids:raw:sub-01/dwi/sub-01_dwi.nii.gz")
    return Series(image, gradients, bvals == 0, (source,), (), (Encoding(1, -1, 0.05),) * n)


def scan_of(phantom: Phantom) -> Scan:
    gradients = Gradients(phantom.bvals, phantom.bvecs)
    return Scan(array(phantom.image), phantom.image.affine, gradients, phantom.b0, phantom.mask)


def planted(phantom: Phantom) -> Correction:
    bend = Bend.of(phantom.image.affine, phantom.image.shape, AXIS)
    return Correction(phantom.motions, phantom.eddy, phantom.outliers, bend)


def change_gradients(bvals: Callable[[str], str] | None = None, bvecs: Callable[[str], str] | None = None):
    """A change of sub-01's text files."""

    def change(raw: Path) -> None:
        for ending, edit in (("bval", bvals), ("bvec", bvecs)):
            path = raw / "sub-01" / "dwi" / f"sub-01_dwi.{ending}"
            if edit:
                path.write_text(edit(path.read_text()))

    return change


def times(factor: float) -> Callable[[str], str]:
    return lambda text: " ".join(f"{float(word) * factor:g}" for word in text.split())
