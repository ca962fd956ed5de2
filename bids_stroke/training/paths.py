"""Paths of models for direct networks: linear functions from strong to weak penalties, or more and more small trees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.class_weight import compute_sample_weight
from torch import Tensor

from bids_stroke.networks import N_OUTPUTS, POOR_LOGIT, SCORE
from bids_stroke.networks.direct import TREE_DEPTH, TREE_LEAVES, TREE_NODES, tree_values

Array = NDArray[np.float64]
State = Mapping[str, Tensor]

PENALTIES = tuple(float(value) for value in np.logspace(4, -1, 16))
"""Of the sum of squared weights beside the sum of losses over people: from hardly any effect to hardly any penalty."""
CURVATURE = 0.25
"""Of the logistic loss where both classes are as likely; the squared loss has 1: so both are held back alike."""
TREES_PER_STEP = 10
LEARNING_RATE = 0.05
SUBSAMPLE = 0.5
"""Share of the people from whom each tree is grown (Friedman 2002, "Stochastic gradient boosting")."""
LEAST_LEAF = 5
"""People in a leaf; a tenth of them all where there are fewer than fifty."""


@dataclass(frozen=True, eq=False)
class Target:
    """What is to be predicted, of the training rows."""

    poor: NDArray[np.bool_]
    score: Array
    """Standardised."""


@dataclass(frozen=True, eq=False)
class Path:
    """Models of one set of training rows.

    Attributes
    ----------
    outputs : callable
        Features and covariates (n, columns) -> (steps, n, 2).
    state : callable
        Step, counted from 1 -> the part of the network's state that was fitted.
    """

    outputs: Callable[[Array], Array]
    state: Callable[[int], dict[str, Tensor]]


def penalty_path(columns: Array, target: Target, blocks: tuple[int, ...]) -> Path:
    """Logistic regression with balanced classes and ridge regression, on columns that are standardised first.

    Parameters
    ----------
    columns : (n, columns) float64
        Features and covariates of the training rows.
    target : Target
        Their outcomes.
    blocks : tuple of int
        Sizes of groups of columns. The columns of a group keep their proportions (a parcel that is seldom hit stays
        small) and share the weight of one.

    Notes
    -----
    Hastie et al. 2009, "The elements of statistical learning", 3.4 and 4.4. One penalty for both outputs.
    """
    centre, spread = columns.mean(0), _spread(columns, blocks)
    standard = (columns - centre) / spread
    fits = [_fit_linear(standard, target, penalty) for penalty in PENALTIES]
    weight, bias = np.stack([item[0] for item in fits]), np.stack([item[1] for item in fits])

    def outputs(values: Array) -> Array:
        return np.asarray(((values - centre) / spread) @ weight.transpose(0, 2, 1) + bias[:, None, :])

    def state(step: int) -> dict[str, Tensor]:
        arrays = {"centre": centre, "spread": spread, "weight": weight[step - 1], "bias": bias[step - 1]}
        return {name: torch.from_numpy(values.copy()) for name, values in arrays.items()}

    return Path(outputs, state)


def _fit_linear(standard: Array, target: Target, penalty: float) -> tuple[Array, Array]:
    """Weights (2, columns) and biases (2,) at one penalty."""
    logistic = LogisticRegression(C=1 / (CURVATURE * penalty), class_weight="balanced", tol=1e-6, max_iter=10_000)
    logistic.fit(standard, target.poor)
    ridge = Ridge(alpha=penalty).fit(standard, target.score)
    weight, bias = np.zeros((N_OUTPUTS, standard.shape[1])), np.zeros(N_OUTPUTS)
    weight[POOR_LOGIT], bias[POOR_LOGIT] = logistic.coef_[0], logistic.intercept_[0]
    weight[SCORE], bias[SCORE] = ridge.coef_, ridge.intercept_
    return weight, bias


def _spread(columns: Array, blocks: tuple[int, ...]) -> Array:
    """What divides each column, (columns,)."""
    ends = np.cumsum(blocks)
    variance = columns.var(0)
    sums = [np.full(size, variance[end - size : end].sum()) for size, end in zip(blocks, ends, strict=True)]
    found = np.concatenate(sums)
    return np.asarray(np.where(found > 1e-12, np.sqrt(found), 1.0))


def tree_path(columns: Array, target: Target, n_trees: int, seed: int) -> Path:
    """Gradient boosting of trees of depth TREE_DEPTH, with balanced classes; a step is TREES_PER_STEP trees more.

    Parameters
    ----------
    columns, target
        As for `penalty_path`.
    n_trees : int
        The most.
    seed : int
        Of the people and columns that a tree may use.
    """
    leaf = min(LEAST_LEAF, max(1, len(columns) // 10))
    how: dict[str, Any] = {
        "n_estimators": n_trees, "learning_rate": LEARNING_RATE, "subsample": SUBSAMPLE, "max_depth": TREE_DEPTH,
        "max_features": "sqrt", "min_samples_leaf": leaf, "init": "zero", "random_state": seed % 2**32,
    }  # fmt: skip
    weights = compute_sample_weight("balanced", target.poor)
    classes = GradientBoostingClassifier(**how).fit(columns, target.poor, weights)
    scores = GradientBoostingRegressor(**how).fit(columns, target.score)
    arrays = [_tree_arrays(model.estimators_[:, 0]) for model in (classes, scores)]
    feature, threshold, value = (torch.stack(parts) for parts in zip(*arrays, strict=True))
    counts = [*range(TREES_PER_STEP, n_trees, TREES_PER_STEP), n_trees]

    def outputs(values: Array) -> Array:
        trees = [tree_values(torch.from_numpy(values), *one) for one in zip(feature, threshold, value, strict=True)]
        sums = torch.stack(trees, dim=2).cumsum(1)[:, [count - 1 for count in counts]]
        return np.asarray(sums.permute(1, 0, 2).numpy())

    def state(step: int) -> dict[str, Tensor]:
        count = counts[step - 1]
        return {"feature": feature[:, :count].contiguous(), "threshold": threshold[:, :count].contiguous(),
                "value": value[:, :count].contiguous()}  # fmt: skip

    return Path(outputs, state)


def _tree_arrays(trees: NDArray[Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Fitted trees as `tree_values` takes them; a leaf above the last level becomes nodes that lead to its value."""
    feature = np.zeros((len(trees), TREE_NODES), dtype=np.int16)
    threshold = np.full((len(trees), TREE_NODES), np.inf)
    value = np.zeros((len(trees), TREE_LEAVES))
    for i, fitted in enumerate(trees):
        tree = fitted.tree_
        nodes = np.zeros(TREE_NODES + TREE_LEAVES, dtype=int)
        for place in range(TREE_NODES):
            node = nodes[place]
            leaf = tree.children_left[node] < 0
            nodes[2 * place + 1] = node if leaf else tree.children_left[node]
            nodes[2 * place + 2] = node if leaf else tree.children_right[node]
            if not leaf:
                feature[i, place], threshold[i, place] = tree.feature[node], tree.threshold[node]
        value[i] = LEARNING_RATE * tree.value[nodes[TREE_NODES:], 0, 0]
    return torch.from_numpy(feature), torch.from_numpy(threshold), torch.from_numpy(value)
