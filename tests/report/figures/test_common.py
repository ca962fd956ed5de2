"""What the figures share: which files a unit has, and maps that were mirrored for the model."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.report.figures.common import feature_files
from bids_stroke.report.figures.unit import draw_unit_figures


def test_mirrored_maps_are_drawn_as_the_person_lies(unit: tuple[Outputs, dict[str, StepReport]]) -> None:
    """Mirrored for the model, mirrored back for the reader: the same picture, byte for byte."""
    outputs, everything = unit
    reports = {name: everything[name] for name in ("anat", "lesion")}
    shown = [path.read_bytes() for path in draw_unit_figures(outputs, reports)]
    for path in outputs.folder.rglob("*_space-*.nii.gz"):
        image = nib.load(path)
        data = np.asanyarray(image.dataobj)[::-1].copy()
        outputs.save_image(path, nib.Nifti1Image(data, image.affine, image.header), {"Units": "a.u.", "Mirrored": True})
    assert [path.read_bytes() for path in draw_unit_figures(outputs, reports)] == shown
    path = outputs.standard("t1w")
    outputs.save_sidecar(path, {})  # the test sees a difference where there is one
    assert [path.read_bytes() for path in draw_unit_figures(outputs, reports)] != shown


def test_feature_files_of_a_later_step_replace_those_of_an_earlier_one(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("computed.nii.gz", "precomputed.nii.gz", "not_there.nii.gz")]
    for path in files[:2]:
        path.touch()
    reports = {"dwi": StepReport(outputs={"fa": (files[0],)}), "maps": StepReport(outputs={"fa": tuple(files[1:])})}
    assert feature_files(reports, "fa") == (files[1],)
    assert feature_files({"dwi": reports["dwi"]}, "fa") == (files[0],)
    assert feature_files(reports, "md") == ()
