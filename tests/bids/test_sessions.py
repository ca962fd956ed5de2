"""What is found on disk, what is selected, and every way of selecting nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bids_stroke.bids.derivative_files import LESION_NAME, modalities_of_map
from bids_stroke.bids.filters import read_filter_file
from bids_stroke.bids.sessions import (
    Selection,
    find_sessions,
    notes_in_short,
    read_description,
    unneeded_options,
    unused_derivatives,
)
from bids_stroke.bids.subject_files import Datasets
from bids_stroke.core.errors import BidsStrokeError, InputError, NotBidsError, NothingSelectedError, UsageError
from bids_stroke.core.records import BidsFile
from tests.helpers.bids import make_dataset, path_that_is_too_long
from tests.helpers.broken_json import KINDS

FILES = {
    "participants.tsv": "participant_id\tage\tsex\tfma_le\nsub-01\t61\tF\t12\nsub-02\tn/a\tM\t30\n",
    "task-rest_bold.json": {"RepetitionTime": 2.0, "TaskName": "rest"},
    "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz": None,
    "sub-01/ses-01/func/sub-01_ses-01_task-rest_run-01_bold.nii.gz": None,
    "sub-01/ses-01/func/sub-01_ses-01_task-rest_run-02_bold.nii.gz": None,
    "sub-01/ses-01/func/sub-01_ses-01_task-hand_bold.nii.gz": None,
    "sub-01/ses-02/dwi/sub-01_ses-02_dwi.nii.gz": None,
    "sub-01/sub-01_sessions.tsv": "session_id\tdays_since_stroke\nses-01\t5\nses-02\t90\n",
    "sub-02/emg/sub-02_task-move_emg.edf": None,
    "sub-02/emg/sub-02_task-move_channels.tsv": "name\ttype\tunits\n",
    "sub-03/beh/sub-03_task-x_beh.tsv": "a\n1\n",
}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "raw", FILES)


def lesions_of(raw: Path) -> tuple[BidsFile, ...]:
    """All that is known of sub-02's masks, before the units take theirs."""
    return Datasets.open(raw, {}, needs_lesion=True).subject("02").lesions


def names(files) -> list[str]:
    return [file.path.name for file in files]


def test_one_unit_a_session_and_one_a_subject_without_sessions(raw: Path) -> None:
    units = find_sessions(Selection(raw))
    assert [unit.prefix for unit in units] == ["sub-01_ses-01", "sub-01_ses-02", "sub-02", "sub-03"]
    first, second, emg, empty = units
    assert names(first.files("t1w")) == ["sub-01_ses-01_T1w.nii.gz"]
    assert names(second.files("dwi")) == ["sub-01_ses-02_dwi.nii.gz"]
    assert names(emg.files("emg")) == ["sub-02_task-move_emg.edf"]
    assert empty.inputs == ()


def test_bold_is_rest_unless_asked_and_the_rest_is_named(raw: Path) -> None:
    unit = find_sessions(Selection(raw, participant_labels=("01",), session_labels=("01",)))[0]
    assert len(unit.files("bold")) == 2
    assert "not rest" in unit.left_out["sub-01_ses-01_task-hand_bold.nii.gz"]
    hand = find_sessions(Selection(raw, participant_labels=("01",), session_labels=("01",), task_labels=("hand",)))[0]
    assert names(hand.files("bold")) == ["sub-01_ses-01_task-hand_bold.nii.gz"]


def test_metadata_are_inherited_and_uris_name_the_raw_dataset(raw: Path) -> None:
    bold = find_sessions(Selection(raw, participant_labels=("01",)))[0].files("bold")[0]
    assert bold.metadata["RepetitionTime"] == 2.0
    assert bold.uri == "bids:raw:sub-01/ses-01/func/sub-01_ses-01_task-rest_run-01_bold.nii.gz"


