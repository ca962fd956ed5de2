"""Tables of biomarkers, written and read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.biomarkers import BIOMARKERS
from bids_stroke.core.errors import DataError
from bids_stroke.derivatives.biomarkers import columns_described, read_biomarkers, write_cohort
from bids_stroke.derivatives.outputs import write_table


def test_what_is_written_is_read(tmp_path: Path) -> None:
    row = pd.DataFrame([{name: 0.25 if name == "cst_load" else None for name in BIOMARKERS}], dtype=float)
    known = read_biomarkers(write_table(tmp_path / "sub-1_biomarkers.tsv", row))
    assert known.pop("cst_load") == 0.25
    assert len(known) == len(BIOMARKERS) - 1
    assert np.isnan(list(known.values())).all()


@pytest.mark.parametrize("text", ["", "cst_load\n", "cst_load\n0.1\n", "\t".join(BIOMARKERS) + "\nx\n"])
def test_a_table_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sub-1_biomarkers.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"sub-1_biomarkers\.tsv cannot be read"):
        read_biomarkers(path)


def test_a_cohort_has_a_row_a_unit_and_every_column_is_described(tmp_path: Path) -> None:
    path = write_cohort(tmp_path / "group_biomarkers.tsv", {("1", None): {"bsi": 0.1}, ("2", "b"): {"cmc": 0.2}})
    table = pd.read_csv(path, sep="\t", na_values="n/a")
    assert list(table["participant_id"]) == ["sub-1", "sub-2"]
    assert list(table["session_id"].fillna("none")) == ["none", "ses-b"]
    assert list(table["bsi"].fillna(-1)) == [0.1, -1]
    described = json.loads(path.with_suffix(".json").read_text())
    assert set(described) == set(table)
    assert described["alpha_peak_hz"]["Units"] == "Hz"
    assert "Units" not in columns_described()["bsi"]
