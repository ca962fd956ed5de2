"""Sites change sides where they are sites."""

from __future__ import annotations

import pytest

from bids_stroke.preprocess.eegemg.sides import other_sites


@pytest.mark.parametrize(
    ("name", "other"),
    [("C3", "C4"), ("Fp1", "Fp2"), ("O2", "O1"), ("T7", "T8"), ("TP9", "TP10"), ("AFp3h", "AFp4h"), ("FC5", "FC6"),
     ("Cz", "Cz"), ("FCz", "FCz"), ("Iz", "Iz")],
)  # fmt: skip
def test_sites_change_sides(name: str, other: str) -> None:
    assert other_sites([name, other])[name] == other


@pytest.mark.parametrize("name", ["E12", "EXG1", "A1", "M2", "X1", "C99"])
def test_what_is_no_site_has_no_other_side(name: str) -> None:
    assert name not in other_sites([name, "C3"])


def test_no_electrode_of_a_numbered_cap_has_a_side() -> None:
    names = [f"{bundle}{number}" for bundle in "ABCD" for number in range(1, 33)]
    assert other_sites(names) == {}
