from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_stroke.core.biomarkers import BIOMARKERS
from bids_stroke.core.records import UnitFeatures
from bids_stroke.derivatives.outputs import write_table
from bids_stroke.features.summary import quantity, quantity_names, summary_numbers
from tests.helpers.units import write_volume


@pytest.fixture
def unit(tmp_path: Path) -> UnitFeatures:
    """Age 70, a lesion of 12 ml, nothing else measured; a map of FA, 0.5 in a tenth of the grid."""
    pd = pytest.importorskip("pandas")
    row = dict.fromkeys(BIOMARKERS, np.nan) | {"lesion_volume_ml": 12.0}
    table = write_table(tmp_path / "sub-01_biomarkers.tsv", pd.DataFrame([row]))
    fa = np.zeros((91, 109, 91), np.float32)
    fa[:9] = 0.5
    features = {"biomarkers": (table,), "fa": (write_volume(tmp_path / "fa.nii.gz", fa),)}
    return UnitFeatures("01", None, features, {}, {"age": 70.0, "sex": "F", "fma_le_baseline": "n/a"}, "tiny")


def test_numbers_come_from_tables_and_maps_and_what_is_missing_is_left_out(unit: UnitFeatures) -> None:
    names = quantity_names(("age", "sex", "days_since_stroke", "fma_le_baseline"), ("fa", "md", "lesion"))
    assert summary_numbers(unit, names) == pytest.approx({"age": 70.0, "lesion_volume_ml": 12.0, "mean_fa": 0.5})
    assert summary_numbers(replace(unit, features={}), names) == {"age": 70.0}


def test_only_what_is_asked_for_is_read(unit: UnitFeatures) -> None:
    broken = replace(unit, features={"fa": (Path("nowhere.nii.gz"),), "biomarkers": unit.features["biomarkers"]})
    assert summary_numbers(broken, ("age", "lesion_volume_ml")) == {"age": 70.0, "lesion_volume_ml": 12.0}


def test_quantities_have_words_and_units() -> None:
    assert [quantity(name).unit for name in ("age", "lesion_volume_ml", "mean_md", "mean_fa")] == [
        "years", "ml", "mm^2/s", "",
    ]  # fmt: skip
    assert [quantity(name).skewed for name in ("age", "lesion_volume_ml", "cst_load")] == [False, True, False]
    assert quantity("days_since_stroke").words == "time since stroke"
    assert "mean_lesion" not in quantity_names((), ("lesion", "bold"))
    assert "sex" not in quantity_names(("age", "sex"), ())
