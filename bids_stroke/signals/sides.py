"""Which side the name of a channel tells, and what the channel of the other side is called.

A name is understood or it is not: nothing is swapped by guess, and nothing that tells a side is taken to tell none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bids_stroke.core.channels import is_abbreviation, kind_of

_SITE = re.compile(r"([A-Za-z]+)([1-9]\d*)(h?)")
_WORDS = {"left": "right", "links": "rechts", "gauche": "droite"}
"""Left -> right: words that stand for a side wherever they are."""
_LETTERS = {"l": "r", "li": "re", "lt": "rt", "lft": "rgt", "sin": "dx"}
"""Those that do so alone, beside a muscle."""
_LEFT = {**_WORDS, **_LETTERS}
_OTHER = _LEFT | {right: left for left, right in _LEFT.items()}
_WORD = re.compile(rf"{'|'.join([*_WORDS, *_WORDS.values()])}"
                   rf"|(?<![a-z])(?:{'|'.join([*_LETTERS, *_LETTERS.values()])})(?![a-z])", re.IGNORECASE)  # fmt: skip
_EMG = re.compile(r"emg", re.IGNORECASE)
_SIGNS = " _.,-()"
_STEMS = (
    "tibial", "tibant", "tibpost", "soleus", "gastro", "rectus", "vastus", "biceps", "triceps", "glut", "semit",
    "semimem", "hamstr", "quadri", "sartor", "gracil", "tensor", "adduct", "abduct", "peron", "fibular", "flexor",
    "extensor", "deltoid", "trapez", "pector", "brachi", "latiss", "serratus", "erector", "multifid", "masseter",
)  # fmt: skip
"""Begins of muscles' names: a letter L or R before one of them is a side."""


@dataclass(frozen=True)
class _Reading:
    """One way to read a name.

    Attributes
    ----------
    side : str
        ``left``, ``right``, or empty.
    swapped : str
        The name with the other side.
    word : str
        The word that tells the side, alone or with a muscle.
    glued : str
        ``^`` or ``$``: the letter at the begin or end of the word tells it; empty where the word alone does.
    """

    side: str
    swapped: str
    word: str
    glued: str = ""


def other_site(name: str) -> str:
    """The site of the 10-05 system on the other side; the midline, and what has no number, stays.

    Parameters
    ----------
    name : str
        A site in its usual spelling.

    Examples
    --------
    >>> other_site("C3"), other_site("TP10"), other_site("Cz")
    ('C4', 'TP9', 'Cz')
    """
    found = _SITE.fullmatch(name)
    if found is None:
        return name
    number = int(found[2])
    return f"{found[1]}{number + 1 if number % 2 else number - 1}{found[3]}"


def other_muscles(names: Sequence[str]) -> Mapping[str, str]:
    """Name -> the same muscle of the other side, of those that are understood; what tells no side stays.

    A name is understood as one of a pair whose other one is there, too, or where all of it is known: a muscle, with or
    without the words left and right, or L, R, li or re, alone (``TA_L``) or with it (``LTA``).

    Examples
    --------
    >>> dict(other_muscles(["LRF", "R TA", "VL", "x7 l", "x7 r", "sensor 3"]))
    {'LRF': 'RRF', 'R TA': 'L TA', 'VL': 'VL', 'x7 l': 'x7 r', 'x7 r': 'x7 l'}
    """
    alone = {name: _understood(name) for name in names}
    sideless = {name for name, reading in alone.items() if reading is not None and not reading.side}
    found: dict[str, str] = {}
    for name, reading in alone.items():
        others = [each.swapped for each in _readings(name) if each.swapped in alone]
        pairs = [other for other in others if not {name, other} <= sideless]  # two muscles that merely look like one
        if pairs or reading is not None:
            found[name] = pairs[0] if pairs else reading.swapped if reading is not None else name
    return found


def told_side(muscle: str) -> str:
    """``left`` or ``right``, where the name of a muscle tells it.

    Examples
    --------
    >>> told_side("LRF"), told_side("soleus (re)"), told_side("RF")
    ('left', 'right', '')
    """
    reading = _understood(muscle)
    return "" if reading is None else reading.side


def without_side(muscle: str) -> str:
    """The name of a muscle less what tells its side; names that are not understood, or tell none, stay.

    Examples
    --------
    >>> without_side("LRF"), without_side("TA_L"), without_side("left soleus"), without_side("VL"), without_side("x7 l")
    ('RF', 'TA', 'soleus', 'VL', 'x7 l')
    """
    reading = _understood(muscle)
    if reading is None or not reading.side:
        return muscle
    if not reading.glued:
        return _WORD.sub(" ", muscle).strip(_SIGNS)
    bare = reading.word[1:] if reading.glued == "^" else reading.word[:-1]
    return muscle.replace(reading.word, bare, 1)


def is_muscle(name: str) -> bool:
    """Whether a name tells a muscle, with or without its side: not that it is EMG alone.

    Examples
    --------
    >>> is_muscle("left tibialis anterior"), is_muscle("RTA"), is_muscle("EMG3")
    (True, True, False)
    """
    rest = re.sub(r"emg|\d", " ", name, flags=re.IGNORECASE)
    return re.search("[a-z]{2}", rest, re.IGNORECASE) is not None and kind_of(rest) == "emg"


def _understood(name: str) -> _Reading | None:
    """The one way in which a name can be read; None where there is none."""
    words = [reading for reading in _readings(name) if not reading.glued]
    if words:
        told = words[0].word.lower() in {*_WORDS, *_WORDS.values()} or is_muscle(_WORD.sub(" ", name))
        return words[0] if told and len(words) == 1 else None
    glued = [reading for reading in _readings(name) if _is_whole(reading)]
    if len({reading.side for reading in glued}) > 1:
        return None
    return glued[0] if glued else _Reading("", name, name) if is_muscle(name) else None


def _readings(name: str) -> Iterator[_Reading]:
    """All ways to read a side out of a name: of a word of its own, and of letters L and R at either end of a word."""
    for found in _WORD.finditer(name):
        swapped = f"{name[: found.start()]}{_swapped(found[0])}{name[found.end() :]}"
        yield _Reading(_side(found[0]), swapped, found[0])
    for found in re.finditer("[A-Za-z]{2,}", _EMG.sub("   ", name)):
        for at in (found.start(), found.end() - 1):
            if name[at] in "lrLR":
                swapped = f"{name[:at]}{_swapped(name[at])}{name[at + 1 :]}"
                yield _Reading(_side(name[at]), swapped, found[0], glued="^" if at == found.start() else "$")


def _is_whole(reading: _Reading) -> bool:
    """Whether a word with a letter of a side is a muscle without it."""
    word = reading.word
    if not reading.glued or is_abbreviation(word):  # the L of VL is of the muscle
        return False
    if reading.glued == "^":
        return is_abbreviation(word[1:]) or word[1:].lower().startswith(_STEMS)
    camel = word[-1].isupper() and word[-2].islower() and is_muscle(word[:-1])
    return camel or is_abbreviation(word[:-1]) or word[:-1].lower() in _STEMS


def _side(word: str) -> str:
    return "left" if word.lower() in _LEFT else "right"


def _swapped(word: str) -> str:
    other = _OTHER[word.lower()]
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other
