"""What a prediction rests on, for the page of a participant: by kind of data, and number by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bids_stroke.core.modalities import EARLY, MODALITIES, NOT_MEASURED
from bids_stroke.core.records import Contribution, Prediction
from bids_stroke.report import words

SHOWN_AS_0 = 0.05
MOST_NUMBERS = 20
"""Lines; of the others the sum is told."""


@dataclass(frozen=True)
class Push:
    """One line: what moves the prediction, and how far.

    Attributes
    ----------
    label : str
        Kind of data, or number.
    member : str
        Empty where a line sums up several.
    value : str
        How the number lies to the training's mean.
    moves : float
        Of the index; above 0 towards a poor outcome.
    share : float
        The same as a share of the largest on the page, -1 to 1.
    """

    label: str
    member: str
    value: str
    moves: float
    share: float


def by_modality(prediction: Prediction) -> list[Push]:
    """How much each kind of data moves the prediction, the largest first; they add up with `by_number` alike."""
    sums: dict[str, float] = {}
    for one in _of_members(prediction):
        label = kind_in_words(one.modality)
        sums[label] = sums.get(label, 0.0) + one.moves
    return _scaled([Push(label, "", "", moves, 0.0) for label, moves in sums.items()])


def by_number(prediction: Prediction) -> list[Push]:
    """Number by number, the largest first; what is left after MOST_NUMBERS in one line."""
    found = [Push(_label(one), one.member, _value(one), one.moves, 0.0) for one in _of_members(prediction)]
    found.sort(key=lambda line: -abs(line.moves))
    rest = found[MOST_NUMBERS:]
    if rest:
        label = f"{len(rest)} other numbers together"
        found = [*found[:MOST_NUMBERS], Push(label, "", "", sum(line.moves for line in rest), 0.0)]
    return _scaled(found, in_order=True)


def weights_by_modality(prediction: Prediction) -> list[tuple[str, float]]:
    """Weight of each kind of data, the largest first, where no contributions are known."""
    sums: dict[str, float] = {}
    members = [*prediction.members.values(), *([prediction.early_fusion] if prediction.early_fusion else [])]
    for one in members:
        label = kind_in_words(one.modality or EARLY)
        sums[label] = sums.get(label, 0.0) + one.weight
    return sorted(sums.items(), key=lambda item: -item[1])


def kind_in_words(name: str) -> str:
    """The kind of data that a modality, or a step, is: that of the step, or the words of what no step measures.

    >>> kind_in_words("md"), kind_in_words("dwi"), kind_in_words("clinical")
    ('Diffusion (DWI)', 'Diffusion (DWI)', 'Age, sex, time since stroke, first score')
    """
    known = {**MODALITIES, **NOT_MEASURED}
    text = words.step_in_words(known[name].step) if name in MODALITIES else words.modality_in_words(name)
    return words.step_in_words(name) if name not in known else text[0].upper() + text[1:]


def _of_members(prediction: Prediction) -> list[Contribution]:
    return [one for one in prediction.contributions if one.member]


def _label(one: Contribution) -> str:
    kind = words.modality_in_words(one.modality) if one.modality in MODALITIES else kind_in_words(one.modality)
    return f"{kind[0].upper()}{kind[1:]}: {one.name or 'the whole member'}"


def _value(one: Contribution) -> str:
    """How a number lies to the mean of the people that the model learned from."""
    if one.deviation is None:
        return "–"
    if abs(one.deviation) < SHOWN_AS_0:
        return "as the mean"
    return f"{words.number(abs(one.deviation), 1)} SD {'above' if one.deviation > 0 else 'below'}"


def _scaled(lines: Sequence[Push], *, in_order: bool = False) -> list[Push]:
    largest = max((abs(line.moves) for line in lines), default=0.0) or 1.0
    told = [Push(line.label, line.member, line.value, line.moves, line.moves / largest) for line in lines]
    return told if in_order else sorted(told, key=lambda line: -abs(line.moves))
