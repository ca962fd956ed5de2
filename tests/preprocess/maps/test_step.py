"""Ready maps come onto our grid unflipped, with what is odd about them said."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.bids.derivative_files import modalities_of_map
from bids_stroke.core.errors import DataError
from bids_stroke.core.modalities import MODALITIES, Modality, StandardMap
from bids_stroke.core.records import SPACE, BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import UNIT_FILES, OutputName, is_named
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.imaging.images import array, like
from bids_stroke.imaging.standard_space import STANDARD_SHAPE, standard_grid, template
from bids_stroke.preprocess.maps import step
from bids_stroke.preprocess.registry import StepContext
from tests.helpers.spots import LEFT_FRONT_TOP, centre, spot, stored_as

MD_NAME = f"sub-01_space-{SPACE}_model-tensor_param-md_dwimap.nii.gz"


def map_file(folder: Path, image: nib.Nifti1Image, name: str = MD_NAME, **metadata: str) -> BidsFile:
    folder.mkdir(parents=True, exist_ok=True)
    image.to_filename(folder / name)
    return BidsFile(folder / name, {"space": name.split("_space-")[1].split("_")[0]}, metadata, f"bids:ready:{name}")


def run(folder: Path, modality: str, file: BidsFile, **raw: tuple[BidsFile, ...]) -> StepReport:
    unit = Session("01", None, maps={modality: file}, raw=raw)
    return step.run(StepContext(unit, Outputs(folder / "out", "01"), Settings(), {}, folder))


def flat(value: float) -> nib.Nifti1Image:
    return like(standard_grid(), (array(template("mask")) * value).astype(np.float32))


def test_a_map_on_our_grid_is_kept_voxel_by_voxel(tmp_path: Path) -> None:
    image = flat(8e-4)
    noise = np.random.default_rng(0).normal(0, 1e-5, STANDARD_SHAPE).astype(np.float32)
    image = like(image, array(image) + noise)
    file = map_file(tmp_path, image, Units="mm^2/s")
    report = run(tmp_path, "md", file)
    path = report.outputs["md"][0]
    assert is_named(path, "tensor_map", param="md", space=SPACE, res="2")
    np.testing.assert_array_equal(nib.load(path).get_fdata(dtype=np.float32), np.maximum(array(image), 0))
    sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert sidecar["Sources"] == [file.uri]
    assert sidecar["Units"] == "mm^2/s"
    assert report.warnings == ()
    assert report.qc["md_median"] == pytest.approx(8e-4, rel=0.01)


@pytest.mark.parametrize("axes", ["RAS", "LAS", "PSL"])
def test_other_grids_and_storage_do_not_flip(tmp_path: Path, axes: str) -> None:
    affine = np.diag([1.5, 1.5, 1.5, 1.0])
    affine[:3, 3] = [-90, -126, -72]
    image = stored_as(spot(affine, (120, 145, 120)), axes)
    report = run(tmp_path, "gm", map_file(tmp_path, image, f"sub-01_space-{SPACE}_label-GM_probseg.nii.gz"))
    saved = nib.load(report.outputs["gm"][0])
    assert saved.shape == STANDARD_SHAPE
    np.testing.assert_allclose(centre(saved), LEFT_FRONT_TOP, atol=0.05)


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("mm^2/s", 1),
        ("mm\u00b2/s", 1),
        ("mm2 s-1", 1),
        ("mm\u00b2\u22c5s\u207b\u00b9", 1),
        ("um^2/ms", 1e-3),
        ("\u00b5m\u00b2/ms", 1e-3),
        ("\u03bcm^2/ms", 1e-3),
        ("10^-3 mm^2/s", 1e-3),
        ("1e-3 mm^2/s", 1e-3),
        ("x10-3 mm2/s", 1e-3),
        ("1\u00d710\u207b\u00b3 mm\u00b2/s", 1e-3),
        ("um^2/s", 1e-6),
        ("m^2/s", 1e6),
        ("10^-9 m^2/s", 1e-3),
        ("0.01 mm^2/s", 1e-2),
        ("cm^2/s", 100),
        ("mm^2", None),
        ("arbitrary", None),
        ("", None),
        (1, None),
        (None, None),
    ],
)
def test_units_of_diffusivity(text: object, factor: float | None) -> None:
    assert step.unit_factor(text) == (None if factor is None else pytest.approx(factor))


@pytest.mark.parametrize(
    ("value", "units"), [(0.8, "um^2/ms"), (0.08, "10^-2 mm^2/s"), (800, "\u03bcm\u00b2/s"), (8e-10, "m^2/s")]
)
def test_a_declared_unit_is_converted(tmp_path: Path, value: float, units: str) -> None:
    report = run(tmp_path, "md", map_file(tmp_path, flat(value), Units=units))
    path = report.outputs["md"][0]
    saved = nib.load(path).get_fdata()
    assert np.median(saved[saved > 0]) == pytest.approx(8e-4, rel=1e-5)
    assert json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())["Units"] == "mm^2/s"
    assert report.warnings == ()


@pytest.mark.parametrize(("value", "units"), [(0.08, "mm^2/s"), (0.8, None), (0.8, "arbitrary"), (8e-4, "um^2/ms")])
def test_values_that_cannot_be_are_missing_and_it_is_said_what_to_declare(
    tmp_path: Path, value: float, units: str | None
) -> None:
    report = run(tmp_path, "md", map_file(tmp_path, flat(value), **({"Units": units} if units else {})))
    assert report.outputs == {}
    assert report.missing == {"md": "implausible-units"}
    assert len(report.warnings) == 1
    assert (units or "no Units") in report.warnings[0]
    assert MD_NAME in report.warnings[0]
    assert '"Units": "um^2/ms"' in report.warnings[0]


@pytest.mark.parametrize("units", [None, "arbitrary"])
def test_an_undeclared_unit_that_looks_right_is_used_and_said(tmp_path: Path, units: str | None) -> None:
    report = run(tmp_path, "md", map_file(tmp_path, flat(8e-4), **({"Units": units} if units else {})))
    assert set(report.outputs) == {"md"}
    assert [("look like mm^2/s" in warning) for warning in report.warnings] == [True]


def test_impossible_values_are_clipped_and_counted(tmp_path: Path) -> None:
    data = array(flat(0.4)).copy()
    inside = np.argwhere(data > 0)
    data[tuple(inside[1000])], data[tuple(inside[2000])], data[tuple(inside[3000])] = 1.2, 1.01, -0.1
    report = run(tmp_path, "fa", map_file(tmp_path, like(standard_grid(), data), MD_NAME.replace("-md", "-fa")))
    saved = nib.load(report.outputs["fa"][0]).get_fdata()
    assert (saved.min(), saved.max()) == (0, 1)
    assert [warning.split(": ")[1] for warning in report.warnings] == [
        "1 voxels of the brain below 0 were set to 0.",
        "2 voxels of the brain above 1 were set to 1.",
    ]


def test_another_template_is_said(tmp_path: Path) -> None:
    report = run(
        tmp_path, "md", map_file(tmp_path, flat(8e-4), MD_NAME.replace(SPACE, "MNI152NLin6Asym"), Units="mm^2/s")
    )
    assert "MNI152NLin6Asym" in report.warnings[0]


def test_half_a_brain_is_said(tmp_path: Path) -> None:
    data = array(flat(8e-4)).copy()
    data[:, :, 40:] = 0
    report = run(tmp_path, "md", map_file(tmp_path, like(standard_grid(), data), Units="mm^2/s"))
    assert "covers only" in report.warnings[0]


def test_an_empty_map_fails(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no positive voxel") as caught:
        run(tmp_path, "md", map_file(tmp_path, flat(0.0)))
    assert caught.value.reason == "empty-map"


@pytest.mark.parametrize(
    ("modality", "stem", "given", "written"),
    [
        ("gm", "label-GM_probseg", (), "tissue_probability"),
        ("gm", "label-GM_probseg", ("t1w",), "external_tissue_probability"),
        ("wm", "label-WM_desc-intensity_T1w", (), "tissue_intensity"),
        ("wm", "label-WM_desc-intensity_T1w", ("t1w",), "external_tissue_intensity"),
        ("fa", "model-tensor_param-fa_dwimap", ("t1w",), "tensor_map"),
        ("fa", "model-tensor_param-fa_dwimap", ("dwi",), "external_tensor_map"),
    ],
)
def test_names_never_meet_those_of_other_steps(
    tmp_path: Path, modality: str, stem: str, given: tuple[str, ...], written: str
) -> None:
    file = map_file(tmp_path, flat(0.4), f"sub-01_space-{SPACE}_{stem}.nii.gz")
    report = run(tmp_path, modality, file, **dict.fromkeys(given, (file,)))
    assert is_named(report.outputs[modality][0], written, space=SPACE, res="2")


def test_a_map_of_any_modality_is_taken_as_its_record_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = StandardMap("FLAIR", median=(1.0, 5000.0), highest=1000.0)
    monkeypatch.setitem(MODALITIES, "flair", Modality("flair", "FLAIR image", "flair", standard_map=values))
    row = OutputName("anat", "FLAIR", ".nii.gz", {"space": SPACE, "res": "2", "desc": "external"})
    monkeypatch.setitem(UNIT_FILES, "external_flair", row)
    name = f"sub-01_space-{SPACE}_desc-preproc_FLAIR.nii.gz"
    assert modalities_of_map(name) == ["flair"]
    data = array(flat(300.0)).copy()
    data[:, :, 40:] *= 4
    file = map_file(tmp_path / "anat", like(standard_grid(), data), name)
    report = run(tmp_path, "flair", file)
    (path,) = report.outputs["flair"]
    assert (path.parent.name, path.name) == ("anat", f"sub-01_space-{SPACE}_res-2_desc-external_FLAIR.nii.gz")
    np.testing.assert_array_equal(nib.load(path).get_fdata(dtype=np.float32), np.minimum(data, 1000))
    assert "above 1000 were set to 1000" in report.warnings[0]
    assert run(tmp_path, "flair", map_file(tmp_path / "anat", flat(0.1), name)).missing == {
        "flair": "implausible-units"
    }


@pytest.mark.real
def test_published_maps_without_a_unit_are_not_taken_as_mm2_per_s(real_data: Path, tmp_path: Path) -> None:
    """Those of study A, in 0.01 mm^2/s: FA is taken (clipped), MD only with its unit."""
    folder = real_data / "bids_real_open" / "derivatives" / "mnimaps" / "sub-10" / "dwi"
    saved = {}
    for modality, metadata in (("fa", {}), ("md", {}), ("md", {"Units": "10^-2 mm^2/s"})):
        path = next(folder.glob(f"*param-{modality.upper()}_dwimap.nii.gz"))
        file = BidsFile(path, {"space": "MNI152NLin6Asym"}, metadata, f"bids:mnimaps:{path.name}")
        report = run(tmp_path, modality, file)
        if modality == "md" and not metadata:
            assert report.missing == {"md": "implausible-units"}
            continue
        raw = np.nan_to_num(nib.load(path).get_fdata(dtype=np.float32)) * np.float32(0.01 if metadata else 1)
        saved[modality] = nib.load(report.outputs[modality][0]).get_fdata(dtype=np.float32)
        np.testing.assert_allclose(saved[modality], np.clip(raw, 0, 1), rtol=1e-6)
        assert any("of the brain" in warning for warning in report.warnings)
    ventricle = saved["md"][saved["md"] > np.percentile(saved["md"], 99.5)]
    assert np.median(ventricle) == pytest.approx(3.0e-3, rel=0.15)  # free water at body temperature
