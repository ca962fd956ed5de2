"""Sides in the names of muscles: read where they are certain, else not at all."""

from __future__ import annotations

import pytest

from bids_stroke.signals.sides import is_muscle, other_muscles, other_site, told_side, without_side


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


@pytest.mark.parametrize(
    ("name", "bare"),
    [("left soleus", "soleus"), ("soleus l", "soleus"), ("TA_L", "TA"), ("RightRF", "RF"), ("EMG_LTA", "EMG_TA"),
     ("SoleusL", "Soleus"), ("soleus (li)", "soleus"), ("LRF", "RF"), ("RRF", "RF"), ("VL", "VL"),
     ("EMG L1", "EMG L1")],
)  # fmt: skip
def test_a_name_without_its_side(name: str, bare: str) -> None:
    assert without_side(name) == bare


def test_sites_without_a_number_have_no_other_side() -> None:
    assert [other_site(name) for name in ("FC5", "AFp3h", "TP9", "Cz")] == ["FC6", "AFp4h", "TP10", "Cz"]
