"""The settings files that the documentation offers."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.core.records import Labelled, UnitFeatures
from bids_stroke.core.settings import load_settings
from bids_stroke.networks import registry
from bids_stroke.training.cohort import make_cohort
from bids_stroke.training.members import planned_members
from tests.conftest import ROOT

FILES = sorted((ROOT / "docs" / "settings").glob("*.yml"))


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