def test_covariates_join_participants_and_sessions_without_missing_values(raw: Path) -> None:
    first, second, emg, _ = find_sessions(Selection(raw))
    assert first.covariates == {"age": 61.0, "sex": "F", "fma_le": 12.0, "days_since_stroke": 5.0}
    assert second.covariates["days_since_stroke"] == 90.0
    assert "age" not in emg.covariates


def test_filter_file_selects_by_entity_and_compares_numbers(raw: Path, tmp_path: Path) -> None:
    path = tmp_path / "filter.json"
    path.write_text(json.dumps({"bold": {"run": 2}}))
    unit = find_sessions(Selection(raw, participant_labels=("01",), filters=read_filter_file(path)))[0]
    assert names(unit.files("bold")) == ["sub-01_ses-01_task-rest_run-02_bold.nii.gz"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "not JSON"),
        ('["bold"]', "must map"),
        ('{"pet": {}}', "unknown key 'pet'"),
        ('{"bold": {"colour": "red"}}', "unknown entity 'colour'"),
    ],
)
def test_bad_filter_files_are_usage_errors(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "filter.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        read_filter_file(path)


def test_a_filter_file_that_is_not_there_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json"):
        read_filter_file(tmp_path / "none.json")


@pytest.mark.parametrize(
    "selection",
    [
        {"participant_labels": ("99",)},
        {"session_labels": ("09",)},
        {"task_labels": ("sleep",)},
        {"filters": {"bold": {"run": "7"}}},
        {"filters": {"t1w": {"acquisition": "x"}}},
    ],
)
def test_what_matches_nothing_is_an_error(raw: Path, selection: dict) -> None:
    with pytest.raises(NothingSelectedError):
        find_sessions(Selection(raw, **selection))


def test_a_named_subject_with_an_empty_folder_is_an_error(raw: Path) -> None:
    (raw / "sub-04").mkdir()
    with pytest.raises(NothingSelectedError, match="holds no data"):
        find_sessions(Selection(raw, participant_labels=("04",)))
    assert [unit.subject for unit in find_sessions(Selection(raw))].count("04") == 1


def test_a_dataset_without_subjects_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NothingSelectedError, match="no sub-"):
        find_sessions(Selection(make_dataset(tmp_path / "raw")))


def test_description_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_description(tmp_path / "none")
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(InputError, match="is a file"):
        read_description(file)
    with pytest.raises(NotBidsError, match=r"no dataset_description\.json"):
        read_description(tmp_path)
    (tmp_path / "dataset_description.json").write_text("{")
    with pytest.raises(NotBidsError, match="JSON"):
        read_description(tmp_path)
    (tmp_path / "dataset_description.json").write_text('{"Name": "x"}')
    with pytest.raises(NotBidsError, match="lacks BIDSVersion"):
        read_description(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "sub-1_label-L_mask.nii.gz",
        "sub-1_space-T1w_label-L_desc-lesion_mask.nii.gz",
        "sub-1_label-lesion_roi.nii.gz",
        "sub-1_label-lesion_mask.nii",
        "sub-1_desc-acutelesion_mask.nii.gz",
        "sub-1_space-MNI152NLin2009aSym_label-L_desc-T1lesion_mask.nii.gz",
    ],
)
def test_lesion_masks_are_known_under_all_names(name: str) -> None:
    assert LESION_NAME.search(name)


@pytest.mark.parametrize(
    "name",
    [
        "sub-1_desc-brain_mask.nii.gz",
        "sub-1_label-GM_mask.nii.gz",
        "sub-1_label-L_probseg.nii.gz",
        "sub-1_label-LeftThalamus_mask.nii.gz",
    ],
)
def test_other_masks_are_not_lesions(name: str) -> None:
    assert not LESION_NAME.search(name)


