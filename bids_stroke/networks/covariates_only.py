"""No image at all: what age, sex, time since stroke and the first score tell."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bids_stroke.networks.base import require
from bids_stroke.networks.shallow import ShallowNetwork, require_trees


@dataclass(frozen=True)
class CovariatesArguments:
    """Size of a `CovariatesOnly`.

    Attributes
    ----------
    n_covariates : int
        Columns of the covariates.
    n_trees : int
        Trees of each output (in training: the most); 0 for linear functions.

    Raises
    ------
    ModelError
        If it is negative.
    """

    n_covariates: int = 0
    n_trees: int = 0

    def __post_init__(self) -> None:
        """Check the range."""
        require_trees("covariates", self.n_trees)
        require(
            self.n_covariates >= 0,
            f"covariates: n_covariates={self.n_covariates} is negative.",
            "Correct the member's arguments.",
        )


class CovariatesOnly(ShallowNetwork):
    """Covariates -> logit of a poor outcome and standardised score.

    Parameters
    ----------
    arguments : CovariatesArguments
        How many covariates.
    """

    def __init__(self, arguments: CovariatesArguments) -> None:
        super().__init__(0, arguments.n_covariates, arguments.n_trees)
        self.arguments = arguments

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Sizes of an image after the first axis."""
        return (0,)

    def features(self, image: Tensor) -> Tensor:
        """None: (n, 0)."""
        return image.double()
