"""Whether the maps of a network can be believed, found out at the training on people of the cohort.

Source of the comparison with untrained networks: Adebayo et al., "Sanity checks for saliency maps" (2018): some methods
give much the same map whatever the network has learned; such a map shows what people look like, not why they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bids_stroke.core.records import Member
from bids_stroke.ensemble.explanation.looking import Kind, Looked, look
from bids_stroke.ensemble.explanation.verdict import Audit
from bids_stroke.ensemble.one_unit import run_network
from bids_stroke.networks import registry
from bids_stroke.networks.base import POOR_LOGIT
from bids_stroke.networks.device import reproducible

HIDDEN = 0.1
"""Share of an image that is hidden at once."""
SURE = 1.645
"""Standard errors: one-sided 95 %."""
ELSEWHERE = 4
"""Places that are hidden instead, of each person."""
UNTRAINED = 3
"""Networks with other weights, drawn anew, that one is compared with."""
MOST_PEOPLE = 8
MOST_POINTS = 20_000
"""Of a map, whose ranks are compared."""
BATCH = 4
"""Samples for the statistics of batch normalisation at once: two or more, and not all maps in memory together."""
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Audited:
    """A trained member with people of its training, for `audit`.

    Attributes
    ----------
    member : Member
        Complete.
    network : Module
        With its weights.
    people : sequence of (n, ...) float32
        Samples of a few people.
    covariates : (people, covariates) float32
        Standardised.
    said : (rows,) float
        Out of fold, of everybody; NaN where nothing was said.
    poor : (rows,) bool
        Their outcomes.
    shuffled : Module, optional
        Trained as the network, but on outcomes shuffled among the people.
    """

    member: Member
    network: nn.Module
    people: Sequence[Array]
    covariates: Array
    said: NDArray[np.float64]
    poor: NDArray[np.bool_]
    shuffled: nn.Module | None = None


def audit(one: Audited, kind: Kind, seed: int) -> Audit:
    """Look at a member's maps, and at those of networks of its kind with weights drawn anew or shuffled outcomes.

    Parameters
    ----------
    one : Audited
        What is looked at.
    kind : {"volume", "slice", "window"}
        From `looking.kind_of`.
    seed : int
        Of the untrained networks: the same gives the same bytes.
    """
    own = _maps(one.network, one, kind)
    empty = [not np.any(found.values) for found in own]
    others = [_maps(_untrained(one, seed + i), one, kind) for i in range(UNTRAINED)]
    by_chance = [_maps(one.shuffled, one, kind)] if one.shuffled is not None else []
    shown = [i for i, nothing in enumerate(empty) if not nothing] if kind != "window" else []
    faithful = [_faithful(one, kind, i, own[i], np.random.default_rng((seed, i))) for i in shown]
    outside = [_outside(found, data, kind) for found, data in zip(own, one.people, strict=True) if np.any(found.values)]
    auc, low = _auc(one.said, one.poor)
    return Audit(
        auc=auc,
        auc_low=low,
        alike=_mean_alike(own, others),
        outside=_rounded(np.mean(outside)) if outside and kind != "window" else None,
        faithful=_rounded(np.mean(faithful)) if faithful else None,
        empty=_rounded(np.mean(empty)),
        people=len(own),
        shuffled=_mean_alike(own, by_chance),
    )


def _rounded(value: Any) -> float:
    """Three decimals: what follows depends on the machine."""
    return round(float(value), 3)


def _maps(network: nn.Module, one: Audited, kind: Kind) -> list[Looked]:
    rows = [np.tile(row, (len(data), 1)) for row, data in zip(one.covariates, one.people, strict=True)]
    return [look(network, kind, data, known, one.member.inputs) for data, known in zip(one.people, rows, strict=True)]


def _untrained(one: Audited, seed: int) -> nn.Module:
    """A network of the same kind whose weights are drawn anew, its batch normalisation settled as after a training."""
    place = _place_of(one.network)
    columns = int(one.member.arguments.get("n_covariates", 0))
    data = np.concatenate(one.people)
    known = np.concatenate([np.tile(row, (len(d), 1)) for row, d in zip(one.covariates, one.people, strict=True)])
    with reproducible(place, seed), torch.no_grad():
        network = registry.build(one.member.network, **one.member.arguments).to(place).eval()
        norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
        for norm in norms if len(data) > 1 else ():
            norm.momentum = None  # mean over all batches
            norm.train()
        for part in np.array_split(np.arange(len(data)), -(-len(data) // BATCH)) if norms else ():
            image, columns_of = torch.from_numpy(data[part]), torch.from_numpy(known[part, :columns])
            network(image.to(place), columns_of.to(place))
    return network.eval()


def _mean_alike(own: Sequence[Looked], others: Sequence[Sequence[Looked]]) -> float | None:
    """Mean correlation of each person's map with those of other networks; None where there is none."""
    found = [r for maps in others for pair in zip(own, maps, strict=True) if (r := _alike(*pair)) is not None]
    return _rounded(np.mean(found)) if found else None


