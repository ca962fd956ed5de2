"""What an image is by its name and its sidecar, whatever its suffix says."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_stroke.bids.choice.kinds_of_image import as_sidecars_tell, what_name_tells, what_sidecar_tells
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.records import BidsFile, Session
from tests.helpers.bids import make_dataset

FOLDERS = {"T1w": "anat", "dwi": "dwi", "bold": "func", "epi": "fmap"}
TASK = {"bold": "task-rest_"}


def unit_of(folder: Path, *names: str, **selection: object) -> Session:
    """A unit of files ``acq-x_T1w.nii.gz``, in the folders that their suffixes ask for."""
    files = {}
    for name in names:
        suffix = name.split(".")[0].rsplit("_", 1)[-1]
        files[f"sub-01/{FOLDERS[suffix]}/sub-01_{name}"] = None
    return find_sessions(Selection(make_dataset(folder / "raw", files), **selection))[0]


def used(unit: Session) -> list[str]:
    return sorted(file.path.name.removeprefix("sub-01_") for file in unit.inputs)


@pytest.mark.inputs(
    "Of complex images only the magnitude is used: `part-phase`, `part-real` and `part-imag` are left out of T1w, dwi, "
    "bold and epi alike."
)
@pytest.mark.parametrize("suffix", FOLDERS)
@pytest.mark.parametrize("part", ["phase", "real", "imag", "Phase", "imaginary"])
def test_of_complex_images_the_magnitude_is_used(suffix: str, part: str) -> None:
    start = f"sub-01_{TASK.get(suffix, '')}"
    assert what_name_tells(f"{start}part-{part}_{suffix}.nii.gz") == f"part-{part}: only magnitude images are used"
    assert what_name_tells(f"{start}part-mag_{suffix}.nii.gz") == ""


def test_parts_are_left_out_of_a_unit_and_named(tmp_path: Path) -> None:
    kept = ["dir-AP_part-mag_dwi.nii.gz", "part-mag_T1w.nii.gz", "task-rest_part-mag_bold.nii"]
    parts = [name.replace("mag", part) for name in kept for part in ("phase", "real", "imag")]
    unit = unit_of(tmp_path, *kept, *parts)
    assert used(unit) == kept
    assert {name.removeprefix("sub-01_") for name in unit.left_out} == set(parts)


@pytest.mark.inputs(
    "What a scanner computes of diffusion images (ADC, exponential ADC, trace, FA, colour FA, tensor, MD, means at low "
    "b) is no diffusion series: a dwi whose `acq-`, `rec-` or `desc-` says so is left out, also within a longer label "
    "(`acq-ep2dDiffADC`) and in small letters."
)
@pytest.mark.parametrize(
    "label",
    ["acq-ADC", "rec-adc", "desc-ADC", "acq-ep2dDiffADC", "acq-b1000adc", "acq-ExpADC", "acq-eADC", "rec-TRACEW",
     "acq-trace", "acq-FA", "acq-dtifa", "acq-ColFA", "rec-TENSOR", "acq-MD", "acq-LowB", "rec-ADCmap", "acq-FAcolor",
     "acq-ADCaxial"],
)  # fmt: skip
def test_computed_diffusion_images_are_no_series(label: str) -> None:
    why = what_name_tells(f"sub-01_{label}_dwi.nii.gz")
    assert why == f"{label}: an image that the scanner computed, no diffusion series"


@pytest.mark.inputs(
    "A label that only contains such letters stays what it was: `acq-FAST`, `acq-MDDW64`, `acq-headcoil`, `acq-b1000`, "
    "`rec-norm`."
)
@pytest.mark.parametrize(
    "name",
    ["acq-FAST_dwi", "acq-MDDW64_dwi", "acq-headcoil_dwi", "acq-b1000_dwi", "rec-norm_dwi", "dir-AP_dwi", "acq-dti_dwi",
     "acq-multishell_dir-PA_run-2_dwi", "acq-FA20_T1w", "acq-mprage_rec-norm_T1w", "acq-MPR_T1w", "acq-UNI_T1w",
     "ce-gadolinium_T1w", "acq-phaseAP_epi", "acq-phasereversed_dwi", "task-rest_acq-mb8_rec-moco_echo-2_bold",
     "acq-fmap_dir-PA_epi", "acq-siemens_T1w", "acq-real3d_T1w", "acq-minipig_T1w"],
)  # fmt: skip
def test_other_labels_change_nothing(name: str) -> None:
    assert what_name_tells(f"sub-01_{name}.nii.gz") == ""


def _series(folder: Path, name: str, n_volumes: int, directions: int) -> None:
    image = nib.Nifti1Image(np.ones((2, 2, 2, n_volumes), np.int16), np.eye(4))
    path = folder / "raw/sub-01/dwi" / f"sub-01_{name}.nii.gz"
    make_dataset(folder / "raw", {f"sub-01/dwi/{path.name}": None})
    image.to_filename(path)
    rng = np.random.default_rng(0)
    vectors = np.vstack([np.zeros((n_volumes - directions, 3)), rng.normal(size=(directions, 3))])
    np.savetxt(path.with_name(f"sub-01_{name}.bvec"), vectors.T)
    np.savetxt(path.with_name(f"sub-01_{name}.bval"), vectors.any(axis=1)[None] * 1000)


@pytest.mark.inputs(
    "A dwi whose own `.bvec` has six or more directions, and one vector for each of its volumes, is a series whatever "
    "it is called: `acq-MD64`, `acq-FA90`, `acq-lowb`."
)
@pytest.mark.parametrize(
    ("label", "n_volumes", "directions", "read"),
    [("acq-MD64", 8, 7, True), ("acq-FA90", 7, 6, True), ("acq-lowb", 9, 6, True), ("rec-tensor", 12, 12, True),
     ("acq-ADC", 1, 0, False), ("rec-TRACE", 2, 0, False), ("acq-trace", 4, 3, False), ("acq-phase", 8, 7, False)],
)  # fmt: skip
def test_a_dwi_with_directions_is_a_series(
    tmp_path: Path, label: str, n_volumes: int, directions: int, read: bool
) -> None:
    _series(tmp_path, f"{label}_dwi", n_volumes, directions)
    (unit,) = find_sessions(Selection(tmp_path / "raw"))
    assert used(unit) == [f"{label}_dwi.nii.gz"] * read
    assert list(unit.left_out) == [f"sub-01_{label}_dwi.nii.gz"] * (not read)


def test_a_map_with_the_gradients_of_another_image_is_none(tmp_path: Path) -> None:
    _series(tmp_path, "acq-ADC_dwi", 8, 7)
    path = tmp_path / "raw/sub-01/dwi/sub-01_acq-ADC_dwi.nii.gz"
    nib.Nifti1Image(np.ones((2, 2, 2), np.int16), np.eye(4)).to_filename(path)
    (unit,) = find_sessions(Selection(tmp_path / "raw"))
    assert list(unit.left_out) == [path.name]


@pytest.mark.inputs(
    "Phase images, angiograms, projections, subtractions and scouts are left out of the images that they may be taken "
    "for, maps of T1, B1 or the field out of T1w, where `acq-`, `rec-` or `desc-` says so.",
    "A bold run with `ce-` is left out: after a contrast agent the signal is another.",
    "Raw images with `space-` or `desc-` are left out as derived ones; `desc-defaced` and other labels of anonymised "
    "images are let be.",
)
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("acq-phase_T1w", "a phase image"),
        ("rec-PHASE_dwi", "a phase image"),
        ("task-rest_rec-pha_bold", "a phase image"),
        ("acq-MIP_T1w", "a projection"),
        ("rec-minIP_T1w", "a projection"),
        ("acq-localizer_T1w", "a scout"),
        ("acq-AAHeadScout_T1w", "a scout"),
        ("acq-TOF_T1w", "an angiogram"),
        ("acq-SUB_T1w", "a projection or subtraction"),
        ("rec-subtracted_T1w", "a projection or subtraction"),
        ("task-rest_acq-localizer_bold", ""),
        ("task-rest_ce-none_bold", ""),
        ("rec-T1map_T1w", "a map"),
        ("acq-B1map_T1w", "a map"),
        ("task-rest_rec-tmap_bold", "a map"),
        ("task-rest_ce-feraheme_bold", "after a contrast agent"),
        ("space-MNI152NLin6Asym_T1w", "derived images"),
        ("desc-preproc_dwi", "derived images"),
        ("desc-brain_T1w", "derived images"),
        ("desc-defaced_T1w", ""),
        ("desc-anonymised_T1w", ""),
    ],
)
def test_labels_that_make_another_image(name: str, why: str) -> None:
    said = what_name_tells(f"sub-01_{name}.nii.gz")
    assert (why in said) if why else said == ""


@pytest.mark.inputs(
    "An inversion of an MP2RAGE (`inv-1`, `acq-inv2`) is no T1w, and `UNIT1` is not read, since its background is "
    "noise."
)
def test_of_an_mp2rage_only_a_t1w_is_read(tmp_path: Path) -> None:
    unit = unit_of(tmp_path, "inv-1_T1w.nii.gz", "acq-inv2_T1w.nii.gz", "acq-mp2rageINV1_T1w.nii.gz", "acq-uni_T1w.nii")
    assert used(unit) == ["acq-uni_T1w.nii"]
    make_dataset(tmp_path / "mp2rage", {"sub-01/anat/sub-01_UNIT1.nii.gz": None})
    alone = find_sessions(Selection(tmp_path / "mp2rage"))[0]
    assert alone.inputs == ()
    assert "its background is noise" in alone.left_out["sub-01_UNIT1.nii.gz"]


@pytest.mark.inputs(
    "The sidecar's `ImageType` tells the same of an image whose name does not; `DERIVED` alone tells nothing, since "
    "scanners write it for images that they only normalised."
)
@pytest.mark.parametrize(
    ("suffix", "types", "why"),
    [
        ("dwi", ["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"], "ImageType ADC: an image that the scanner computed"),
        ("dwi", ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "NORM"], "ImageType TRACEW"),
        ("dwi", ["DERIVED", "PRIMARY", "DIFFUSION", "FA"], "ImageType FA"),
        ("dwi", "DERIVED\\PRIMARY\\DIFFUSION\\COLFA", "ImageType COLFA"),
        ("T1w", ["ORIGINAL", "PRIMARY", "P", "ND"], "ImageType P: a phase image"),
        ("bold", ["ORIGINAL", "PRIMARY", "FMRI", "NONE", "PHASE"], "ImageType PHASE: a phase image"),
        ("epi", ["ORIGINAL", "PRIMARY", "OTHER", "REAL"], "ImageType REAL: a part of a complex image"),
        ("T1w", ["ORIGINAL", "PRIMARY", "OTHER", "IMAGINARY"], "ImageType IMAGINARY"),
        ("T1w", ["DERIVED", "SECONDARY", "MIP"], "ImageType MIP: a projection"),
        ("dwi", ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE", "ND", "MOSAIC"], ""),
        ("T1w", ["DERIVED", "PRIMARY", "M", "ND", "NORM"], ""),
        ("T1w", ["DERIVED", "SECONDARY", "MPR"], ""),
        ("T1w", ["ORIGINAL", "PRIMARY", "M", "R", "FFE"], ""),
        ("T1w", None, ""),
        ("T1w", [1, 2], ""),
    ],
)
def test_image_type_tells_what_an_image_is(suffix: str, types: object, why: str) -> None:
    file = BidsFile(Path(f"sub-01_{suffix}.nii.gz"), {"suffix": suffix, "extension": ".nii.gz"}, {"ImageType": types})
    said = what_sidecar_tells(file)
    assert said.startswith(why) if why else said == ""
    kept, left_out = as_sidecars_tell({suffix: (file,)})
    assert (kept[suffix], left_out) == (((), {file.path.name: said}) if why else ((file,), {}))


def test_a_run_of_adc_told_by_its_sidecar_is_no_run(tmp_path: Path) -> None:
    files = {"sub-01/dwi/sub-01_run-1_dwi.nii.gz": None, "sub-01/dwi/sub-01_run-2_dwi.nii.gz": None}
    told = {"sub-01/dwi/sub-01_run-2_dwi.json": {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}}
    unit = find_sessions(Selection(make_dataset(tmp_path, {**files, **told})))[0]
    assert used(unit) == ["run-1_dwi.nii.gz"]
    assert "ImageType ADC" in unit.left_out["sub-01_run-2_dwi.nii.gz"]


@pytest.mark.inputs(
    'Who names an entity in `--bids-filter-file` is believed: `{"dwi": {"acquisition": "tensor"}}` reads what its '
    "name would leave out."
)
@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("acq-tensor_dwi.nii.gz", {"dwi": {"acquisition": "tensor"}}),
        ("rec-trace_dwi.nii.gz", {"dwi": {"reconstruction": "trace"}}),
        ("task-rest_ce-feraheme_bold.nii.gz", {"bold": {"ceagent": "feraheme"}}),
        ("space-scanner_T1w.nii.gz", {"t1w": {"space": "scanner"}}),
    ],
)
def test_a_filter_file_is_believed(tmp_path: Path, name: str, filters: dict) -> None:
    assert used(unit_of(tmp_path, name)) == []
    assert used(unit_of(tmp_path, name, filters=filters)) == [name]
