"""Networks that are fitted directly: fixed features, standardised, and one linear function for each output.

The features are computed by formulas that depend on no person, so nothing but the linear functions is fitted: by
logistic regression (column 0) and ridge regression (column 1), see training/direct.py. All in float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from bids_stroke.networks.contract import N_OUTPUTS, check_inputs


class DirectNetwork(nn.Module, ABC):
    """Image and covariates -> logit of a poor outcome and standardised score.

    Parameters
    ----------
    n_features : int
        Columns that `features` gives.
    n_covariates : int
        Columns of covariates.
    """

    centre: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, n_features: int, n_covariates: int) -> None:
        super().__init__()
        self.n_features, self.n_covariates = n_features, n_covariates
        n = n_features + n_covariates
        self.register_buffer("centre", torch.zeros(n, dtype=torch.float64))
        self.register_buffer("spread", torch.ones(n, dtype=torch.float64))
        self.register_buffer("weight", torch.zeros(N_OUTPUTS, n, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros(N_OUTPUTS, dtype=torch.float64))

    def prepare(self) -> None:
        """Fill what is fixed but large (an atlas): before the first fit, never when weights are loaded."""
        return

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int | None, ...]:
        """Sizes of an image after the first axis; None accepts any."""

    @abstractmethod
    def features(self, image: Tensor) -> Tensor:
        """The numbers that the outputs are linear in, (n, n_features) float64, not standardised."""

    @property
    def blocks(self) -> tuple[int, ...]:
        """Sizes of groups of features that are measured alike; each group counts as much as another one."""
        return (1,) * self.n_features

    def head(self, features: Tensor, covariates: Tensor) -> Tensor:
        """Outputs (n, 2) float64 from features (n, n_features) and covariates (n, n_covariates)."""
        joined = torch.cat([features.double(), covariates.double()], dim=1)
        return ((joined - self.centre) / self.spread) @ self.weight.T + self.bias

    def forward(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Predict.

        Parameters
        ----------
        image : Tensor
            As `features` takes it.
        covariates : Tensor, shape (n, n_covariates)
            Standardised, with their missing indicators.

        Returns
        -------
        Tensor, shape (n, 2), float64
            Logit of a poor outcome, standardised score.

        Raises
        ------
        ModelError
            If a shape differs from what the network was built for.
        """
        check_inputs(image, self.input_shape, covariates, self.n_covariates)
        return self.head(self.features(image), covariates)
