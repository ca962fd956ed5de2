"""What every network is: its arguments, its input, its two outputs, and the checks that keep them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from torch import Tensor, nn

from bids_stroke.core.errors import ModelError
from bids_stroke.networks.device import threads_for
from bids_stroke.networks.layers.sparing import recomputed

POOR_LOGIT, SCORE = 0, 1
"""Columns of the output."""
N_OUTPUTS = 2


@dataclass(frozen=True)
class Arguments:
    """What a network is built from, as a bundle records it: numbers, texts, and tuples of them.

    A subclass adds fields, each with a default, and checks them in `check`. The registry puts the name of the network
    before a message.

    Attributes
    ----------
    takes_covariates : bool
        Whether ``n_covariates`` may be above 0: the same for all networks of a class, no field.
    n_covariates : int
        Columns of the covariates, missing indicators included.

    Raises
    ------
    ModelError
        If a value is out of range.
    """

    takes_covariates: ClassVar[bool] = False
    n_covariates: int = 0

    def __post_init__(self) -> None:
        """Check what is common to all networks, then the rest."""
        require(self.n_covariates >= 0, f"n_covariates={self.n_covariates} is negative.")
        require(
            self.n_covariates == 0 or self.takes_covariates,
            f"n_covariates={self.n_covariates}, but this network reads no covariates.",
            "Give n_covariates=0.",
        )
        self.check()

    def check(self) -> None:
        """Raise ModelError where a value of a subclass's own is out of range."""


class Network(nn.Module, ABC):
    """Base of all networks: image and covariates -> logit of a poor outcome and standardised score.

    A subclass names its `arguments_class`, builds its layers and sets `input_shape` in ``__init__``, and computes its
    outputs in `compute`. With a property ``feature_layer``, the module whose output is the last feature map, it can be
    explained by Grad-CAM; with ``feature_layers``, all of them in order, also where the last one is a single place.

    Parameters
    ----------
    arguments : Arguments
        What to build.

    Attributes
    ----------
    arguments_class : type
        Class of its arguments.
    has_score : bool
        Whether column 1 of the output is a score; else it is NaN.
    shallow : bool
        Whether it is fitted in one go (a `ShallowNetwork`), not by epochs.
    one_thread : bool
        Whether its steps are so short that several threads only wait for each other.
    sparing : bool
        Set on an object: keep less memory for the gradient and compute more often, to the same result.
    input_shape : tuple of int or None
        Sizes of an image after the first axis; None accepts any size.
    """

    arguments_class: ClassVar[type[Arguments]]
    has_score: ClassVar[bool] = True
    shallow: ClassVar[bool] = False
    one_thread: ClassVar[bool] = False
    sparing: bool = False
    arguments: Arguments
    input_shape: tuple[int | None, ...]

    def __init__(self, arguments: Arguments) -> None:
        super().__init__()
        self.arguments = arguments

    @classmethod
    def from_input(cls, modality: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments that the network's input decides, such as its number of channels; here none.

        Parameters
        ----------
        modality : str
            What the network reads.
        inputs : mapping
            Options of the modality's reader, complete (`features.readers.complete_inputs`).
        """
        return {}

    @property
    def stages(self) -> Iterable[nn.Module]:
        """Modules whose insides are computed once more for the gradient, not kept, where `sparing`; by default none."""
        return ()

    @abstractmethod
    def compute(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Outputs (n, 2) of inputs whose shapes were checked."""

    def forward(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Predict.

        Parameters
        ----------
        image : Tensor, shape (n, *input_shape)
            One sample a row, as the reader of the modality gives it.
        covariates : Tensor, shape (n, n_covariates)
            Standardised, with their missing indicators; ``(n, 0)`` for networks without covariates.

        Returns
        -------
        Tensor, shape (n, 2)
            Logit of a poor outcome, standardised score (NaN where `has_score` is false).

        Raises
        ------
        ModelError
            If a shape differs from what the network was built for.
        """
        check_inputs(image, self.input_shape, covariates, self.arguments.n_covariates)
        with threads_for(self), recomputed(self.stages if self.sparing else ()):
            return self.compute(image, covariates)


def feature_layer(model: nn.Module) -> nn.Module:
    """Return the module whose output is the last feature map, for Grad-CAM.

    Raises
    ------
    ModelError
        If the network has no feature map (`lstm`).
    """
    layer = getattr(model, "feature_layer", None)
    if not isinstance(layer, nn.Module):
        raise ModelError(
            f"{type(model).__name__} has no feature map to explain.", remedy="Use a volume or slice network."
        )
    return layer


def feature_layers(model: nn.Module) -> tuple[nn.Module, ...]:
    """Return the modules whose outputs are feature maps, first to last; ModelError as from `feature_layer`."""
    last = feature_layer(model)
    found: tuple[nn.Module, ...] = getattr(model, "feature_layers", (last,))
    return found


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


def require(condition: bool, message: str, remedy: str = "Correct the member's arguments.") -> None:
    """Raise ModelError unless a network's arguments make sense.

    Raises
    ------
    ModelError
        If `condition` is false.
    """
    if not condition:
        raise ModelError(message, remedy=remedy)


def require_dropout(dropout: float) -> None:
    """Raise ModelError unless the probability of dropping a unit is one."""
    require(0 <= dropout < 1, f"dropout={dropout} is outside 0 to 1.", "Give a probability such as 0.3.")


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
