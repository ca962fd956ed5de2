"""Where in its image a network found what speaks for a poor outcome: Grad-CAM.

Source: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization" (2017).
Not by MONAI's class of that name: to import it takes five seconds, more than all maps of a person.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bids_stroke.networks.base import POOR_LOGIT, feature_layers
from bids_stroke.networks.device import reproducible

Array = NDArray[np.float32]
CHUNK = 8
"""Samples that go through a network at once: what the gradient needs of each is kept."""
FEWEST_PLACES = 3
"""Along each axis: with fewer a feature map tells hardly more than that there is a head."""


def grad_cam(model: nn.Module, samples: Array, covariates: Array) -> Array:
    """Evidence for a poor outcome on the grid of the input.

    The last feature maps are weighted by the mean gradient of the logit of a poor outcome, summed, and cut at 0. The
    result is as coarse as they are (3 x 4 x 3 places for the published network on the standard grid) and is
    interpolated linearly; its scale has no meaning beyond one network. Where the last ones have fewer than
    FEWEST_PLACES along an axis, and the network names those before, the last that have as many are taken.

    Parameters
    ----------
    model : Module
        A volume or slice network, on any device; it is left as it is.
    samples : (n, channels, ...) float32
        Volumes or slices, as `features.readers` reads them.
    covariates : (n, covariates) float32
        Standardised, of the same cases; only the columns that the network takes are used.

    Returns
    -------
    (n, ...) float32
        Not below 0, on the grid of the samples, without channels.

    Raises
    ------
    ModelError
        The network has no feature map (LSTM, and shallow ones).
    """
    return on_grid(coarse_evidence(model, samples, covariates), samples.shape[2:])


def on_grid(evidence: Array, shape: tuple[int, ...]) -> Array:
    """Evidence (n, ...) interpolated linearly onto a grid that spans the same field of view: (n, *shape)."""
    mode = "trilinear" if len(shape) == 3 else "bilinear"
    finer = functional.interpolate(torch.from_numpy(evidence)[:, None], shape, mode=mode)
    return np.asarray(finer[:, 0].numpy(), dtype=np.float32)


def coarse_evidence(model: nn.Module, samples: Array, covariates: Array) -> Array:
    """The same as `grad_cam` on the grid of the last feature maps, before it is interpolated."""
    place = next(model.parameters()).device
    columns = getattr(getattr(model, "arguments", None), "n_covariates", 0)
    image = torch.from_numpy(samples.astype(np.float32))
    known = torch.from_numpy(covariates[:, :columns].astype(np.float32))
    training = model.training
    maps: list[Tensor] = []
    hooks = [one.register_forward_hook(lambda _m, _i, output: maps.append(output)) for one in feature_layers(model)]
    found = []
    try:
        model.eval()
        with reproducible(place, 0), torch.enable_grad():
            for start in range(0, len(image), CHUNK):
                maps.clear()
                part = slice(start, start + CHUNK)
                logits = model(image[part].to(place).requires_grad_(), known[part].to(place))[:, POOR_LOGIT]
                fine = [one for one in maps if min(one.shape[2:]) >= FEWEST_PLACES]
                chosen = (fine or maps)[-1]
                (gradient,) = torch.autograd.grad(logits.sum(), chosen)
                weights = gradient.mean(dim=tuple(range(2, gradient.ndim)), keepdim=True)
                found.append(functional.relu((weights * chosen).sum(dim=1)).detach().cpu())
    finally:
        for hook in hooks:
            hook.remove()
        model.train(training)
    return np.asarray(torch.cat(found).numpy(), dtype=np.float32)
