"""The sheet of a report's items: all of them, in order, filled in from facts, the rest left to the authors."""

from __future__ import annotations

import re
from pathlib import Path

from bids_stroke.core.json_files import read_json_object
from bids_stroke.ensemble.bundle import write_bundle
from bids_stroke.ensemble.card.tripod import FILE, TO_DO, tripod_items, tripod_sheet
from bids_stroke.ensemble.metadata import METADATA
from tests.helpers.units import tiny_contents

FACTS = {
    "participants": 60, "units": 61, "units_with_poor_outcome": 20, "datasets": ["Cohort | A"], "split": "nested",
    "outer_folds": 5, "inner_folds": 3, "repeats": 2, "seed": 7, "units_per_member": {"a": 50},
    "population": {"known": {"age": 58}, "women": None, "men": None},
    "performance": {"participants": 60, "poor": 20, "quantities": {"auc": [0.8, 0.7, None], "brier": [0.15, 0.1, 0.2]}},
    "settings": {"lesion_side": "as-is", "training": {"coverage": 0.9, "bootstrap": 300}},
}  # fmt: skip


def metadata(folder: Path) -> dict[str, object]:
    return read_json_object(write_bundle(folder / "b", tiny_contents(facts=FACTS)).path / METADATA)


def test_every_item_of_the_statement_is_there_once_in_order(tmp_path: Path) -> None:
    numbers = [item.number for item in tripod_items(metadata(tmp_path))]
    assert list(dict.fromkeys(re.sub(r"\D", "", number) for number in numbers)) == [str(i) for i in range(1, 28)]
    assert len(set(numbers)) == len(numbers) == 52
    assert numbers == sorted(numbers, key=lambda number: (int(re.sub(r"\D", "", number)), number))


def test_what_is_known_is_filled_in_and_the_rest_left_open(tmp_path: Path) -> None:
    known = {item.number: item for item in tripod_items(metadata(tmp_path))}
    assert "fma_le<=17" in known["8a"].told and "60 participants, 20 of 61" in known["10"].told
    assert "5 outer and 3 inner folds, 2 repeats; seed 7" in known["12a"].told
    assert known["23a"].told == "AUC 0.800; Brier score 0.150 (0.100 to 0.200)"
    assert "age 58" in known["11"].told and "a 50" in known["11"].told
    assert known["17"].told == "" and known["17"].open == TO_DO
    assert all(item.told or item.open for item in known.values())


def test_a_cell_cannot_break_the_table(tmp_path: Path) -> None:
    rows = [line for line in tripod_sheet(metadata(tmp_path)).splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {5} and "Cohort / A" in "".join(rows)


def test_where_nothing_was_trained_there_is_no_sheet(tmp_path: Path) -> None:
    assert not (write_bundle(tmp_path / "b", tiny_contents()).path / FILE).exists()  # without evidence
