"""Sides in the names of channels: read where they are certain, else not at all."""

from __future__ import annotations

import pytest

from bids_stroke.preprocess.eegemg.sides import is_muscle, other_muscles, other_sites, told_side


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


@pytest.mark.parametrize(
    ("name", "other"),
    [("left soleus", "right soleus"), ("TA_L", "TA_R"), ("vm-r", "vm-l"), ("RightRF", "LeftRF"),
     ("RF_LEFT", "RF_RIGHT"), ("L1 TA", "R1 TA"), ("soleus (li)", "soleus (re)"), ("LRF", "RRF"), ("RTA", "LTA"),
     ("R TA", "L TA"), ("TAL", "TAR"), ("EMG_LTA", "EMG_RTA"), ("LGL", "RGL"), ("SoleusL", "SoleusR"),
     ("lsoleus", "rsoleus"), ("TA links", "TA rechts"), ("Lt Soleus", "Rt Soleus"), ("soleus sin", "soleus dx")],
)  # fmt: skip
def test_muscles_change_sides(name: str, other: str) -> None:
    """Each alone: its name is understood without that of the other side."""
    assert other_muscles([name]) == {name: other}
    assert other_muscles([other]) == {other: name}
    assert {told_side(name), told_side(other)} == {"left", "right"}


@pytest.mark.parametrize(
    "name",
    ["rectus femoris", "gluteus maximus", "biceps femoris, long head", "RF", "GL", "VL", "BR", "ADDL",
     "tibialis anterior", "lateral gastrocnemius", "flexor carpi radialis", "GasL"],
)  # fmt: skip
def test_letters_of_a_muscle_are_no_sides(name: str) -> None:
    assert other_muscles([name]) == {name: name}
    assert told_side(name) == ""
    assert is_muscle(name)


@pytest.mark.parametrize("name", ["sensor 3", "EMG1", "L", "EMG L1", "LGasLat", "Left TA R", "LBF/RBF", "channel_r"])
def test_what_is_not_understood_is_not_swapped(name: str) -> None:
    assert other_muscles([name]) == {}


def test_the_other_one_of_a_pair_tells_what_a_name_means() -> None:
    pairs = {"LGL": "LGR", "ADDL": "ADDR", "sensor_l": "sensor_r", "EMG L1": "EMG R1"}
    assert other_muscles([*pairs, *pairs.values()]) == pairs | {right: left for left, right in pairs.items()}
    assert other_muscles(["RF", "VL", "GL"]) == {name: name for name in ("RF", "VL", "GL")}
