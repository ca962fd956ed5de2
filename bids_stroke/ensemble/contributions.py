"""What a prediction rests on: how much each number of each member moves its index.

Exact for linear members that read one sample, the early fusion among them; of other members (trees, kernels, networks
trained by epochs, and what a mean over windows adds) only the whole is told. All together they add up to the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.records import Contribution
from bids_stroke.fusion.fitted import Fusion, Scale, renormalise
from bids_stroke.networks.base import POOR_LOGIT, SCORE

Array = NDArray[np.float64]

THE_REST = "what single numbers do not tell"
"""Of a linear member: windows are averaged after they were judged, not before, and probabilities kept from 0 and 1."""
LEAST_REST = 1e-9


@dataclass(frozen=True, eq=False)
class Numbers:
    """What a linear member read of a unit, and its functions.

    Attributes
    ----------
    names : tuple of str
        Of the columns: features, then covariates.
    modalities : tuple of str
        What each column comes from.
    columns : (columns,) float64
        Means over the samples.
    centre, spread : (columns,) float64
        Of the training.
    weight : (2, columns) float64
    bias : (2,) float64
        Of the logit and of the score, which is standardised.
    score : (float, float)
        Mean and standard deviation that the score is standardised with.
    """

    names: tuple[str, ...]
    modalities: tuple[str, ...]
    columns: Array
    centre: Array
    spread: Array
    weight: Array
    bias: Array
    score: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Told:
    """What a member said of a unit, mean over its samples, and its numbers if it is linear."""

    name: str
    modality: str
    probability: float
    score: float
    numbers: Numbers | None = None


def contributions(fusion: Fusion, told: Sequence[Told]) -> tuple[Contribution, ...]:
    """Contributions of the members that applied; empty for a fusion without scales.

    Parameters
    ----------
    fusion : Fusion
        Of these members, and perhaps others.
    told : sequence of Told
        What they said.

    Returns
    -------
    tuple of Contribution
        First what the average person has, then number by number; their `moves` add up to ``fusion.index``.
    """
    if not fusion.scales:
        return ()
    known = {one.name: one for one in told}
    scales = dict(zip(fusion.weights, fusion.scales, strict=True))
    names = [name for name in fusion.weights if name in known]
    weights = renormalise(np.array([fusion.weights[name] for name in names]), np.ones(len(names), dtype=bool))
    average, rows = 0.0, []
    for name, weight in zip(names, weights.tolist(), strict=True):
        own, scale = known[name], scales[name]
        whole = weight * float(scale.degree(np.array([own.probability]), np.array([own.score]))[0])
        if own.numbers is None:
            rows.append(Contribution(name, own.modality, "", whole))
            continue
        base, parts = _of_numbers(own, scale, weight)
        average += base
        rows += parts
        rest = whole - base - sum(part.moves for part in parts)
        if abs(rest) > LEAST_REST:
            rows.append(Contribution(name, own.modality, THE_REST, rest))
    return (Contribution("", "", "", average), *rows)


def _of_numbers(own: Told, scale: Scale, weight: float) -> tuple[float, list[Contribution]]:
    """What the average person would have of a linear member, and how much each number differs from that."""
    numbers = own.numbers
    assert numbers is not None  # as the caller saw
    mean, deviation = numbers.score
    slope = numbers.weight[POOR_LOGIT] / scale.logit[1]
    base = (numbers.bias[POOR_LOGIT] - scale.logit[0]) / scale.logit[1]
    if scale.score is not None:
        slope = (slope + numbers.weight[SCORE] * deviation / scale.score[1]) / 2
        base = (base + (numbers.bias[SCORE] * deviation + mean - scale.score[0]) / scale.score[1]) / 2
    apart = (numbers.columns - numbers.centre) / numbers.spread
    each = zip(numbers.names, numbers.modalities, numbers.columns, apart, weight * slope * apart, strict=True)
    parts = [
        Contribution(own.name, modality, name, float(moves), float(value), float(deviation))
        for name, modality, value, deviation, moves in each
        if moves != 0.0
    ]
    return weight * float(base), parts
