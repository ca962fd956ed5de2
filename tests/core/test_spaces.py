"""What lesion masks were drawn on, by their names and sidecars."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.bids.entities import named_entities
from bids_stroke.core.records import BidsFile
from bids_stroke.core.spaces import drawn_on, image_of, place_of, refusal


def mask(name: str, **metadata: object) -> BidsFile:
    return BidsFile(Path(f"{name}_mask.nii.gz"), named_entities(f"{name}_mask.nii.gz"), metadata)


def image(name: str) -> BidsFile:
    return BidsFile(Path(name), named_entities(name))


@pytest.mark.inputs(
    "Spaces of lesion masks are a closed list: MNI152 in all its variants and IXI549Space are taken as equal to "
    "`MNI152NLin2009aSym`, which is said.",
    "Talairach, Colin 27, MNI305, ICBM 452, fsaverage and the templates of children are other templates: a mask in "
    "their space is not used (`another-template`).",
    "A label that is not on the list is not used either (`unknown-space`).",
    "`T1w`, `individual`, `orig`, `native`, `scanner` and no label at all mean the T1w, unless something else names "
    "another image.",
)
@pytest.mark.parametrize(
    ("label", "kind", "reason"),
    [
        *((label, "standard", "") for label in ("MNI152NLin2009cAsym", "MNI152NLin6ASym", "MNI152Lin", "IXI549Space")),
        *((label, "standard", "") for label in ("MNI152NLin2009aSym", "MNI", "mni152nlin6asym")),
        *((label, "refused", "another-template") for label in ("Talairach", "MNIColin27", "MNI305", "fsaverage5")),
        *((label, "refused", "another-template") for label in ("MNIInfant", "MNIPediatricAsym", "ICBM452AirSpace")),
        *((label, "refused", "another-template") for label in ("OASIS30ANTs", "UNCInfant1V22", "NIHPD4x5asym")),
        *((label, "refused", "unknown-space") for label in ("myspace", "MNIx", "study", "rigid")),
        ("ACPC", "refused", "another-space"),
        *((label, "own", "") for label in ("T1w", "individual", "orig", "native", "scanner", "t1")),
    ],
)
def test_spaces_are_a_closed_list(label: str, kind: str, reason: str) -> None:
    place = place_of(mask(f"sub-1_space-{label}_label-L"))
    assert (place.kind, place.reason) == (kind, reason)
    assert place.kind != "refused" or label in place.why or place.label in place.why


@pytest.mark.inputs(
    "A mask is taken to be drawn on FLAIR, T2w, T2star, SWI, PDw, DWI (b=0, TRACE, ADC), CT or perfusion where its "
    "`space-` says so, where the name of that image begins its own (`_T2w_desc-lesion_mask`), where its sidecar's "
    "`SpatialReference`, `Sources` or `RawSources` name it, or where `mod-`, `desc-`, `acq-`, `rec-` or "
    "`label-` do.",
    "So is one that lies in `dwi/`, `func/` or `perf/` and tells nothing, unless it is on the grid of the T1w.",
)
@pytest.mark.parametrize(
    ("name", "metadata", "label"),
    [
        ("sub-1_space-FLAIR_label-L", {}, "FLAIR"),
        ("sub-1_space-T2w_label-L", {}, "T2w"),
        ("sub-1_space-dwi_label-L", {}, "dwi"),
        ("sub-1_space-b0_desc-lesion", {}, "b0"),
        ("sub-1_space-TRACE_desc-lesion", {}, "TRACE"),
        ("sub-1_space-ADC_desc-lesion", {}, "ADC"),
        ("sub-1_space-CT_desc-lesion", {}, "ct"),
        ("sub-1_space-T2star_desc-lesion", {}, "T2starw"),
        ("sub-1_space-SWI_desc-lesion", {}, "swi"),
        ("sub-1_acq-tse_run-2_T2w_desc-lesion", {}, "T2w"),
        ("sub-1_FLAIR_label-lesion", {}, "FLAIR"),
        ("sub-1_desc-flairlesion", {}, "FLAIR"),
        ("sub-1_acq-ADC_label-L", {}, "ADC"),
        ("sub-1_desc-CTlesion", {}, "ct"),
        ("sub-1_label-L", {"SpatialReference": "bids:raw:sub-1/anat/sub-1_FLAIR.nii.gz"}, "FLAIR"),
        ("sub-1_space-orig_label-L", {"Sources": ["bids::sub-1/anat/sub-1_T2w.nii.gz"]}, "T2w"),
        ("sub-1_label-L", {"RawSources": ["sub-1/dwi/sub-1_rec-TRACE_dwi.nii.gz"]}, "TRACE"),
        ("sub-1_rec-TRACE_desc-lesion", {}, "TRACE"),
        ("sub-1_mod-FLAIR_label-L", {}, "FLAIR"),
        ("sub-1_space-dwiref_label-L", {}, "b0"),
        ("sub-1/dwi/sub-1_desc-lesion", {}, "dwi"),
        ("sub-1/ses-2/perf/sub-1_ses-2_label-L", {}, "perf"),
        ("sub-1_label-L", {"SpatialReference": {"volume": "sub-1/ct/sub-1_ct.nii.gz"}}, "ct"),
    ],
)
def test_an_image_is_named(name: str, metadata: dict, label: str) -> None:
    place = place_of(mask(name, **metadata))
    assert (place.kind, place.label) == ("image", label)


@pytest.mark.parametrize(
    ("name", "metadata"),
    [
        ("sub-1_T1w_label-L_desc-lesion", {}),
        ("sub-1_desc-T1lesion", {}),
        ("sub-1_desc-tracedlesion", {}),
        ("sub-1_rec-norm_label-L", {}),
        ("sub-1/dwi/sub-1_space-T1w_label-L", {}),
        ("sub-1/dwi/sub-1_T1w_label-L", {}),
        ("sub-1_desc-infarctlesion", {}),
        ("sub-1_space-T1w_desc-FLAIRlesion", {}),
        ("sub-1_label-L", {"Sources": ["sub-1_T1w.nii.gz", "sub-1_FLAIR.nii.gz"]}),
        ("sub-1_label-L", {"Sources": ["bids:lesions:sub-1_label-L_mask.nii.gz"]}),
    ],
)
def test_the_t1w_is_named(name: str, metadata: dict) -> None:
    assert place_of(mask(name, **metadata)).kind == "own"


def test_a_template_in_the_sidecar_is_believed() -> None:
    reference = "https://templateflow.org/tpl-MNI152NLin6Asym/tpl-MNI152NLin6Asym_res-01_T1w.nii.gz"
    place = place_of(mask("sub-1_label-L", SpatialReference=reference))
    assert (place.kind, place.label) == ("standard", "MNI152NLin6Asym")
    assert place_of(mask("sub-1_label-L", Sources=["sub-1_FLAIR.nii.gz", "sub-1_T2w.nii.gz"])).kind == "refused"


@pytest.mark.inputs(
    "A mask in ACPC space fits a T1w in ACPC space only, and a mask on the raw T1w only the raw T1w (`another-space`)."
)
def test_a_turned_t1w_takes_only_its_own() -> None:
    assert place_of(mask("sub-1_space-ACPC_label-L"), "ACPC").kind == "own"
    assert refusal(mask("sub-1_space-T1w_label-L"), "ACPC")[1] == "another-space"
    assert refusal(mask("sub-1_label-L"), "ACPC")[1] == "another-space"
    assert refusal(mask("sub-1_label-L"), "T1w") == ("", "")


@pytest.mark.inputs(
    "Of several such images the one whose entities agree with the mask's is taken; DWI, b=0, TRACE and ADC images "
    "stand for each other."
)
def test_which_image() -> None:
    images = [image(f"sub-1_{name}.nii.gz") for name in ("run-1_FLAIR", "run-2_FLAIR", "rec-ADC_dwi", "T2w", "dwi")]

    def found(name: str, **metadata: object) -> list[str]:
        file = mask(name, **metadata)
        return [item.path.name for item in drawn_on(file, place_of(file), images)]

    assert found("sub-1_run-2_FLAIR_desc-lesion") == ["sub-1_run-2_FLAIR.nii.gz"]
    assert found("sub-1_space-FLAIR_label-L") == ["sub-1_run-1_FLAIR.nii.gz", "sub-1_run-2_FLAIR.nii.gz"]
    assert found("sub-1_label-L", SpatialReference="sub-1_run-1_FLAIR.nii.gz") == ["sub-1_run-1_FLAIR.nii.gz"]
    assert found("sub-1_space-ADC_label-L") == ["sub-1_rec-ADC_dwi.nii.gz"]
    assert found("sub-1_space-TRACE_label-L") == ["sub-1_dwi.nii.gz"]
    assert found("sub-1_space-CT_label-L") == []
    assert image_of("sub-1_bold.json") == ""
