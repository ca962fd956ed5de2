"""What a deep network looked at, in the form that its input asks for: evidence in an image, or channels by bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import nn

from bids_stroke.core.records import Member
from bids_stroke.ensemble.explanation.integrated_gradients import integrated_gradients
from bids_stroke.ensemble.grad_cam import coarse_evidence, on_grid
from bids_stroke.networks import registry

Kind = Literal["volume", "slice", "window"]
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Looked:
    """What was found, sample by sample.

    Attributes
    ----------
    values : (n, ...) float
        Evidence on the grid of the samples, not below 0; of windows attributions, (n, channels, bands).
    layer : tuple of int
        Places of the last feature map along each axis: the map is no finer. Empty of windows.
    error : float
        Of windows: by how much their attributions miss the logit's move at most.
    moved : float
        Of windows: mean move of the logit from that of a flat recording.
    """

    values: NDArray[np.floating[Any]]
    layer: tuple[int, ...] = ()
    error: float = 0.0
    moved: float = 0.0


def kind_of(member: Member) -> Kind | None:
    """What the samples of a member's network are, if it is one that can be explained; None of all others.

    Networks that are fitted in one go need none of this: their prediction is told number by number.
    """
    spec = registry.NETWORKS[member.network]
    if spec.network.shallow:
        return None
    if spec.kind == "window":
        return "window"
    if spec.kind not in ("volume", "slice"):
        return None
    explained = getattr(spec.network, "feature_layer", None) is not None
    return ("volume" if spec.kind == "volume" else "slice") if explained else None


def look(model: nn.Module, kind: Kind, data: Array, covariates: Array, inputs: Mapping[str, Any]) -> Looked:
    """Grad-CAM of volumes and slices, integrated gradients of windows.

    Parameters
    ----------
    model : Module
        The network; it is left as it is.
    kind : {"volume", "slice", "window"}
        From `kind_of`.
    data : (n, ...) float32
        Samples.
    covariates : (n, covariates) float32
        Standardised.
    inputs : mapping
        Options of the modality's reader.
    """
    if kind == "window":
        found = integrated_gradients(model, data, float(inputs["rate"]))
        return Looked(found.values, error=found.error, moved=float(found.moved.mean()))
    coarse = coarse_evidence(model, data, covariates)
    return Looked(on_grid(coarse, data.shape[2:]), layer=coarse.shape[1:])


def spread_evenly(number: int, most: int) -> NDArray[np.intp]:
    """Which of so many samples are looked at: all, or ``most`` of them spread evenly.

    >>> spread_evenly(10, 3).tolist()
    [0, 4, 9]
    """
    return np.unique(np.linspace(0, number - 1, min(number, most)).astype(np.intp))
