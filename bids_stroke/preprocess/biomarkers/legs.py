"""Muscles of the leg by their names: which they are, of which side, and which are antagonists."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

from bids_stroke.signals.sides import told_side, without_side

_ACTIONS = (
    ("knee", "extensor", r"(m|prox|proximal)?(rectus|rectusfem|rectusfemoris|rf|prf)(prox|proximal)?"
                         r"|vast.*|vm|vmo|vl|vlo|vi|quad.*"),
    ("knee", "flexor", r"(m|longheadof|shortheadof)?bicepsfem.*|bf|bflh|bfsh|bifem.*|semi.*|st|sm|ham(s|str.*)?"),
    ("ankle", "flexor", r"(m)?tib(ialis)?ant(erior)?|anteriortibial(is)?|tibialis|ta|tib"),
    ("ankle", "extensor", r"(m)?sol(eus)?|(medial|lateral|med|lat)?gas.*|gc|gcm|gcl|gam|gal|mg|lg|gl|tricepssurae"),
    ("", "", r"glut.*|gm|gmax|gmed|gmin|add(l|uct.*)?|gra(cil.*)?|sar(tor.*)?|tfl|tensor.*|pl|pb|peron.*|fibular.*"
             r"|tibpost.*|tibialispost.*|tp|ehl|edl|edb|fhl|fdl|abh|.*halluc.*|calf"),
)  # fmt: skip
"""Joint, what the muscle does there, and its names in lower case without blanks, signs, side and number."""


def actions(name: str) -> tuple[str, str] | None:
    """Joint and ``flexor`` or ``extensor``; both empty for other muscles of the leg, None for what is none.

    Muscles of two joints count for the knee (rectus femoris, hamstrings) and the ankle (gastrocnemius).

    Examples
    --------
    >>> actions("LRF"), actions("biceps femoris, long head"), actions("gluteus maximus"), actions("biceps brachii")
    (('knee', 'extensor'), ('knee', 'flexor'), ('', ''), None)
    """
    bare = re.sub(r"emg", "", without_side(name), flags=re.IGNORECASE)
    plain = re.sub(r"\d+$", "", re.sub(r"[^a-z0-9]", "", bare.lower()))
    for joint, action, pattern in _ACTIONS:
        if re.fullmatch(pattern, plain):
            return joint, action
    return None


def leg_muscles(names: Sequence[str], side: str = "") -> list[int]:
    """Which of the channels are muscles of a leg; of the left or right one alone where ``side`` says so."""
    return [i for i, name in enumerate(names) if actions(name) is not None and side in ("", told_side(name))]


def antagonists(names: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of a flexor and an extensor of one joint of one leg; names that tell no side are of one leg.

    Examples
    --------
    >>> antagonists(["RF_L", "BF_L", "BF_R", "TA", "VM_L"])
    [(1, 0), (1, 4)]
    """
    known = [(*(actions(name) or ("", "")), told_side(name)) for name in names]
    return [
        (i, j)
        for i, j in product(range(len(names)), repeat=2)
        if known[i][0] and (known[i][0], known[i][2]) == (known[j][0], known[j][2])
        if (known[i][1], known[j][1]) == ("flexor", "extensor")
    ]