def test_lesions_are_found_beside_and_under_derivatives_and_native_ones_win(raw: Path) -> None:
    native = "derivatives/lesions/sub-01/ses-01/anat/sub-01_ses-01_label-L_desc-lesion_mask.nii.gz"
    standard = (
        "derivatives/lesions/sub-01/ses-01/anat/sub-01_ses-01_space-MNI152NLin6Asym_label-L_desc-lesion_mask.nii.gz"
    )
    without_t1w = standard.replace("ses-01", "ses-02")
    make_dataset(raw, {native: None, standard: None, without_t1w: None})
    first, second = find_sessions(Selection(raw, participant_labels=("01",)))
    assert names(first.lesion) == [Path(native).name]
    assert first.lesion[0].uri.startswith("bids:lesions:sub-01/")
    assert names(second.lesion) == [Path(without_t1w).name]


def test_maps_of_named_derivatives_are_taken_by_modality(raw: Path, tmp_path: Path) -> None:
    other = make_dataset(
        tmp_path / "maps",
        {
            "sub-02/dwi/sub-02_space-MNI152NLin6Asym_model-tensor_param-FA_dwimap.nii.gz": None,
            "sub-02/dwi/sub-02_space-MNI152NLin6Asym_model-tensor_param-FA_dwimap.json": {"Units": "1"},
            "sub-02/dwi/sub-02_model-tensor_param-MD_dwimap.nii.gz": None,
            "sub-02/anat/sub-02_space-MNI152NLin6Asym_label-GM_probseg.nii.gz": None,
        },
    )
    unit = find_sessions(Selection(raw, participant_labels=("02",), derivatives={"maps": other}))[0]
    assert set(unit.maps) == {"fa", "gm"}
    assert unit.maps["fa"].metadata == {"Units": "1"}


def test_md_and_rd_do_not_match_each_other() -> None:
    name = "sub-1_space-MNI152NLin2009aSym_res-2_model-tensor_param-rd_dwimap.nii.gz"
    assert modalities_of_map(name) == ["rd"]


def test_our_own_outputs_are_never_input(raw: Path) -> None:
    name = "anat/sub-02_space-MNI152NLin2009aSym_res-2_label-L_desc-lesion_mask.nii.gz"
    ours = {"Name": "x", "BIDSVersion": "1.11.1", "GeneratedBy": [{"Name": "bids_stroke"}]}
    before = [names(unit.inputs) for unit in find_sessions(Selection(raw))]
    for folder in ("derivatives/bids_stroke", "out"):
        made = {f"{folder}/dataset_description.json": ours, f"{folder}/sub-02/{name}": None}
        make_dataset(raw, made | {f"{folder}/sub-02/dwi/sub-02_desc-preproc_dwi.nii.gz": None})
    assert [names(unit.inputs) for unit in find_sessions(Selection(raw))] == before


def test_the_lesion_is_used_wherever_the_t1w_is(raw: Path) -> None:
    make_dataset(raw, {"sub-01/ses-01/anat/sub-01_ses-01_label-L_mask.nii.gz": None})
    for modality, number in (("fa", 1), ("bold", 1), ("eegemg", 0)):
        unit = find_sessions(Selection(raw, participant_labels=("01",), modalities=(modality,)))[0]
        assert len(unit.lesion) == number


def test_tissue_intensities_and_our_space_come_before_other_maps(raw: Path, tmp_path: Path) -> None:
    own = "sub-02/anat/sub-02_space-MNI152NLin2009aSym_res-2_label-GM"
    other = "sub-02/anat/sub-02_space-MNI152NLin6Asym_label-GM_desc-intensity_T1w.nii.gz"
    files = {f"{own}_desc-intensity_T1w.nii.gz": None, f"{own}_probseg.nii.gz": None, other: None}
    maps = make_dataset(tmp_path / "maps", files)
    unit = find_sessions(Selection(raw, participant_labels=("02",), derivatives={"maps": maps}))[0]
    assert unit.maps["gm"].path.name == f"{Path(own).name}_desc-intensity_T1w.nii.gz"


