"""A network without an image: what age, sex, time since stroke and the first score tell."""

from __future__ import annotations

from torch import Tensor

from bids_stroke.networks.shallow import ShallowArguments, ShallowNetwork


class CovariatesOnly(ShallowNetwork):
    """Linear functions, or small trees, of the covariates.

    Input: images without a number, (n, 0).

    >>> from torch import zeros
    >>> CovariatesOnly(ShallowArguments(n_covariates=4))(zeros(2, 0), zeros(2, 4)).shape
    torch.Size([2, 2])
    """

    arguments_class = ShallowArguments

    def __init__(self, arguments: ShallowArguments) -> None:
        super().__init__(arguments, 0)
        self.input_shape = (0,)

    def features(self, image: Tensor) -> Tensor:
        """No numbers: (n, 0), as the image."""
        return image.double()
