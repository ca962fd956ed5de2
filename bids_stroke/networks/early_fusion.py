"""Early fusion: the numbers of several shallow members together, in one linear function.

Late fusion weighs what members say that were fitted apart. Where a strong cause hides a weak one, as a destroyed tract
hides how well the cortex drives the muscle, a member on the weak one alone learns little from a small cohort; beside
the strong one it learns more.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from bids_stroke.networks.base import Arguments, require
from bids_stroke.networks.shallow import ShallowNetwork


@dataclass(frozen=True)
class EarlyFusionArguments(Arguments):
    """Size of an `EarlyFusion`.

    Attributes
    ----------
    part_blocks : tuple of int
        `ShallowNetwork.blocks` of the parts, one after the other.
    """

    takes_covariates = True
    part_blocks: tuple[int, ...] = (1, 1)

    def check(self) -> None:
        """Check the ranges."""
        require(
            len(self.part_blocks) >= 1 and min(self.part_blocks) >= 1,
            f"part_blocks={self.part_blocks} must be positive.",
            "Correct training.early_fusion.",
        )


class EarlyFusion(ShallowNetwork):
    """One linear function of the numbers of all parts.

    Input: numbers (n, sum of part_blocks), float64, as `ShallowNetwork.features` of the parts gave them.

    >>> from torch import zeros
    >>> EarlyFusion(EarlyFusionArguments(part_blocks=(3, 2)))(zeros(4, 5), zeros(4, 0)).shape
    torch.Size([4, 2])
    """

    arguments_class = EarlyFusionArguments
    arguments: EarlyFusionArguments

    def __init__(self, arguments: EarlyFusionArguments) -> None:
        super().__init__(arguments, sum(arguments.part_blocks))
        self.input_shape = (self.n_features,)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Those of the parts."""
        return self.arguments.part_blocks

    def features(self, image: Tensor) -> Tensor:
        """The numbers as they are, (n, n_features) float64."""
        return image.double()
