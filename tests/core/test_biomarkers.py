"""Every biomarker says what it is."""

from __future__ import annotations

import re

import pytest

from bids_stroke.core.biomarkers import BIOMARKERS, GROUPS, Biomarker, of_group
from bids_stroke.core.modalities import given_by


@pytest.mark.parametrize("one", BIOMARKERS.values(), ids=BIOMARKERS)
def test_it_is_defined_and_what_is_typical_is_possible(one: Biomarker) -> None:
    assert re.fullmatch("[a-z0-9_]+", one.name)
    assert one.words and one.definition.endswith(".")
    low, high = one.limits
    assert low < high
    assert low <= one.typical <= high
    assert re.search(r"\b(19|20)\d\d\b", one.source) or one.group == "lesion"


def test_names_and_words_tell_them_apart() -> None:
    assert len({one.words for one in BIOMARKERS.values()}) == len(BIOMARKERS)


def test_each_group_is_what_a_step_gives() -> None:
    assert [name for group in GROUPS for name in of_group(group)] == list(BIOMARKERS)
    assert all(given_by(group) for group in GROUPS)


def test_a_unit_in_the_name_is_the_unit() -> None:
    for one in BIOMARKERS.values():
        assert (one.unit == "ml") == one.name.endswith("_ml")
        assert (one.unit == "Hz") == one.name.endswith("_hz")
        assert (one.unit == "s") == one.name.endswith("_s")