def test_maps_of_other_models_are_not_tensor_maps_and_native_ones_are_named(raw: Path, tmp_path: Path) -> None:
    space = "space-MNI152NLin2009cAsym"
    files = {
        f"sub-02/dwi/sub-02_{space}_model-dki_param-md_dwimap.nii.gz": None,
        f"sub-02/dwi/sub-02_{space}_model-tensor_param-ad_dwimap.nii.gz": None,
        "sub-02/dwi/sub-02_space-ACPC_model-tensor_param-ad_dwimap.nii.gz": None,
        "sub-02/dwi/sub-02_space-ACPC_model-tensor_param-fa_dwimap.nii.gz": None,
        "dwimap.json": {"Units": "um^2/s"},
        "sub-02/param-ad_dwimap.json": {"Units": "um^2/ms"},
        "param-md_dwimap.json": {"Units": "m^2/s"},
    }
    recon = make_dataset(tmp_path / "qsirecon", files)
    unit = find_sessions(Selection(raw, participant_labels=("02",), derivatives={"qsirecon": recon}))[0]
    assert set(unit.maps) == {"ad"}
    assert unit.maps["ad"].metadata == {"Units": "um^2/ms"}
    assert {name for name, why in unit.left_out.items() if "own space" in why} == {
        "sub-02_space-ACPC_model-tensor_param-fa_dwimap.nii.gz"
    }


def test_a_folder_of_derivatives_that_gives_nothing_is_said(raw: Path, tmp_path: Path) -> None:
    used = make_dataset(tmp_path / "used", {"sub-02/anat/sub-02_space-MNI152NLin6Asym_label-GM_probseg.nii.gz": None})
    empty = make_dataset(tmp_path / "empty", {"sub-02/anat/sub-02_FA.nii.gz": None})
    selection = Selection(raw, participant_labels=("02",), derivatives={"used": used, "empty": empty})
    found = unused_derivatives(selection, find_sessions(selection))
    assert len(found) == 1
    assert "--derivatives empty=" in found[0]


FIELDS = {f"sub-01/ses-02/fmap/sub-01_ses-02_dir-{label}_epi.nii.gz": None for label in ("AP", "PA")}
PA = "sub-01/ses-02/fmap/sub-01_ses-02_dir-PA_epi"


@pytest.mark.parametrize(
    ("sidecars", "used"),
    [
        ({}, []),
        ({f"{PA}.json": {"PhaseEncodingDirection": "j"}}, ["PA"]),
        ({f"{PA}.json": {"IntendedFor": "ses-02/dwi/sub-01_ses-02_dwi.nii.gz"}}, ["PA"]),
        ({f"{PA}.json": {"IntendedFor": ["bids::sub-01/ses-02/dwi/sub-01_ses-02_dwi.nii.gz"]}}, ["PA"]),
        ({f"{PA}.json": {"IntendedFor": "ses-02/func/x_bold.nii.gz", "PhaseEncodingDirection": "j"}}, []),
        (
            {
                f"{PA}.json": {"B0FieldIdentifier": "pair", "PhaseEncodingDirection": "j"},
                "sub-01/ses-02/dwi/sub-01_ses-02_dwi.json": {"B0FieldSource": ["pair"]},
            },
            ["PA"],
        ),
    ],
)
def test_field_images_are_those_made_for_the_diffusion_runs(raw: Path, sidecars: dict, used: list[str]) -> None:
    make_dataset(raw, {**FIELDS, **sidecars})
    first, second = find_sessions(Selection(raw, participant_labels=("01",)))
    assert [name.split("dir-")[1][:2] for name in names(second.files("epi"))] == used
    assert first.files("epi") == ()
    assert set(second.files("epi")) <= set(second.inputs)
    assert find_sessions(Selection(raw, participant_labels=("01",), modalities=("gm",)))[1].files("epi") == ()


def test_a_broken_sidecar_fails_its_subject_only(raw: Path) -> None:
    (raw / "sub-02" / "emg" / "sub-02_task-move_emg.json").write_text("{broken")
    units = {unit.prefix: unit for unit in find_sessions(Selection(raw))}
    assert "sub-02" in units["sub-02"].error
    assert not units["sub-01_ses-01"].error


