"""Words in the labels of BIDS names, which know neither blanks nor hyphens: ``acq-ep2dDiffADC``."""

from __future__ import annotations

import re
from collections.abc import Collection

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_CAPITALS = re.compile("[A-Z]{2,}(?=[a-z])")
_BEFORE = r"(?:dti|dwi|dw|diff|diffusion|ax|axial|tra|sag|cor|head|brain|mean|avg|mr|t1|t1w)*"
_AFTER = r"(?:maps?|images?|img|w)?"


def has_word(label: str, words: Collection[str]) -> bool:
    """Whether a label has one of some words: as a part by capitals and digits, or with usual words around it.

    Parameters
    ----------
    label : str
        Of an entity.
    words : collection of str
        Small letters.

    Examples
    --------
    >>> [has_word(label, {"fa", "adc"}) for label in ("ep2dDiffADC", "dtifa", "FAmap", "b1000adc")]
    [True, True, True, True]
    >>> [has_word(label, {"fa", "adc"}) for label in ("FAST", "headcoil", "b1000", "norm")]
    [False, False, False, False]
    """
    known = re.compile(f"{_BEFORE}(?:{'|'.join(sorted(words))}){_AFTER}")
    parts = [part.lower() for part in _PARTS.findall(label)]
    parts += [part.lower() for part in _CAPITALS.findall(label)]  # ADCaxial, FAcolor
    return any(known.fullmatch(part) for part in (label.lower(), *parts, *re.findall("[a-z]+", label.lower())))
