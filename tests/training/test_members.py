"""Members as the settings name them, and those of the settings files that we offer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from bids_stroke.core.biomarkers import of_group
from bids_stroke.core.errors import ModelError, UsageError
from bids_stroke.core.modalities import BIOMARKERS, Sample, record_of
from bids_stroke.core.records import Labelled, UnitFeatures
from bids_stroke.core.settings import load_settings
from bids_stroke.networks import registry
from bids_stroke.networks.registry import NETWORKS
from bids_stroke.networks.slice_cnn import BACKBONES
from bids_stroke.training.cohort import make_cohort
from bids_stroke.training.members import planned_members
from tests.conftest import ROOT
from tests.helpers.training import REGIONS, cases_of
from tests.helpers.units import LSTM, labelled, tiny_settings

FILES = sorted((ROOT / "docs" / "settings").glob("*.yml"))


@pytest.mark.parametrize(
    ("member", "error", "message"),
    [
        ({"modality": "ct"}, UsageError, "training.members.x.modality is 'ct'"),
        ({"modality": "eegemg", "training": {"speed": 1}}, UsageError, "training has no speed"),
        ({"modality": "eegemg", "inputs": {"zoom": 1}}, ModelError, "no input option zoom"),
        (
            {"modality": "fa", "inputs": [3]},
            UsageError,
            r"training.members.x.inputs is \[3\]. Write 'key: value' lines",
        ),
        ({"modality": "fa", "training": 3}, UsageError, "training.members.x.training is 3"),
        ({"modality": "fa", "training": {3: 4}}, UsageError, "training.members.x.training has no 3"),
        ({"modality": ["fa"]}, UsageError, r"training.members.x.modality is \['fa'\]"),
        ({"modality": "fa"}, UsageError, "No unit has a modality of the members x"),
        ({"modality": "eegemg", "network": "lstn"}, UsageError, "x.network is 'lstn'"),
        (LSTM | {"hiden": [3]}, ModelError, "lstm has no argument hiden"),
        (LSTM | {"hidden": "x"}, ModelError, "lstm.hidden is 'x': Input should be a valid tuple"),
        ({"modality": "clinical", "n_covariates": 1.5}, ModelError, "covariates.n_covariates is 1.5"),
        (LSTM | {"n_channels": 7}, UsageError, "x.n_channels is 7, but eegemg as it is read here makes it 3"),
        (LSTM | {"training": {"epochs": 0}}, UsageError, "x.training.epochs: Input should be greater"),
        ({"modality": "clinical", "training": {"epochs": 3}}, UsageError, "fitted in one go"),
        ({"modality": "clinical", "n_covariates": 9}, UsageError, "n_covariates is above 8"),
    ],
)
def test_wrong_member_is_refused(
    cohort: list[Labelled], member: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        planned_members(tiny_settings(members={"x": member}), make_cohort(cohort, "fma_le"))


@pytest.mark.parametrize("name", ["../x", "a b", "", "baseline_clinical"])
def test_a_member_whose_name_is_no_file_and_column_name_is_refused(cohort: list[Labelled], name: str) -> None:
    with pytest.raises(UsageError, match="part of file and column names"):
        planned_members(tiny_settings(members={name: LSTM}), make_cohort(cohort, "fma_le"))


def test_default_members_are_those_of_each_modality_that_is_there(cohort: list[Labelled]) -> None:
    unit = replace(cohort[0].unit, features={**cohort[0].unit.features, "fa": (Path("fa.nii"),)})
    members = planned_members(tiny_settings(members={}), make_cohort([replace(cohort[0], unit=unit)], "fma_le"))
    assert [(member.name, member.network) for member, _ in members] == [
        ("fa", "cbam_resnet3d"), ("eegemg", "lstm"), ("clinical", "covariates"), ("fa_regions", "regions"),
        ("eegemg_power", "band_power"), ("eegemg_coherence", "coherence"),
        ("early_fusion", "early_fusion"),
    ]  # fmt: skip
    arguments = {member.name: member.arguments for member, _ in members}
    assert arguments["fa"]["n_covariates"] == arguments["fa_regions"]["n_covariates"] == 6
    assert arguments["eegemg"]["n_channels"] == arguments["eegemg_power"]["n_channels"] == 22
    assert arguments["clinical"]["n_covariates"] == 8  # the first score too


def test_biomarkers_are_a_member_for_each_thing_that_somebody_has(cohort: list[Labelled]) -> None:
    unit = replace(cohort[0].unit, features={name: (Path("x"),) for name in ("fa", "lesion", BIOMARKERS)})
    known = make_cohort([replace(cohort[0], unit=unit)], "fma_le")
    planned = {member.name: member for member, _ in planned_members(tiny_settings(members={}), known)}
    assert {name for name in planned if name.startswith(BIOMARKERS)} == {"biomarkers_lesion", "biomarkers_dwi"}
    assert tuple(planned["biomarkers_dwi"].inputs["columns"]) == of_group("dwi")
    assert not {*planned["early_fusion"].inputs["parts"]} & {"biomarkers_lesion", "biomarkers_dwi"}


def test_a_biomarker_that_is_none_is_told_before_anything_is_read(cohort: list[Labelled]) -> None:
    text = {"modality": BIOMARKERS, "inputs": {"columns": ["lesion", "grip"]}}
    with pytest.raises(ModelError, match="columns names grip"):
        planned_members(tiny_settings(members={"x": text}), make_cohort(cohort, "fma_le"))


def test_member_may_train_in_its_own_way(cohort: list[Labelled]) -> None:
    settings = tiny_settings(members={"x": LSTM | {"training": {"epochs": 7}}, "y": LSTM})
    planned = planned_members(settings, make_cohort(cohort, "fma_le"))
    assert [options.epochs for _, options in planned] == [7, 25]


def test_demonstration_settings_describe_every_kind_of_member() -> None:
    settings = load_settings(ROOT / "bids_stroke" / "data" / "demonstration.yml")
    assert settings.training.demonstration
    everything = {modality: (Path("x"),) for modality in (*settings.modalities, BIOMARKERS)}
    unit = Labelled(UnitFeatures("01", None, everything, {}, {"age": 60.0}), 10, True)
    members = [member for member, _ in planned_members(settings, make_cohort([unit], "fma_le"))]
    assert {record_of(member.modality).sample for member in members} == {*get_args(Sample)}
    assert {NETWORKS[member.network].kind for member in members} == {spec.kind for spec in NETWORKS.values()}
    assert len(members) == 19


def test_there_is_one_for_lesion_cohorts() -> None:
    assert "lesion_cohort" in [path.stem for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_members_can_be_planned_and_built(path: Path) -> None:
    settings = load_settings(path)
    features = {modality: (Path("map.nii.gz"),) for modality in settings.modalities}
    unit = Labelled(UnitFeatures("01", None, features, {}, {"age": "60", "sex": "F"}, "d"), 10, True)
    planned = planned_members(settings, make_cohort([unit], settings.outcome.column))
    assert [member.name for member, _ in planned] == list(settings.training.members)
    for member, _ in planned:
        registry.build(member.network, **member.arguments)
    assert settings.training.name == path.stem


def test_a_network_that_does_not_read_the_modality_is_refused(lesion_cohort: list[Labelled]) -> None:
    with pytest.raises(UsageError, match=r"x\.network is 'band_power', which does not read lesion"):
        cases_of(lesion_cohort, REGIONS | {"network": "band_power", "n_parcels": 4})


def test_the_settings_of_study_b_plan_five_backbones_and_the_lstm(tmp_path: Path) -> None:
    settings = load_settings(ROOT / "docs" / "settings" / "study_b.yml")
    features = {"bold": [tmp_path / "bold"], "eegemg": [tmp_path / "eeg"]}
    cohort = make_cohort([labelled(tmp_path, "01", 5.0, features), labelled(tmp_path, "02", 25.0, features)], "fma_le")
    planned = planned_members(settings, cohort)
    backbones = {member.arguments["backbone"] for member, _ in planned if member.network == "slice_cnn"}
    assert backbones == set(BACKBONES) - {"shufflenet_v2_x0_5"}
    assert [member.name for member, _ in planned][-1] == "lstm" and planned[-1][0].arguments["n_channels"] == 22
    assert {options.batch_size for member, options in planned if member.modality == "bold"} == {16}
    assert settings.training.max_minutes is not None  # so that each network's minutes are said before it starts