def test_a_missing_derivatives_folder_is_an_input_error(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--derivatives maps="):
        find_sessions(Selection(raw, derivatives={"maps": tmp_path / "none"}))


def test_only_what_the_modalities_need_is_taken(raw: Path) -> None:
    unit = find_sessions(Selection(raw, participant_labels=("01",), modalities=("gm",)))[0]
    assert unit.files("t1w")
    assert not unit.files("bold")


def test_a_database_is_not_needed_any_more(raw: Path, tmp_path: Path) -> None:
    selection = Selection(raw, database_dir=tmp_path / "db")
    said = unneeded_options(selection)
    assert len(said) == 1
    assert said[0].startswith("--bids-database-dir is not needed any more")
    assert [unit.prefix for unit in find_sessions(selection)] == [unit.prefix for unit in find_sessions(Selection(raw))]
    assert not (tmp_path / "db").exists()
    assert unneeded_options(Selection(raw)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_broken_files_of_the_whole_dataset_end_the_run_with_their_codes(raw: Path, tmp_path: Path, kind: str) -> None:
    def code(path: Path, select: Callable[[], object]) -> int:
        before = path.read_bytes() if path.exists() else b"{}"
        path.write_bytes(KINDS[kind].content)
        with pytest.raises(BidsStrokeError, match=f"{path.name} {KINDS[kind].message}") as error:
            select()
        path.write_bytes(before)
        return error.value.exit_code

    assert code(raw / "dataset_description.json", lambda: find_sessions(Selection(raw))) == 16
    assert code(raw / "participants.json", lambda: find_sessions(Selection(raw))) == 66
    assert code(tmp_path / "filter.json", lambda: read_filter_file(tmp_path / "filter.json")) == 2
    assert find_sessions(Selection(raw))


@pytest.mark.parametrize("name", ["sessions.json", "sub-01/sub-01_sessions.json"])
def test_broken_descriptions_of_sessions_cost_those_who_have_sessions(raw: Path, name: str) -> None:
    (raw / name).write_text("[1]")
    units = find_sessions(Selection(raw))
    assert {unit.prefix: f"{name} holds a list" in unit.error for unit in units} == {
        "sub-01_ses-01": True, "sub-01_ses-02": True, "sub-02": False, "sub-03": False
    }  # fmt: skip


def test_a_subject_whose_folder_cannot_be_listed_fails_alone(raw: Path) -> None:
    path_that_is_too_long(raw / "sub-02")
    units = {unit.prefix: unit.error for unit in find_sessions(Selection(raw))}
    assert "cannot be listed: File name too long" in units.pop("sub-02")
    assert not any(units.values())


def test_participants_that_are_no_table_end_the_run(raw: Path) -> None:
    (raw / "participants.tsv").write_bytes(b"participant_id\tname\nsub-01\t\x81\n")
    with pytest.raises(InputError, match=r"participants\.tsv is no text: neither UTF-8"):
        find_sessions(Selection(raw))


def test_other_derivatives_may_have_odd_descriptions(raw: Path) -> None:
    mask = "sub-02/anat/sub-02_label-L_mask.nii.gz"
    odd: dict[str, object] = {"a": {"GeneratedBy": 3}, "b": {"GeneratedBy": ["bids_stroke"]}, "c": "[1]"}
    for name, description in odd.items():
        make_dataset(
            raw, {f"derivatives/{name}/dataset_description.json": description, f"derivatives/{name}/{mask}": None}
        )
    unit = find_sessions(Selection(raw, participant_labels=("02",)))[0]
    assert [file.uri.split(":")[1] for file in unit.lesion] == ["a", "b", "c"]


def test_nothing_is_written_into_the_dataset(raw: Path) -> None:
    before = sorted(raw.rglob("*"))
    find_sessions(Selection(raw))
    assert sorted(raw.rglob("*")) == before


@pytest.mark.real
def test_the_real_dataset_is_understood(real_data: Path) -> None:
    units = {unit.subject: unit for unit in find_sessions(Selection(real_data / "bids_real_open"))}
    assert len(units) == 9
    assert len(units["01"].files("dwi")) == 2
    assert names(units["07"].files("eeg")) == ["sub-07_task-square_eeg.set"]
    assert len(units["08"].files("emg")) == 3
    assert "--task-label" in units["02"].left_out["sub-02_task-oneback_run-1_bold.nii.gz"]


def test_a_map_of_shares_stands_beside_the_mask_of_its_space(raw: Path) -> None:
    folder = "derivatives/lesions/sub-02/anat"
    mask, share = "space-MNI152NLin6Asym_label-L_desc-lesion_mask", "space-MNI152NLin6Asym_label-L_probseg"
    names_ = [f"{folder}/sub-02_{name}.nii.gz" for name in (mask, share, "label-L_mask")]
    make_dataset(raw, dict.fromkeys(names_))
    found = {file.path.name: dict(file.beside) for file in lesions_of(raw)}
    assert found == {Path(names_[0]).name: {"share": raw / names_[1]}, Path(names_[2]).name: {}}


@pytest.mark.parametrize(
    ("names_", "taken"),
    [
        (("label-L_desc-lesion_probseg.nii.gz", "label-L_desc-lesion_probseg.nii"), 1),
        (("label-L_desc-one_probseg.nii.gz", "label-L_desc-two_probseg.nii.gz"), None),
        (("label-L_desc-lesion_probseg.nii.gz", "label-L_probseg.nii.gz"), 0),
    ],
)
def test_of_several_maps_of_shares_none_is_guessed(raw: Path, names_: tuple[str, str], taken: int | None) -> None:
    start = "derivatives/lesions/sub-02/anat/sub-02_space-MNI152NLin6Asym_"
    maps = sorted(f"{start}{name}" for name in names_)
    make_dataset(raw, dict.fromkeys([f"{start}label-L_desc-lesion_mask.nii.gz", *maps]))
    beside = [dict(file.beside) for file in lesions_of(raw) if file.path.name.endswith("_mask.nii.gz")]
    one = {"share": raw / maps[taken]} if taken is not None else {}
    assert beside == [one or {f"share_or_not_{i}": raw / name for i, name in enumerate(maps)}]


@pytest.mark.inputs("A sidecar in another encoding is read, and named in the report and on the terminal.")
@pytest.mark.parametrize(
    ("encoding", "said"), [("utf-8", ""), ("utf-8-sig", ""), ("latin-1", "Windows-1252"), ("utf-16", "UTF-16")]
)
@pytest.mark.parametrize("name", ["sub-02/emg/sub-02_task-move_emg.json", "emg.json", "participants.json"])
def test_sidecars_in_other_encodings_are_read_and_said(raw: Path, name: str, encoding: str, said: str) -> None:
    text = '{"InstitutionName": "Universitätsklinikum", "PowerLineFrequency": 50, "age": {"Units": "year"}}'
    (raw / name).write_bytes(text.encode(encoding))
    unit = find_sessions(Selection(raw, participant_labels=("02",)))[0]
    assert unit.error == ""
    if name != "participants.json":
        assert unit.files("emg")[0].metadata["InstitutionName"] == "Universitätsklinikum"
    assert [Path(name).name in note and said in note for note in unit.notes] == ([True] if said else [])
    assert notes_in_short([unit]) == [f"sub-02: {note}" for note in unit.notes]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_the_description_of_the_dataset_in_other_encodings(raw: Path, encoding: str) -> None:
    text = '{"Name": "Schlaganfall Köln", "BIDSVersion": "1.11.1"}'
    (raw / "dataset_description.json").write_bytes(text.encode(encoding))
    assert read_description(raw)["Name"] == "Schlaganfall Köln"
