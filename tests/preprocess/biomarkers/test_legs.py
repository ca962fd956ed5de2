"""Muscles of the leg: antagonists of one joint and one leg."""

from __future__ import annotations

import pytest

from bids_stroke.core.channels import EMG_MUSCLES, SYNONYMS
from bids_stroke.preprocess.biomarkers.legs import actions, antagonists, leg_muscles


@pytest.mark.parametrize(
    ("name", "action"),
    [("RF", ("knee", "extensor")), ("left vastus lateralis", ("knee", "extensor")), ("VL", ("knee", "extensor")),
     ("vastus lat. 2", ("knee", "extensor")), ("hamstrings", ("knee", "flexor")), ("LST", ("knee", "flexor")),
     ("semimembranosus (re)", ("knee", "flexor")), ("TA_L", ("ankle", "flexor")), ("RTA", ("ankle", "flexor")),
     ("tibialis anterior", ("ankle", "flexor")), ("tibialis posterior", ("", "")), ("RSOL", ("ankle", "extensor")),
     ("GL", ("ankle", "extensor")), ("gastrocnemius medialis L", ("ankle", "extensor")), ("gmed", ("", "")),
     ("lateral gastrocnemius", ("ankle", "extensor")), ("EMG_LTA", ("ankle", "flexor"))],
)  # fmt: skip
def test_a_name_tells_joint_and_action(name: str, action: tuple[str, str]) -> None:
    assert actions(name) == action


@pytest.mark.parametrize("name", ["biceps brachii", "triceps", "EMG1", "FCR", "chin", "deltoid L", "C3", ""])
def test_what_is_no_muscle_of_the_leg(name: str) -> None:
    assert actions(name) is None


def test_the_muscles_of_the_study_and_their_other_names_are_known() -> None:
    expected = dict(zip(EMG_MUSCLES, ["extensor", "extensor", "flexor", "", "flexor", "extensor"], strict=True))
    for muscle, action in expected.items():
        for name in (muscle, *SYNONYMS[muscle]):
            assert actions(name) == ("knee" if action else "", action), name


def test_antagonists_are_of_one_joint_and_leg() -> None:
    assert antagonists(["RF", "VM", "BF", "gmax", "ST"]) == [(2, 0), (2, 1), (4, 0), (4, 1)]
    assert antagonists(["TA", "RF", "BF", "SOL"]) == [(0, 3), (2, 1)]
    assert antagonists(["RF_L", "BF_R", "EMG1"]) == []


def test_muscles_of_one_leg() -> None:
    names = ["RF_L", "biceps brachii L", "TA_R", "soleus"]
    assert leg_muscles(names) == [0, 2, 3]
    assert leg_muscles(names, "left") == [0]
    assert leg_muscles(names, "right") == [2]
