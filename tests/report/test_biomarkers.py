"""Biomarkers in words."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pandas as pd

from bids_stroke.core.biomarkers import BIOMARKERS
from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import write_table
from bids_stroke.report import biomarkers

KNOWN = {**dict.fromkeys(BIOMARKERS, nan), "lesion_volume_ml": 12.345, "alpha_peak_hz": 9.5}


def test_only_what_is_known_is_told_with_its_unit() -> None:
    told = {group: {line.label: line.value for line in own} for group, own in biomarkers.lines(KNOWN)}
    assert told == {"Lesion mask": {"lesion volume": "12.3 ml"}, "EEG and EMG": {"alpha peak": "9.5 Hz"}}
    assert biomarkers.lines({}) == []


def test_values_are_those_of_the_table_of_the_unit(tmp_path: Path) -> None:
    row = pd.DataFrame([{name: KNOWN[name] for name in BIOMARKERS}])
    path = write_table(tmp_path / "sub-1_biomarkers.tsv", row)
    steps = {"biomarkers": StepReport(outputs={"biomarkers": (path,)})}
    assert biomarkers.values(steps)["alpha_peak_hz"] == 9.5
    assert biomarkers.values({"biomarkers": StepReport()}) == biomarkers.values({}) == {}


def test_a_cohort_in_median_and_range() -> None:
    units = [{"lesion_volume_ml": volume, "bsi": nan} for volume in (1.0, 30.0, 4.0)]
    (row,) = biomarkers.overview(units)
    assert (row["label"], row["n"], row["median"], row["low"], row["high"]) == (
        "lesion volume", 3, "4 ml", "1 ml", "30 ml",
    )  # fmt: skip
