"""What every network promises: inputs, the two output columns, and the checks that keep both."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from bids_stroke.core.errors import ModelError

POOR_LOGIT, SCORE = 0, 1
N_OUTPUTS = 2


def check_inputs(image: Tensor, shape: Sequence[int | None], covariates: Tensor, n_covariates: int) -> None:
    """Refuse inputs that the network was not built for, before a layer deep inside fails obscurely.

    Parameters
    ----------
    image : Tensor
        Batch whose first axis is the case.
    shape : sequence of int or None
        Expected sizes after the first axis; None accepts any size.
    covariates : Tensor, shape (n, n_covariates)
        Standardised covariates with their missing indicators; ``(n, 0)`` for networks without covariates.
    n_covariates : int
        Columns that the network was built for.

    Raises
    ------
    ModelError
        If either shape differs.
    """
    sizes = tuple(image.shape[1:])
    fits = len(sizes) == len(shape) and all(want in (None, got) for want, got in zip(shape, sizes, strict=True))
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ModelError(
            f"The network expects input of shape (n, {wanted}), got {tuple(image.shape)}.",
            remedy="Make the features with the settings that the model was trained with.",
        )
    if tuple(covariates.shape) != (image.shape[0], n_covariates):
        raise ModelError(
            f"The network expects covariates of shape ({image.shape[0]}, {n_covariates}), "
            f"got {tuple(covariates.shape)}.",
            remedy="Pass one row per case with the columns that the model was trained with.",
        )


def require(condition: bool, message: str, remedy: str) -> None:
    """Raise ModelError unless a network's arguments make sense.

    Raises
    ------
    ModelError
        If `condition` is false.
    """
    if not condition:
        raise ModelError(message, remedy=remedy)


def dense_head(n_features: int, dense: Sequence[int], dropout: float) -> nn.Sequential:
    """Dense layers (dense, ReLU, dropout, batch normalisation) that end in the two outputs.

    Parameters
    ----------
    n_features : int
        Columns of the input.
    dense : sequence of int
        Width of each hidden layer; empty gives dropout and one linear layer.
    dropout : float
        Probability of dropping a unit, 0 to 1.
    """
    if not dense:
        return nn.Sequential(nn.Dropout(dropout), nn.Linear(n_features, N_OUTPUTS))
    layers: list[nn.Module] = [nn.BatchNorm1d(n_features)]
    for width_in, width_out in pairwise((n_features, *dense)):
        layers += [nn.Linear(width_in, width_out), nn.ReLU(), nn.Dropout(dropout), nn.BatchNorm1d(width_out)]
    return nn.Sequential(*layers, nn.Linear(dense[-1], N_OUTPUTS))
