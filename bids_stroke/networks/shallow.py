"""Shallow networks, fitted in one go: fixed features, then linear functions, a kernel or small trees for each output.

The features are computed by formulas that depend on no person, so nothing but what follows them is fitted: linear
functions by ridge regression, or sums of regression trees by gradient boosting (Friedman 2001, "Greedy function
approximation: a gradient boosting machine"); see training/shallow_paths.py. In float64.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bids_stroke.networks.base import N_OUTPUTS, Arguments, Network, require

MOST_TREES = 2000
MOST_WAVES = 5000
TREE_DEPTH = 2
TREE_NODES, TREE_LEAVES = 2**TREE_DEPTH - 1, 2**TREE_DEPTH


@dataclass(frozen=True)
class ShallowArguments(Arguments):
    """Arguments of a shallow network.

    Attributes
    ----------
    n_trees : int
        Trees of each output (in training: the most); 0 for functions without trees.
    n_waves : int
        Random waves that stand for a kernel, of which linear functions are made; 0 for linear functions of the columns.
    """

    takes_covariates = True
    n_trees: int = 0
    n_waves: int = 0

    def __post_init__(self) -> None:
        """Check the number of trees and of waves, then the rest."""
        require(
            0 <= self.n_waves <= MOST_WAVES and not (self.n_waves and self.n_trees),
            f"n_waves={self.n_waves} is outside 0 to {MOST_WAVES}, or n_trees is given too.",
            "Give 0 for linear functions, or about 500 and no n_trees.",
        )
        require(
            0 <= self.n_trees <= MOST_TREES,
            f"n_trees={self.n_trees} is outside 0 to {MOST_TREES}.",
            "Give 0 for linear functions, or about 200.",
        )
        super().__post_init__()


def tree_values(columns: Tensor, feature: Tensor, threshold: Tensor, value: Tensor) -> Tensor:
    """What each tree says of each case.

    Parameters
    ----------
    columns : Tensor, shape (n, columns), float64
        Compared in float32, as scikit-learn does.
    feature, threshold : Tensor, shape (trees, TREE_NODES)
        Of the nodes, level by level: up to the threshold to the left.
    value : Tensor, shape (trees, TREE_LEAVES)
        Of the leaves, left to right.

    Returns
    -------
    Tensor, shape (n, trees), float64
    """
    n, trees = len(columns), torch.arange(len(feature), device=columns.device)
    compared = columns.float().double()
    node = torch.zeros(n, len(trees), dtype=torch.long, device=columns.device)
    for _ in range(TREE_DEPTH):
        right = compared.gather(1, feature[trees, node].long()) > threshold[trees, node]
        node = 2 * node + 1 + right.long()
    return value[trees, node - TREE_NODES]


class ShallowNetwork(Network):
    """Base of the networks that are fitted in one go: a subclass computes `features`, what follows them is here.

    Parameters
    ----------
    arguments : Arguments
        What to build.
    n_features : int
        Columns that `features` gives.

    Notes
    -----
    Waves (`ShallowArguments.n_waves`) are random Fourier features of a Gaussian kernel (Rahimi and Recht 2007, "Random
    features for large-scale kernel machines"): a kernel machine that need not keep the numbers of the people that it
    was fitted on.
    """

    shallow = True
    centre: Tensor
    spread: Tensor
    weight: Tensor
    bias: Tensor
    waves: Tensor
    phase: Tensor
    feature: Tensor
    threshold: Tensor
    value: Tensor

    def __init__(self, arguments: Arguments, n_features: int) -> None:
        super().__init__(arguments)
        self.n_features = n_features
        self.n_trees: int = getattr(arguments, "n_trees", 0)
        self.n_waves: int = getattr(arguments, "n_waves", 0)
        n, double, n_trees = n_features + arguments.n_covariates, torch.float64, self.n_trees
        if n_trees:
            self.register_buffer("feature", torch.zeros(N_OUTPUTS, n_trees, TREE_NODES, dtype=torch.int16))
            self.register_buffer("threshold", torch.zeros(N_OUTPUTS, n_trees, TREE_NODES, dtype=double))
            self.register_buffer("value", torch.zeros(N_OUTPUTS, n_trees, TREE_LEAVES, dtype=double))
            return
        self.register_buffer("centre", torch.zeros(n, dtype=double))
        self.register_buffer("spread", torch.ones(n, dtype=double))
        if self.n_waves:
            self.register_buffer("waves", torch.zeros(n, self.n_waves, dtype=double))
            self.register_buffer("phase", torch.zeros(self.n_waves, dtype=double))
        self.register_buffer("weight", torch.zeros(N_OUTPUTS, self.n_waves or n, dtype=double))
        self.register_buffer("bias", torch.zeros(N_OUTPUTS, dtype=double))

    def prepare(self) -> None:
        """Fill what is fixed but large (an atlas): before the first fit, never when weights are loaded."""
        return

    @abstractmethod
    def features(self, image: Tensor) -> Tensor:
        """The fixed numbers of each image, (n, n_features) float64, not standardised."""

    def column_names(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """What each feature is, in words, for the explanation of a prediction.

        Parameters
        ----------
        inputs : mapping
            Options of the reader, as a bundle has them.
        """
        return tuple(f"number {i + 1}" for i in range(self.n_features))

    @property
    def blocks(self) -> tuple[int, ...]:
        """Sizes of groups of features that are measured alike: for linear functions, each counts as much as another."""
        return (1,) * self.n_features

    def head(self, features: Tensor, covariates: Tensor) -> Tensor:
        """Outputs (n, 2) float64 from features (n, n_features) and covariates (n, n_covariates)."""
        joined = torch.cat([features.double(), covariates.double()], dim=1)
        if self.n_trees:
            trees = zip(self.feature, self.threshold, self.value, strict=True)
            return torch.stack([tree_values(joined, *output).sum(1) for output in trees], dim=1)
        columns = (joined - self.centre) / self.spread
        if self.n_waves:
            columns = torch.cos(columns @ self.waves + self.phase)
        return columns @ self.weight.T + self.bias

    def compute(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Images as `features` takes them -> outputs (n, 2) float64."""
        return self.head(self.features(image), covariates)
