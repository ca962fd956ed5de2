"""Paths of models for shallow networks: linear functions, or kernels, with ever weaker penalties, or more trees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from torch import Tensor

from bids_stroke.fusion.people import People
from bids_stroke.fusion.target import LOGITS_PER_DEVIATION, Target
from bids_stroke.networks.base import N_OUTPUTS, POOR_LOGIT, SCORE
from bids_stroke.networks.shallow import TREE_DEPTH, TREE_LEAVES, TREE_NODES, tree_values

Array = NDArray[np.float64]
State = Mapping[str, Tensor]

PENALTIES = tuple(float(value) for value in np.logspace(4, -1, 16))
"""Of the sum of squared weights beside the sum of losses over people: from hardly any effect to hardly any penalty."""
TREES_PER_STEP = 10
LEARNING_RATE = 0.05
SUBSAMPLE = 0.5
"""Share of the rows from which each tree is grown (Friedman 2002, "Stochastic gradient boosting")."""
LEAST_LEAF = 5
"""People in a leaf; a tenth of them all where there are fewer than fifty."""


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
    """Ridge regression of the score and of the latent degree behind the classes, on columns standardised first.

    Parameters
    ----------
    columns : (n, columns) float64
        Features and covariates of the training rows.
    target : Target
        Their outcomes, the score standardised.
    blocks : tuple of int
        Sizes of groups of columns. The columns of a group keep their proportions (a parcel that is seldom hit stays
        small) and share the weight of one.

    Notes
    -----
    Ridge regression (Hastie et al. 2009, "The elements of statistical learning", 3.4) of the score and of the latent
    degree behind the classes (`Target.latent`); every person counts once. The logit is that of the degree's lying
    beyond the share of the poor, by the deviation of people who are left out with all their rows (Allen 1974, "The
    relationship between variable selection and data augmentation and a method for prediction"); it is shifted so that
    both classes count the same, as for the other networks. One penalty for both outputs.
    """
    people = target.people
    centre, spread = _mean(columns, people), _spread(columns, blocks, people)
    root = np.sqrt(people.weight)  # rows times the root of their weight: sums over rows are sums over people
    left, size, right = np.linalg.svd(root[:, None] * (columns - centre) / spread, full_matrices=False)
    latent, threshold = root * target.latent, float(norm.ppf(1 - people.mean(target.poor.astype(float))))
    wanted = np.zeros((N_OUTPUTS, len(columns)))
    wanted[POOR_LOGIT], wanted[SCORE] = latent, root * target.score
    # scikit-learn's RidgeCV leaves rows out as cheaply, but keeps the weights of one penalty only.
    weight, bias = np.empty((len(PENALTIES), N_OUTPUTS, columns.shape[1])), np.zeros((len(PENALTIES), N_OUTPUTS))
    for i, penalty in enumerate(PENALTIES):
        weight[i] = (wanted @ left) * (size / (size**2 + penalty)) @ right
        kept = size**2 / (size**2 + penalty)
        residual = latent - left @ (kept * (left.T @ latent))
        left_out = _left_out(residual, np.column_stack([root / np.sqrt(people.n), left * np.sqrt(kept)]), people)
        deviation = float(np.sqrt((left_out**2).sum() / people.n))
        weight[i, POOR_LOGIT] *= LOGITS_PER_DEVIATION / deviation
        bias[i, POOR_LOGIT] = LOGITS_PER_DEVIATION * threshold * (1 - 1 / deviation)

    def outputs(values: Array) -> Array:
        return np.asarray(((values - centre) / spread) @ weight.transpose(0, 2, 1) + bias[:, None, :])

    def state(step: int) -> dict[str, Tensor]:
        arrays = {"centre": centre, "spread": spread, "weight": weight[step - 1], "bias": bias[step - 1]}
        return {name: torch.from_numpy(values.copy()) for name, values in arrays.items()}

    return Path(outputs, state)


def wave_path(columns: Array, target: Target, blocks: tuple[int, ...], n_waves: int) -> Path:
    """Ridge regression as in `penalty_path`, on random waves of the columns: a Gaussian kernel machine.

    Parameters
    ----------
    columns, target, blocks
        As for `penalty_path`.
    n_waves : int
        How many; the same in every fit, so that only their weights are learned.

    Notes
    -----
    Random Fourier features (Rahimi and Recht 2007). The kernel's width is that of scikit-learn's ``gamma="scale"``:
    one over the variance of all columns together.
    """
    centre, spread = _mean(columns, target.people), _spread(columns, blocks, target.people)
    rng = np.random.default_rng(0)
    waves = rng.standard_normal((columns.shape[1], n_waves)) * np.sqrt(2 / len(blocks))
    waves[np.ptp(columns, axis=0) == 0] = 0.0  # what was the same in everybody must not move a new person
    phase = rng.uniform(0, 2 * np.pi, n_waves)

    def wave(values: Array) -> Array:
        return np.asarray(np.cos(((values - centre) / spread) @ waves + phase))

    linear = penalty_path(wave(columns), target, (n_waves,))

    def state(step: int) -> dict[str, Tensor]:
        found = {name: value.numpy() for name, value in linear.state(step).items()}
        weight = found["weight"] / found["spread"]
        arrays = {"centre": centre, "spread": spread, "waves": waves, "phase": phase, "weight": weight}
        arrays["bias"] = found["bias"] - weight @ found["centre"]
        return {name: torch.from_numpy(values.copy()) for name, values in arrays.items()}

    return Path(lambda values: linear.outputs(wave(values)), state)


def _left_out(residual: Array, roots: Array, people: People) -> Array:
    """Residuals (n,) of people who are left out of a linear fit, whose hat matrix is ``roots @ roots.T``."""
    found = residual / (1 - (roots**2).sum(axis=1))
    counts = np.bincount(people.of_row)
    for person in np.flatnonzero(counts > 1):
        own = np.flatnonzero(people.of_row == person)
        found[own] = np.linalg.solve(np.eye(len(own)) - roots[own] @ roots[own].T, residual[own])
    return np.asarray(found)


def _mean(columns: Array, people: People) -> Array:
    return np.asarray(people.weight @ columns / people.n)


def _spread(columns: Array, blocks: tuple[int, ...], people: People) -> Array:
    """What divides each column, (columns,)."""
    ends = np.cumsum(blocks)
    variance = _mean((columns - _mean(columns, people)) ** 2, people)
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
    leaf = min(LEAST_LEAF, max(1, target.people.n // 10)) * len(columns) // target.people.n  # in rows
    how: dict[str, Any] = {
        "n_estimators": n_trees, "learning_rate": LEARNING_RATE, "subsample": SUBSAMPLE, "max_depth": TREE_DEPTH,
        "max_features": "sqrt", "min_samples_leaf": leaf, "init": "zero", "random_state": seed % 2**32,
    }  # fmt: skip
    own = target.people.weight
    share = target.people.mean(target.poor.astype(float))
    weights = own * np.where(target.poor, 0.5 / share, 0.5 / (1 - share))
    classes = GradientBoostingClassifier(**how).fit(columns, target.poor, weights)
    scores = GradientBoostingRegressor(**how).fit(columns, target.score, own)
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
