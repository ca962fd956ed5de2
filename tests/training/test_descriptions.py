"""Members as the settings describe them: what their words tell, without a cohort and without their networks."""

from __future__ import annotations

import pytest

from bids_stroke.core.errors import UsageError
from bids_stroke.core.modalities import CLINICAL, MODALITIES
from bids_stroke.core.settings import Settings
from bids_stroke.networks import registry
from bids_stroke.training.descriptions import (
    BIOMARKER_MEMBERS,
    DEFAULT_SHALLOW_MEMBERS,
    member_descriptions,
    network_of,
)


def described(**training: object) -> dict[str, dict[str, object]]:
    return member_descriptions(Settings.model_validate({"training": training}))


def test_without_descriptions_each_modality_has_a_member_and_some_a_shallow_one() -> None:
    found = described()
    assert set(found) == {*MODALITIES, CLINICAL, *DEFAULT_SHALLOW_MEMBERS, *BIOMARKER_MEMBERS}
    assert set(member_descriptions(Settings(modalities=("bold",)))) == {"bold", CLINICAL, "biomarkers_bold"}
    assert all(network_of(text) in registry.NETWORKS for text in found.values())


def test_described_members_are_the_only_ones_and_keep_their_words() -> None:
    text = {"modality": "bold", "network": "slice_cnn", "inputs": {"size": 96}, "training": {"epochs": 3}}
    assert described(members={"small": text}) == {"small": text}
    assert network_of({"modality": "bold"}) == "slice_cnn"


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"members": {"x": {"modality": "ct"}}}, r"training\.members\.x\.modality is 'ct'"),
        ({"members": {"x": {}}}, r"training\.members\.x\.modality is None"),
        ({"members": {"x": {"modality": "fa", "network": "lstm"}}}, "which does not read fa"),
        ({"members": {"x": {"modality": "fa", "network": "transformer"}}}, r"Choose one of cbam_resnet3d"),
        ({"members": {"x": {"modality": "fa", "inputs": 3}}}, r"x\.inputs is 3"),
        ({"members": {"x": {"modality": "fa", "training": {"speed": 1}}}}, "has no speed"),
        ({"members": {"../x": {"modality": "fa"}}}, "part of file and column names"),
        ({"early_fusion": ["lesion_regions"]}, "Name two or more of"),
        ({"early_fusion": ["lesion_regions", "nobody"]}, "Name two or more of"),
        ({"early_fusion": ["lesion_regions", "lesion_regions"]}, "Name two or more of"),
    ],
)
def test_words_that_cannot_be_are_refused(training: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        described(**training)
