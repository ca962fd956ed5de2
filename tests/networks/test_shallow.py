"""What follows the fixed numbers of a shallow network: linear functions and trees, by hand."""

from __future__ import annotations

import torch

from bids_stroke.networks.covariates_only import CovariatesOnly
from bids_stroke.networks.shallow import ShallowArguments, tree_values


def test_a_tree_goes_left_up_to_its_threshold_and_right_above_it() -> None:
    # the root asks column 0, its left child column 1, its right child column 0 again
    feature = torch.tensor([[0, 1, 0]], dtype=torch.int16)
    threshold = torch.tensor([[0.0, 5.0, 2.0]], dtype=torch.float64)
    value = torch.tensor([[1.0, 2.0, 3.0, 4.0]], dtype=torch.float64)
    columns = torch.tensor([[0.0, 5.0], [-1.0, 6.0], [2.0, 0.0], [2.5, 0.0]], dtype=torch.float64)
    assert tree_values(columns, feature, threshold, value)[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_trees_are_added_and_linear_functions_read_standardised_columns() -> None:
    trees = CovariatesOnly(ShallowArguments(n_covariates=1, n_trees=2))
    trees.value[0] = 1.5
    covariates = torch.tensor([[3.0], [-1.0]])
    assert trees(torch.zeros(2, 0), covariates).tolist() == [[3.0, 0.0], [3.0, 0.0]]
    linear = CovariatesOnly(ShallowArguments(n_covariates=1))
    linear.centre[0], linear.spread[0] = 1.0, 2.0
    linear.weight[:, 0], linear.bias[1] = torch.tensor([1.0, -1.0]), 0.5
    assert linear(torch.zeros(2, 0), covariates).tolist() == [[1.0, -0.5], [-1.0, 1.5]]


def test_every_feature_is_a_block_of_its_own_unless_a_network_says_otherwise() -> None:
    network = CovariatesOnly(ShallowArguments(n_covariates=3))
    assert network.n_features == 0
    assert network.blocks == ()
    assert network.head(torch.zeros(2, 0), torch.zeros(2, 3)).dtype == torch.float64
