"""The row of biomarkers that a network reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.biomarkers import BIOMARKERS, of_group
from bids_stroke.core.errors import MissingModalityError, ModelError
from bids_stroke.derivatives.outputs import write_table
from bids_stroke.features.biomarkers import can_have, expanded
from bids_stroke.features.readers import read_samples


def table(path: Path, **known: float) -> Path:
    return write_table(path, pd.DataFrame([{name: known.get(name) for name in BIOMARKERS}], dtype=float))


def test_columns_are_read_in_their_order(tmp_path: Path) -> None:
    path = table(tmp_path / "x_biomarkers.tsv", bsi=0.1, cst_load=0.5)
    samples = read_samples("biomarkers", [path], {"columns": ["cst_load", "bsi"]})
    np.testing.assert_array_equal(samples.data, np.array([[0.5, 0.1]], np.float32))


def test_half_of_them_must_be_known(tmp_path: Path) -> None:
    path = table(tmp_path / "x_biomarkers.tsv", plic_fa_left=0.5)
    samples = read_samples("biomarkers", [path], {"columns": ["plic_fa_left", "plic_fa_right"]})
    assert samples.data[0, 0] == 0.5 and np.isnan(samples.data[0, 1])
    with pytest.raises(MissingModalityError, match="has no plic_fa_right, cst_fa_left"):
        read_samples("biomarkers", [path], {"columns": ["plic_fa_left", "plic_fa_right", "cst_fa_left"]})


def test_a_name_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no biomarker handedness"):
        read_samples("biomarkers", [tmp_path / "x"], {"columns": ["handedness"]})


def test_who_lacks_the_modality_cannot_have_them() -> None:
    assert can_have(of_group("dwi"), {"md"})
    assert not can_have([*of_group("dwi"), "bsi"], {"md", "lesion"})


def test_a_group_stands_for_all_of_it() -> None:
    assert expanded(["bsi", "bold", "hand_homotopic_z", "grip"]) == ["bsi", *of_group("bold"), "grip"]
