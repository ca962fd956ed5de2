"""Where in its image a network found what speaks for a poor outcome: Grad-CAM.

Source: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization" (2017).
"""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bids_stroke.networks.base import POOR_LOGIT, feature_layer
from bids_stroke.networks.device import reproducible

Array = NDArray[np.float32]


def grad_cam(model: nn.Module, samples: Array, covariates: Array) -> Array:
    """Evidence for a poor outcome on the grid of the input.

    The last feature maps are weighted by the mean gradient of the logit of a poor outcome, summed, and cut at 0. The
    result is as coarse as they are (3 x 4 x 3 places for the published network on the standard grid) and is
    interpolated linearly; its scale has no meaning beyond one network.

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
    from monai.visualize import GradCAM  # here, because its import takes seconds

    seen = deepcopy(model).eval()  # MONAI's hooks stay on the module and hold its last activations
    layer = feature_layer(seen)
    name = next(name for name, module in seen.named_modules() if module is layer)
    place = next(seen.parameters()).device
    columns = getattr(getattr(model, "arguments", None), "n_covariates", 0)
    image = torch.from_numpy(samples.astype(np.float32)).to(place)
    known = torch.from_numpy(covariates[:, :columns].astype(np.float32)).to(place)
    with reproducible(place, 0), torch.enable_grad():
        explained = GradCAM(seen, name, postprocessing=_as_it_is)
        found: Tensor = explained(image, class_idx=POOR_LOGIT, covariates=known)
    evidence: Array = found[:, 0].detach().cpu().numpy()
    return evidence


def _as_it_is(found: Tensor) -> Tensor:
    """MONAI would turn it over and stretch it, so that nothing could be told from little."""
    return found
