"""Fitting a shallow network: a path of models, from which the inner folds choose.

What the epochs are to other networks, the steps of the path are to these: step i has penalty i, or i times as many
trees (see shallow_paths.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from bids_stroke.features.covariates import CovariateScaler
from bids_stroke.fusion.people import People
from bids_stroke.fusion.target import Target
from bids_stroke.networks import registry
from bids_stroke.networks.base import POOR_LOGIT, SCORE
from bids_stroke.networks.shallow import ShallowNetwork
from bids_stroke.training.cohort import Cases, shallow_network
from bids_stroke.training.loss_curve import Curve
from bids_stroke.training.shallow_paths import PENALTIES, TREES_PER_STEP, Path, penalty_path, tree_path, wave_path
from bids_stroke.training.trainer import Fitted

Rows = NDArray[np.int64]
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedPath:
    """A path with what its inputs and outputs need, all from its training rows."""

    path: Path
    scaler: CovariateScaler
    score_mean: float
    score_sd: float
    class_weights: tuple[float, float]
    """Of good and poor."""

    def loss(self, target: Target, said: tuple[Array, Array], share: float) -> Array:
        """Mean loss over people of predictions (steps, n) at each step; `share` is that of the score beside it."""
        poor, weight = target.poor, target.people.weight / target.people.n
        probability = np.clip(said[0], 1e-6, 1 - 1e-6)
        good_weight, poor_weight = self.class_weights
        classes = np.where(poor, -poor_weight * np.log(probability), -good_weight * np.log1p(-probability)) @ weight
        squares = ((said[1] - target.score) / self.score_sd) ** 2 @ weight
        return np.asarray((classes + share * squares / 2) / (1 + share))


def fit_path(cases: Cases, rows: Rows, seed: int) -> FittedPath:
    """All steps, fitted on the rows that have the modality."""
    train = cases.having(rows)
    scaler = CovariateScaler.fit(cases.names, cases.covariates[train])
    features = np.stack([cases.of(row).numpy().mean(0) for row in train])
    columns = np.concatenate([features, _covariates(cases, train, scaler)], axis=1)
    poor, score = cases.cohort.poor[train], cases.cohort.score[train]
    people = people_of(cases, train)
    score_mean = people.mean(score)
    score_sd = float(np.sqrt(people.mean((score - score_mean) ** 2))) or 1.0
    target = Target(poor, (score - score_mean) / score_sd, people)
    network = shallow_network(cases.member)
    if network.n_trees:
        path = tree_path(columns, target, network.n_trees, seed)
    else:
        blocks = (*network.blocks, *((1,) * cases.n_covariates))
        waves = network.n_waves
        path = wave_path(columns, target, blocks, waves) if waves else penalty_path(columns, target, blocks)
    share = people.mean(poor.astype(float))
    return FittedPath(path, scaler, score_mean, score_sd, (0.5 / (1 - share), 0.5 / share))


def shallow_curve(cases: Cases, train: Rows, valid: Rows, seed: int) -> Curve:
    """Losses and predictions of the validation rows at each step of a path fitted on the training rows."""
    fitted = fit_path(cases, train, seed)
    said = _predict(fitted.path.outputs, fitted, cases, valid)
    share = cases.options.score_weight
    target = Target(cases.cohort.poor[valid], cases.cohort.score[valid], people_of(cases, valid))
    return Curve(fitted.loss(target, said, share), *said)


def people_of(cases: Cases, rows: Rows) -> People:
    """Whose rows they are."""
    return People.of(cases.cohort.participants[row] for row in rows)


def fit_shallow(cases: Cases, rows: Rows, step: int, seed: int) -> Fitted:
    """The model at a step of the path (counted from 1), fitted on the rows."""
    fitted, network = fit_path(cases, rows, seed), shallow_network(cases.member)
    network.prepare()
    state = network.state_dict() | fitted.path.state(step)
    arguments = dict(cases.member.arguments)
    if network.n_trees:
        arguments["n_trees"] = state["value"].shape[1]
    return Fitted(cases.member.network, arguments, state, fitted.scaler, fitted.score_mean, fitted.score_sd)


def predict_shallow(fitted: Fitted, cases: Cases, rows: Rows) -> tuple[Array, Array]:
    """Mean probability and score of each row; NaN for rows without the modality."""
    probability, score = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    there = np.array([cases.samples[row] is not None for row in rows], dtype=bool)
    if there.any():
        network = registry.build(fitted.network, **fitted.arguments)
        assert isinstance(network, ShallowNetwork)  # as it was fitted
        network.load_state_dict(dict(fitted.state))

        def outputs(columns: Array) -> Array:
            features, covariates = np.split(columns, [network.n_features], axis=1)
            return np.asarray(network.head(torch.from_numpy(features), torch.from_numpy(covariates)).numpy()[None])

        said = _predict(outputs, fitted, cases, rows[there])
        probability[there], score[there] = said[0][0], said[1][0]
    return probability, score


def step_in_words(cases: Cases, step: int) -> str:
    """What a step of the path is."""
    most = shallow_network(cases.member).n_trees
    return f"{min(step * TREES_PER_STEP, most)} trees" if most else f"penalty {PENALTIES[step - 1]:.3g}"


def _covariates(cases: Cases, rows: Rows, scaler: CovariateScaler) -> Array:
    return scaler.transform(cases.covariates[rows])[:, : cases.n_covariates].astype(np.float64)


def _predict(
    outputs: Callable[[Array], Array], fitted: FittedPath | Fitted, cases: Cases, rows: Rows
) -> tuple[Array, Array]:
    """Probabilities and scores (steps, rows): each window is predicted, then averaged, as inference does it."""
    samples = [cases.of(row).numpy() for row in rows]
    counts = [len(item) for item in samples]
    covariates = np.repeat(_covariates(cases, rows, fitted.scaler), counts, axis=0)
    said = outputs(np.concatenate([np.concatenate(samples), covariates], axis=1))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    probability, score = (
        np.add.reduceat(values, starts, axis=1) / counts for values in (expit(said[..., POOR_LOGIT]), said[..., SCORE])
    )
    return probability, score * fitted.score_sd + fitted.score_mean
