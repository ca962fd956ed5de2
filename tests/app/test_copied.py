"""People copied under other labels are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.app.copied import copied_people
from bids_stroke.core.records import StepReport, UnitFeatures
from bids_stroke.derivatives.manifest import make_manifest, manifest_path, write_manifest


def unit(root: Path, subject: str, session: str | None = None, **files: str) -> UnitFeatures:
    """A unit of which a step has read files of this content."""
    prefix = f"sub-{subject}" + (f"_ses-{session}" if session else "")
    paths = []
    for kind, content in files.items():
        path = root / "raw" / f"{prefix}_{kind}.{'json' if kind == 'sidecar' else 'nii.gz'}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        paths.append(path)
    write_manifest(manifest_path(root, prefix, "anat"), root, make_manifest(root, {}, paths, [], StepReport()))
    return UnitFeatures(subject, session, {})


@pytest.mark.inputs(
    "People of whom an image or a recording has the same content are named by `train`: they may be one person twice."
)
def test_who_has_the_same_image_under_two_labels_is_named_once(tmp_path: Path) -> None:
    units = [
        unit(tmp_path, "01", T1w="a", dwi="b", sidecar="{}"),
        unit(tmp_path, "07", T1w="a", dwi="b", sidecar="{}"),
        unit(tmp_path, "08", T1w="c", sidecar="{}"),
    ]
    (text,) = copied_people(tmp_path, units)
    assert text.startswith("sub-01 and sub-07 have files of the same content (sub-01_T1w.nii.gz, sub-07_T1w.nii.gz)")


def test_sessions_of_one_person_sidecars_and_masks_may_be_alike(tmp_path: Path) -> None:
    units = [
        unit(tmp_path, "01", "1", T1w="a", sidecar="{}"),
        unit(tmp_path, "01", "2", T1w="a", sidecar="{}"),
        unit(tmp_path, "02", T1w="d", sidecar="{}"),
        *(unit(tmp_path, f"1{i}", **{"label-L_mask": "empty"}) for i in range(3)),
        UnitFeatures("20", None, {}),
    ]
    assert copied_people(tmp_path, units) == []
