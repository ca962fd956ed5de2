"""Steps, modalities, queries and settings agree."""

from __future__ import annotations

import importlib

import pytest

from bids_stroke.core.biomarkers import GROUPS
from bids_stroke.core.frozen import Frozen
from bids_stroke.core.modalities import BIOMARKERS, MAPS, MODALITIES, QUERIES
from bids_stroke.core.records import OTHER_KINDS, Session
from bids_stroke.core.settings import Settings
from bids_stroke.preprocess.registry import STEPS, TELL_THE_SIDE, Step

ORDER = list(STEPS)


def raw_inputs(step: Step) -> set[str]:
    return set(step.inputs) & set(QUERIES)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_a_module_and_gives_something(name: str) -> None:
    step = STEPS[name]
    assert step.name == name
    assert step.modalities
    assert callable(importlib.import_module(f"bids_stroke.preprocess.{name}.step").run)


@pytest.mark.parametrize("name", STEPS)
def test_its_inputs_and_settings_are_there(name: str) -> None:
    step = STEPS[name]
    assert set(step.inputs) <= {*QUERIES, *OTHER_KINDS}
    assert step.files(Session("1", None)) == ()
    assert not step.settings or isinstance(getattr(Settings(), step.settings), Frozen)


@pytest.mark.parametrize("name", STEPS)
def test_it_builds_on_earlier_steps_only(name: str) -> None:
    sided = Settings(lesion_side="normalise")
    for settings in (Settings(), sided):
        assert all(ORDER.index(earlier) < ORDER.index(name) for earlier in STEPS[name].builds_on(settings))
    assert set(STEPS[name].builds_on(sided)) >= set(TELL_THE_SIDE) - {name} or name in TELL_THE_SIDE


@pytest.mark.parametrize("name", MODALITIES)
def test_the_queries_of_a_modality_are_what_its_step_reads(name: str) -> None:
    modality = MODALITIES[name]
    step = STEPS[modality.step]
    earlier = {query for other in step.after for query in raw_inputs(STEPS[other])}
    assert raw_inputs(step) <= set(modality.queries) <= raw_inputs(step) | earlier


def test_ready_maps_come_last_so_that_they_count() -> None:
    assert [name for name in ORDER if not STEPS[name].gathers][-1] == MAPS


def test_what_gathers_comes_after_all_that_it_gathers_and_asks_for_nothing() -> None:
    gathering = [step for step in STEPS.values() if step.gathers]
    assert [step.name for step in gathering] == [BIOMARKERS] == ORDER[-1:]
    assert all(step.inputs == () for step in gathering)
    assert STEPS[BIOMARKERS].after == (*GROUPS, MAPS)
