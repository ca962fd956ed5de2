"""Fitting a direct network: a path of models from strong to weak penalties, from which the inner folds choose.

What the epochs are to other networks, the steps of the path are to these: step i has penalty i. The probability is a
logistic regression with balanced classes, the score a ridge regression, both with the same penalty against features
that were standardised on the training rows (Hastie et al. 2009, "The elements of statistical learning", 3.4, 4.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge

from bids_stroke import networks
from bids_stroke.covariates import CovariateScaler
from bids_stroke.networks import POOR_LOGIT, SCORE
from bids_stroke.networks.direct import DirectNetwork
from bids_stroke.training.cases import Cases
from bids_stroke.training.curve import Curve
from bids_stroke.training.fit import Fitted

Rows = NDArray[np.int64]
Array = NDArray[np.float64]

PENALTIES = tuple(float(value) for value in np.logspace(4, -1, 16))
"""Of the sum of squared weights beside the sum of losses over people: from hardly any effect to hardly any penalty."""
CURVATURE = 0.25
"""Of the logistic loss where both classes are as likely; the squared loss has 1: so both are held back alike."""


@dataclass(frozen=True, eq=False)
class Path:
    """Models of one set of training rows, strong penalty first.

    Attributes
    ----------
    centre, spread : (columns,) float64
        Of features and covariates.
    weight : (steps, 2, columns) float64
        For standardised columns.
    bias : (steps, 2) float64
    """

    centre: Array
    spread: Array
    weight: Array
    bias: Array
    scaler: CovariateScaler
    score_mean: float
    score_sd: float
    class_weights: tuple[float, float]
    """Of good and poor."""

    def outputs(self, columns: Array) -> Array:
        """(steps, n, 2) of features and covariates (n, columns)."""
        standard = (columns - self.centre) / self.spread
        return standard @ self.weight.transpose(0, 2, 1) + self.bias[:, None, :]

    def loss(self, poor: NDArray[np.bool_], score: Array, said: tuple[Array, Array], share: float) -> Array:
        """Mean loss of unit-level predictions (steps, n) at each step, as that of networks fitted by epochs."""
        probability = np.clip(said[0], 1e-6, 1 - 1e-6)
        good_weight, poor_weight = self.class_weights
        classes = np.where(poor, -poor_weight * np.log(probability), -good_weight * np.log1p(-probability)).mean(1)
        squares = ((said[1] - score) / self.score_sd) ** 2
        return np.asarray((classes + share * squares.mean(1) / 2) / (1 + share))


def fit_path(cases: Cases, rows: Rows) -> Path:
    """All steps, fitted on the rows that have the modality."""
    train = cases.having(rows)
    scaler = CovariateScaler.fit(cases.names, cases.covariates[train])
    columns = _unit_columns(cases, train, scaler)
    poor, score = cases.cohort.poor[train], cases.cohort.score[train]
    score_mean, score_sd = float(score.mean()), float(score.std()) or 1.0
    centre, spread = columns.mean(0), _spread(columns, _blocks(cases))
    standard = (columns - centre) / spread
    share = float(poor.mean())
    weights = (0.5 / (1 - share), 0.5 / share)
    fits = [_fit_step(standard, poor, (score - score_mean) / score_sd, penalty) for penalty in PENALTIES]
    weight, bias = np.stack([item[0] for item in fits]), np.stack([item[1] for item in fits])
    return Path(centre, spread, weight, bias, scaler, score_mean, score_sd, weights)


def _fit_step(standard: Array, poor: NDArray[np.bool_], score: Array, penalty: float) -> tuple[Array, Array]:
    """Weights (2, columns) and biases (2,) at one penalty."""
    logistic = LogisticRegression(C=1 / (CURVATURE * penalty), class_weight="balanced", tol=1e-6, max_iter=10_000)
    logistic.fit(standard, poor)
    ridge = Ridge(alpha=penalty).fit(standard, score)
    weight, bias = np.zeros((networks.N_OUTPUTS, standard.shape[1])), np.zeros(networks.N_OUTPUTS)
    weight[POOR_LOGIT], bias[POOR_LOGIT] = logistic.coef_[0], logistic.intercept_[0]
    weight[SCORE], bias[SCORE] = ridge.coef_, ridge.intercept_
    return weight, bias


def _spread(columns: Array, blocks: tuple[int, ...]) -> Array:
    """What divides each column, (columns,).

    Columns of a block keep their proportions (a parcel that is seldom hit stays small) and share the weight of one.
    """
    variance = columns.var(0)
    found = np.concatenate([np.full(size, part.sum()) for size, part in _parts(variance, blocks)])
    return np.asarray(np.where(found > 1e-12, np.sqrt(found), 1.0))


def _parts(values: Array, blocks: tuple[int, ...]) -> list[tuple[int, Array]]:
    ends = np.cumsum(blocks)
    return [(size, values[end - size : end]) for size, end in zip(blocks, ends, strict=True)]


def _blocks(cases: Cases) -> tuple[int, ...]:
    """Of features and covariates; each covariate is a block of its own."""
    return (*_network(cases).blocks, *((1,) * cases.n_covariates))


def _network(cases: Cases) -> DirectNetwork:
    network = networks.build(cases.member.network, **cases.member.arguments)
    assert isinstance(network, DirectNetwork)  # the registry says so
    return network


def _unit_columns(cases: Cases, rows: Rows, scaler: CovariateScaler) -> Array:
    """Features (mean over windows) and covariates of each row, (n, columns)."""
    features = np.stack([cases.of(row).numpy().mean(0) for row in rows])
    return np.concatenate([features, _covariates(cases, rows, scaler)], axis=1)


def _covariates(cases: Cases, rows: Rows, scaler: CovariateScaler) -> Array:
    return scaler.transform(cases.covariates[rows])[:, : cases.n_covariates].astype(np.float64)


def _predict(path: Path, cases: Cases, rows: Rows) -> tuple[Array, Array]:
    """Probabilities and scores (steps, rows): each window is predicted, then averaged, as inference does it."""
    samples = [cases.of(row).numpy() for row in rows]
    counts = [len(item) for item in samples]
    covariates = np.repeat(_covariates(cases, rows, path.scaler), counts, axis=0)
    outputs = path.outputs(np.concatenate([np.concatenate(samples), covariates], axis=1))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    means = [np.add.reduceat(values, starts, axis=1) / counts
             for values in (expit(outputs[..., POOR_LOGIT]), outputs[..., SCORE])]  # fmt: skip
    return means[0], means[1] * path.score_sd + path.score_mean


def direct_curve(cases: Cases, train: Rows, valid: Rows) -> Curve:
    """Losses and predictions of the validation rows at each step of a path fitted on the training rows."""
    path = fit_path(cases, train)
    said = _predict(path, cases, valid)
    share = cases.options.score_weight
    return Curve(path.loss(cases.cohort.poor[valid], cases.cohort.score[valid], said, share), *said)


def direct_fit(cases: Cases, rows: Rows, step: int) -> Fitted:
    """The model at a step of the path (counted from 1), fitted on the rows."""
    path, network = fit_path(cases, rows), _network(cases)
    network.prepare()
    arrays: Mapping[str, Array] = {
        "centre": path.centre, "spread": path.spread, "weight": path.weight[step - 1], "bias": path.bias[step - 1],
    }  # fmt: skip
    state = network.state_dict() | {name: torch.from_numpy(values.copy()) for name, values in arrays.items()}
    arguments = dict(cases.member.arguments)
    return Fitted(cases.member.network, arguments, state, path.scaler, path.score_mean, path.score_sd)


def direct_predict(fitted: Fitted, cases: Cases, rows: Rows) -> tuple[Array, Array]:
    """Mean probability and score of each row; NaN for rows without the modality."""
    probability, score = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    there = np.array([cases.samples[row] is not None for row in rows], dtype=bool)
    if there.any():
        state = {name: fitted.state[name].numpy() for name in ("centre", "spread", "weight", "bias")}
        path = Path(state["centre"], state["spread"], state["weight"][None], state["bias"][None],
                    fitted.scaler, fitted.score_mean, fitted.score_sd, (1.0, 1.0))  # fmt: skip
        said = _predict(path, cases, rows[there])
        probability[there], score[there] = said[0][0], said[1][0]
    return probability, score
