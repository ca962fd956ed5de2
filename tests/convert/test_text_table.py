"""Tables of numbers in text files: separators, units, decimal commas and names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_stroke.convert.text_table import TxtOptions, read_table
from bids_stroke.core.errors import DataError
from tests.helpers.text_tables import samples, write


@pytest.mark.parametrize("separator", ["\t", ";", ",", " "])
def test_separators_units_and_names_in_the_first_row(tmp_path: Path, separator: str) -> None:
    values = samples(50, 4)
    source = write(tmp_path / "p.txt", values, ("time", "C3", "RF_L", "Status"), separator)
    table = read_table(source, TxtOptions("01", "leg", 500.0, unit="mV"))
    assert (table.names, table.types) == (("C3", "RF_L", "Status"), ("eeg", "emg", "misc"))
    np.testing.assert_allclose(table.data, values[:, 1:].T * 1e-3, rtol=1e-12)


def test_decimal_commas_and_columns_left_out(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("1,5;2;3,25;\n-1,5;2;1e1;\n")
    options = TxtOptions("01", "leg", 500.0, unit="V", channels=("Cz", "-", "tibialis:EMG"))
    table = read_table(tmp_path / "p.txt", options)
    assert (table.names, table.types) == (("Cz", "tibialis"), ("eeg", "emg"))
    assert table.data.tolist() == [[1.5, -1.5], [3.25, 10.0]]


def test_names_that_tell_nothing_are_refused(tmp_path: Path) -> None:
    source = write(tmp_path / "p.txt", samples(10, 2))
    with pytest.raises(DataError, match="no column is known as EEG or EMG"):
        read_table(source, TxtOptions("01", "leg", 500.0, channels=("X1", "X2")))
    with pytest.raises(DataError, match="named twice: C3"):
        read_table(source, TxtOptions("01", "leg", 500.0, channels=("C3", "C3")))


def test_c3_of_a_cap_that_numbers_its_electrodes_is_no_site(tmp_path: Path) -> None:
    source = write(tmp_path / "p.txt", samples(10, 6), ("A3", "B1", "B2", "C3", "D7", "RF_L"))
    assert read_table(source, TxtOptions("01", "leg", 500.0)).types == ("misc",) * 5 + ("emg",)
