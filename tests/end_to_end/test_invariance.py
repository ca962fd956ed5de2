"""How files are stored, and how many processes work on them, changes no result: the same person stored three ways."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging.images import reorient
from bids_stroke.preprocess.dwi.gradients import bval_text, bvec_text, on_axes, read_gradients
from tests.helpers.bids import make_dataset

STANDARD = "space-MNI152NLin2009aSym_res-2"
STORED = {"ras": ("RAS", ".nii.gz"), "las": ("LAS", ".nii.gz"), "psl": ("PSL", ".nii")}
"""Subject -> voxel order and compression."""
IMAGES = {"anat": "T1w", "dwi": "dwi", "func": "task-rest_bold"}
POSE_MM = 0.01
"""How far apart two poses of one head may lie: a voxel then changes by this over its size, of the largest value.

The b-vectors of turned axes differ in their last bit (1e-16). That reaches the last bit of the mean image that greedy
registers, and its optimiser then ends at another of many points that are equally good to it: on images changed by 1e-7
of their values its poses lay up to 0.0005 mm and 1e-5 rad apart, 0.001 mm at the edge of a brain, and FA up to 2.5e-4.
Whether they differ at all is decided by processor and versions. Ten times 0.001 mm is allowed.
"""
EDGE = 2e-4
"""Share of the voxels that may differ more: at the edge of a mask the least change can switch a voxel on or off.

One voxel of the diffusion image in 84,000 is 1.2e-5, and 3.4e-5 of the finer grid of the standard space.
"""
SHARES = {"dwimap": 0.01, "mask": 0.001}
"""Images of 8 bits, by suffix: share of the values that may differ, by one level.

A share of the largest value means nothing to them, because the least change is a whole level. Poses 0.001 mm apart
change 0.001 of the values of the colour FA (0-255): ten times that is allowed here too.
"""
STEP_MM = 1 / 64
"""Displacement fields are rounded to this."""
OPPOSITE = dict(zip("RLAPSI", "LRPAIS", strict=True))


def turn_phase_encoding(sidecar: dict, old: nib.Nifti1Image, new: nib.Nifti1Image) -> dict:
    """The sidecar for the turned image: its phase encoding points the same way in the head."""
    said = sidecar.get("PhaseEncodingDirection")
    if said is None:
        return sidecar
    towards = nib.aff2axcodes(old.affine)["ijk".index(said[0])]
    towards = OPPOSITE[towards] if said.endswith("-") else towards
    codes = nib.aff2axcodes(new.affine)
    axis = next(index for index, code in enumerate(codes) if code in (towards, OPPOSITE[towards]))
    return sidecar | {"PhaseEncodingDirection": "ijk"[axis] + ("" if codes[axis] == towards else "-")}


def store(example: Path, root: Path, subject: str) -> None:
    """Subject 04 of the example with its images in another voxel order and compression."""
    order, extension = STORED[subject]
    source = {
        **{name: example / "sub-04" / kind / f"sub-04_{name}" for kind, name in IMAGES.items()},
        "label-L_desc-lesion_mask": example / "derivatives/lesions/sub-04/anat/sub-04_label-L_desc-lesion_mask",
    }
    for name, stem in source.items():
        kind = stem.parent.name
        image = nib.load(f"{stem}.nii.gz")
        turned = reorient(image, order)
        target = root / f"sub-{subject}" / kind / f"sub-{subject}_{name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        turned.to_filename(f"{target}{extension}")
        sidecar = json.loads(Path(f"{stem}.json").read_text())
        Path(f"{target}.json").write_text(json.dumps(turn_phase_encoding(sidecar, image, turned)))
        if kind == "dwi":
            old = read_gradients(Path(f"{stem}.bval"), Path(f"{stem}.bvec"), image.shape[3])
            new = on_axes(old, image.affine, turned.affine)
            Path(f"{target}.bval").write_text(bval_text(new))
            Path(f"{target}.bvec").write_text(bvec_text(new))


def participant(dataset: Path, out: Path, *options: object) -> None:
    command = [sys.executable, "-m", "bids_stroke", dataset, out, "participant", "--model", "none", *options]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, example: Path) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("stored")
    dataset = make_dataset(root / "data")
    for subject in STORED:
        store(example, dataset, subject)
    participant(dataset, root / "out", "--nprocs", 2)
    return dataset, root / "out"


def named(out: Path, subject: str) -> dict[str, Path]:
    """Images of a subject by name without the subject."""
    files = sorted((out / f"sub-{subject}").rglob("*.nii.gz"))
    return {path.name.removeprefix(f"sub-{subject}_"): path for path in files if "figures" not in path.parts}


def assert_alike(first: nib.Nifti1Image, second: nib.Nifti1Image, name: str) -> None:
    """Two images of one head, in the same voxel order, differ by no more than two poses `POSE_MM` apart do."""
    np.testing.assert_allclose(second.affine, first.affine, atol=1e-4)
    change = np.abs(first.get_fdata() - second.get_fdata())
    if first.get_data_dtype().kind == "u":
        bound = 1.0
        share = (change > 0).mean()
        assert share <= SHARES[name.removesuffix(".nii.gz").rsplit("_", 1)[1]], f"{name}: {share} of the values"
    elif "_xfm" in name:
        bound = STEP_MM
    else:
        bound = POSE_MM / min(first.header.get_zooms()[:3]) * np.abs(first.get_fdata()).max()
    share = (change > bound).mean()
    assert share <= EDGE, f"{name}: {share} of the values differ by more than {bound}"


@pytest.mark.parametrize("subject", ["las", "psl"])
def test_storage_changes_no_map(stored: tuple[Path, Path], subject: str) -> None:
    reference, other = named(stored[1], "ras"), named(stored[1], subject)
    assert reference.keys() == other.keys()
    outputs = Outputs(stored[1], "ras")
    maps = {outputs.standard("tensor_map", param="fa"), outputs.standard("tissue_intensity", label="GM")}
    assert maps <= set(reference.values())
    for name, path in reference.items():
        first, second = nib.load(path), nib.load(other[name])
        if "_xfm" not in name and "space-" not in name:
            assert "".join(nib.aff2axcodes(second.affine)) == STORED[subject][0], name
        assert_alike(first, reorient(second, "".join(nib.aff2axcodes(first.affine))), name)


def test_processes_change_no_byte(stored: tuple[Path, Path], tmp_path: Path) -> None:
    dataset, together = stored
    participant(dataset, tmp_path / "alone", "--nprocs", 1, "--participant-label", "ras")
    first, second = named(together, "ras"), named(tmp_path / "alone", "ras")
    assert first.keys() == second.keys()
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name
