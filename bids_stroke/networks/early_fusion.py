"""Early fusion: the numbers of several shallow members together, in one linear function.

Late fusion weighs what members say that were fitted apart. Where a strong cause hides a weak one, as a destroyed tract
hides how well the cortex drives the muscle, a member on the weak one alone learns little from a small cohort; beside
the strong one it learns more.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bids_stroke.networks.base import require
from bids_stroke.networks.shallow import ShallowNetwork


@dataclass(frozen=True)
class EarlyFusionArguments:
    """Size of an `EarlyFusion`.

    Attributes
    ----------
    part_blocks : tuple of int
        `ShallowNetwork.blocks` of the parts, one after the other.
    n_covariates : int
        Columns of the covariates.

    Raises
    ------
    ModelError
        If a value is out of range.
    """

    part_blocks: tuple[int, ...] = (1, 1)
    n_covariates: int = 0

    def __post_init__(self) -> None:
        """Accept lists, as JSON gives them, and check the ranges."""
        object.__setattr__(self, "part_blocks", tuple(self.part_blocks))
        require(
            len(self.part_blocks) >= 1 and min(self.part_blocks) >= 1 and self.n_covariates >= 0,
            f"early_fusion: part_blocks={self.part_blocks} must be positive, n_covariates={self.n_covariates} not "
            "negative.",
            "Correct training.early_fusion.",
        )


class EarlyFusion(ShallowNetwork):
    """Numbers of all parts -> logit of a poor outcome and standardised score.

    Parameters
    ----------
    arguments : EarlyFusionArguments
        How many numbers.
    """

    def __init__(self, arguments: EarlyFusionArguments) -> None:
        super().__init__(sum(arguments.part_blocks), arguments.n_covariates)
        self.arguments = arguments

    @property
    def blocks(self) -> tuple[int, ...]:
        """Those of the parts."""
        return self.arguments.part_blocks

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Sizes of an image after the first axis."""
        return (self.n_features,)

    def features(self, image: Tensor) -> Tensor:
        """The numbers as they are, (n, n_features) float64."""
        return image.double()
