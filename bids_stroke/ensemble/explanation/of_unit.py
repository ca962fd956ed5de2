"""Where the networks looked that predicted a unit: which of them are told of, and what is found in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.records import Member, MemberPrediction, Prediction
from bids_stroke.derivatives.names import is_named
from bids_stroke.ensemble.explanation.integrated_gradients import bands_of
from bids_stroke.ensemble.explanation.looking import Kind, Looked, kind_of, look, spread_evenly
from bids_stroke.ensemble.explanation.regions import Grid
from bids_stroke.ensemble.explanation.verdict import Audit
from bids_stroke.ensemble.grad_cam import on_grid
from bids_stroke.ensemble.one_unit import OneUnit
from bids_stroke.features.clinical_rules import values_of
from bids_stroke.features.readers import GRID_SHAPE

MATTERS = 0.05
"""Weight from which on a network is told of in any case."""
MOST_NETWORKS = 6
MOST_WINDOWS = 6
"""Of a recording; they are spread evenly over it. What each costs is told in docs/speed.md."""


@dataclass(frozen=True, eq=False)
class Explained:
    """What one network looked at in a unit.

    Attributes
    ----------
    member : Member
        Whose network it is.
    said : MemberPrediction
        What it predicted, with its weight.
    kind : {"volume", "slice", "window"}
        What its samples are.
    read : tuple of Path
        Files that it read.
    evidence : Grid or None
        In standard space, on the grid of the map or of the slices, as the network read them (they may be mirrored); 0
        where it read nothing. None of windows.
    layer : tuple of int
        Places of the last feature map along each axis of a sample.
    bands : tuple of str
        Of windows.
    attributions : (channels, bands) float64 or None
        Of windows: mean over those looked at.
    moved, error : float
        Of windows: what the attributions add up to, and by how much a window's miss that at most.
    samples : int
        Looked at.
    audit : Audit or None
        Of the member; None in a bundle without one.
    """

    member: Member
    said: MemberPrediction
    kind: Kind
    read: tuple[Path, ...]
    evidence: Grid | None = None
    layer: tuple[int, ...] = ()
    bands: tuple[str, ...] = ()
    attributions: NDArray[np.float64] | None = None
    moved: float = 0.0
    error: float = 0.0
    samples: int = 0
    audit: Audit | None = None


def explain(here: OneUnit, prediction: Prediction) -> tuple[Explained, ...]:
    """Look into the networks that matter for a prediction, those with the most weight first.

    Parameters
    ----------
    here : OneUnit
        The unit, as the networks read it.
    prediction : Prediction
        What they said.
    """
    found = []
    for name in chosen(here, prediction):
        entry = next(entry for entry in here.bundle.members if entry.member.name == name)
        member, kind = entry.member, kind_of(entry.member)
        assert kind is not None  # as `chosen` saw
        samples = here.samples(member)
        data = np.asarray(samples.data, dtype=np.float32)
        which = spread_evenly(len(data), MOST_WINDOWS if kind == "window" else len(data))
        row = entry.scaler.transform(values_of(here.unit.covariates, entry.scaler.names))
        known = np.tile(row, (len(which), 1))
        looked = look(here.network(member), kind, data[which], known, member.inputs)
        paths = tuple(here.unit.features[member.modality])
        common: dict[str, Any] = {"samples": len(which), "audit": here.bundle.audits.get(name)}
        if kind == "window":
            bands = bands_of(float(member.inputs["rate"]))
            mean = np.asarray(looked.values, dtype=np.float64).mean(axis=0)
            common |= {"bands": bands, "attributions": mean, "moved": looked.moved, "error": looked.error}
        else:
            common |= {"evidence": _placed(kind, looked, paths, samples.positions), "layer": looked.layer}
        found.append(Explained(member, prediction.members[name], kind, paths, **common))
    return tuple(found)


def chosen(here: OneUnit, prediction: Prediction) -> list[str]:
    """Deep members with MATTERS of the weight, and of each kind of sample the one with the most of it, if it has any.

    So there is something to see also where others carry the prediction; the page says how little it matters then.
    """
    kinds = {entry.member.name: kind_of(entry.member) for entry in here.bundle.members}
    said: Mapping[str, MemberPrediction] = prediction.members
    names = [name for name, one in said.items() if kinds.get(name) is not None and one.weight > 0]
    names.sort(key=lambda name: -said[name].weight)  # stable: equals in the order of the bundle
    first = {kinds[name]: name for name in reversed(names)}
    return [name for name in names if said[name].weight >= MATTERS or first[kinds[name]] == name][:MOST_NETWORKS]


def _placed(kind: Kind, looked: Looked, paths: tuple[Path, ...], positions: tuple[float, ...]) -> Grid:
    """Evidence on the grid of the map or of the BOLD maps, in which the samples were read."""
    if kind == "volume":
        image: Any = nib.load(paths[0])
        return Grid(_enlarged(looked.values[0]), np.asarray(image.affine, dtype=np.float64))
    image = nib.load(next(path for path in paths if is_named(path, "bold_map", stat="mean")))
    placed = np.zeros(image.shape[:3], dtype=np.float32)
    side = max(placed.shape[:2])
    before = [(side - n) // 2 for n in placed.shape[:2]]
    squares = on_grid(np.asarray(looked.values, dtype=np.float32), (side, side))
    x, y = (slice(start, start + n) for start, n in zip(before, placed.shape[:2], strict=True))
    placed[:, :, [int(z) for z in positions]] = squares[:, x, y].transpose(1, 2, 0)
    return Grid(placed, np.asarray(image.affine, dtype=np.float64))


def _enlarged(evidence: NDArray[Any]) -> NDArray[np.float32]:
    """Evidence of a volume that was averaged over cubes, on the standard grid; 0 in the rest that fills no cube."""
    shrink = max(1, GRID_SHAPE[0] // evidence.shape[0])
    covered = tuple(n * shrink for n in evidence.shape)
    found = np.zeros(GRID_SHAPE, dtype=np.float32)
    found[tuple(slice(0, n) for n in covered)] = on_grid(np.asarray(evidence, dtype=np.float32)[None], covered)[0]
    return found
