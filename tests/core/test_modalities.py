"""The registry of modalities is complete, agrees with the networks, and is looked at when it is needed."""

from __future__ import annotations

import re

import pytest

from bids_stroke.bids.sessions import Selection
from bids_stroke.cli.app import command
from bids_stroke.core.modalities import BIOMARKERS, MODALITIES, NOT_MEASURED, QUERIES, Modality, given_by, record_of
from bids_stroke.core.settings import Settings
from bids_stroke.networks.registry import NETWORKS

EVERYTHING = {**MODALITIES, **NOT_MEASURED}


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_record_is_found_by_its_name_and_its_network_reads_it(name: str) -> None:
    record = record_of(name)
    assert record.name == name
    assert re.fullmatch(r"[a-z0-9_]+", name)
    assert record.words
    assert NETWORKS[record.network].kind == record.sample


@pytest.mark.parametrize("name", MODALITIES)
def test_what_is_measured_has_a_step_and_queries(name: str) -> None:
    record = MODALITIES[name]
    assert record.sample not in ("numbers", "none")
    assert record.queries
    assert set(record.queries) <= set(QUERIES)
    assert name in given_by(record.step)


@pytest.mark.parametrize("name", NOT_MEASURED)
def test_what_is_not_measured_has_no_queries(name: str) -> None:
    assert (record_of(name).queries, record_of(name).standard_map) == ((), None)
    assert record_of(name).step == (BIOMARKERS if name == BIOMARKERS else "")


def test_nothing_is_both_measured_and_not() -> None:
    assert len(EVERYTHING) == len(MODALITIES) + len(NOT_MEASURED)
    assert len({record.words for record in EVERYTHING.values()}) == len(EVERYTHING)


def test_a_name_that_is_none_is_an_error() -> None:
    with pytest.raises(KeyError):
        record_of("mra")


def test_every_query_is_needed_and_no_two_are_one() -> None:
    assert set(QUERIES) == {query for record in MODALITIES.values() for query in record.queries}
    assert len({(query.suffix, query.datatype) for query in QUERIES.values()}) == len(QUERIES)
    for query in QUERIES.values():
        assert all(extension.startswith(".") for extension in (*query.extensions, *query.companions))


@pytest.mark.parametrize("name", [name for name, record in MODALITIES.items() if record.standard_map])
def test_a_plausible_value_of_a_map_is_possible(name: str) -> None:
    values = MODALITIES[name].standard_map
    low, high = values.median
    assert 0 <= low < high <= values.highest


def test_counts_are_told_where_a_member_reads_several() -> None:
    assert {record.sample for record in EVERYTHING.values() if record.counted_as} == {"slice", "window"}
    assert (record_of("bold").counted_as, record_of("eegemg").counted_as) == ("n_slices", "n_windows")


def test_a_modality_that_is_added_is_known_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODALITIES, "mra", Modality("mra", "angiography", "mra", ("t1w",)))
    assert Settings().modalities[-1] == "mra"
    assert Selection(bids_dir=None).modalities[-1] == "mra"
    assert given_by("mra") == ("mra",)


def test_the_help_names_all() -> None:
    (option,) = [item for item in command.params if item.name == "modalities"]
    assert f"Any of {' '.join(MODALITIES)}." in option.help