def _alike(first: Looked, second: Looked) -> float | None:
    """Spearman's correlation of two maps of a person, over all samples; None where one has a single value."""
    from scipy.stats import rankdata  # a prediction can do without

    values = [np.asarray(found.values, dtype=np.float64).ravel() for found in (first, second)]
    step = -(-len(values[0]) // MOST_POINTS)
    ranks = [rankdata(value[::step]) for value in values]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _outside(found: Looked, data: Array, kind: Kind) -> float:
    """Share of the evidence where there is no brain: by the standard one for maps, by what is empty in slices."""
    if kind == "window":
        return 0.0
    brain = np.any(data != 0, axis=1) if kind == "slice" else _brain_in(data.shape[2:])[None]
    return float(np.sum(found.values * ~brain, dtype=np.float64) / np.sum(found.values, dtype=np.float64))


def _faithful(one: Audited, kind: Kind, person: int, found: Looked, rng: np.random.Generator) -> float:
    """Share of places elsewhere that matter less than where the map is high, of one person.

    The places elsewhere are those of the map moved by a quarter to three quarters of each side, round the ends. What is
    hidden of a volume is the mean of the people instead, of a slice 0, which is its brain's mean.
    """
    data = one.people[person]
    instead = np.mean(np.concatenate(one.people), axis=0, keepdims=True) if kind == "volume" else np.zeros_like(data)
    filled = np.any(data != 0, axis=1) | np.any(instead != 0, axis=1)
    values = np.asarray(found.values, dtype=np.float64)
    axes = tuple(range(1, values.ndim))
    moved = [
        np.roll(values, [int(rng.integers(n // 4, max(n // 4 + 1, 3 * n // 4))) for n in values.shape[1:]], axes)
        for _ in range(ELSEWHERE)
    ]
    hidden = [np.where(_highest(one_map, filled)[:, None], instead, data) for one_map in (values, *moved)]
    rows = np.tile(one.covariates[person], (len(data), 1))
    logits = [
        float(run_network(one.network, each.astype(np.float32), rows, _place_of(one.network))[:, POOR_LOGIT].mean())
        for each in hidden
    ]
    return float(np.mean([(logits[0] < other) + 0.5 * (logits[0] == other) for other in logits[1:]]))


def _highest(values: NDArray[np.float64], filled: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The HIDDEN share of what is filled, where a map is highest."""
    inside = np.where(filled, values, -1.0)
    number = max(1, round(HIDDEN * int(filled.sum())))
    found = np.zeros(values.size, dtype=bool)
    found[np.argsort(-inside.ravel(), kind="stable")[:number]] = True
    return found.reshape(values.shape)


def _place_of(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def _brain_in(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The standard brain on the grid of a volume that was shrunk."""
    from bids_stroke.ensemble.explanation.regions import brain_on
    from bids_stroke.features.readers import GRID_AFFINE, GRID_SHAPE

    shrink = max(1, GRID_SHAPE[0] // shape[0])
    affine = GRID_AFFINE.copy()
    affine[:3, :3] *= shrink
    affine[:3, 3] += GRID_AFFINE[:3, :3] @ np.full(3, (shrink - 1) / 2)
    return brain_on(tuple(shape), affine.tobytes())


def _auc(said: NDArray[np.float64], poor: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """Area under the curve and its lower end (Hanley and McNeil, Radiology 1982); None where a class is missing."""
    from scipy.stats import rankdata

    known = np.isfinite(said)
    p, y = said[known], poor[known]
    n, m = int(y.sum()), int((~y).sum())
    if not n or not m:
        return None, None
    auc = float((rankdata(p)[y].sum() - n * (n + 1) / 2) / (n * m))
    first, second = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (auc * (1 - auc) + (n - 1) * (first - auc * auc) + (m - 1) * (second - auc * auc)) / (n * m)
    return _rounded(auc), _rounded(auc - SURE * sqrt(max(variance, 0.0)))
