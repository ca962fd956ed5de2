"""One network from fresh weights to fitted ones, with the curve of its losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.ensemble.one_unit import run_network
from bids_stroke.ensemble.weights import restore_network
from bids_stroke.features.covariates import CovariateScaler
from bids_stroke.networks import registry
from bids_stroke.networks.base import POOR_LOGIT, SCORE
from bids_stroke.networks.device import PLENTY, Thrift, precision_of, reproducible, threads_for
from bids_stroke.training.augment import augment
from bids_stroke.training.checkpoint import Keeper, Store, fit_name
from bids_stroke.training.cohort import Cases
from bids_stroke.training.loss_curve import Curve

AVERAGED_EPOCHS = 2
"""Weights are averaged exponentially over about so many epochs."""
PLATEAU_EPOCHS = 5
"""Without a fall of the training loss, until the schedule ``plateau`` halves the learning rate."""
SETTLING_BATCHES = 32
"""Batches for the statistics of batch normalisation."""

Rows = NDArray[np.int64]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """Where, from which seed, by how much memory one network is fitted, and where its unfinished state is kept."""

    device: torch.device
    precision: str
    seed: int
    store: Store | None = None
    thrift: Thrift = PLENTY

    def keeper(self, cases: Cases, epochs: int, rows: Mapping[str, Rows]) -> Keeper:
        """Of the fit of these rows; what decides its last digits counts, too: ways to spare memory, and threads."""
        one = registry.NETWORKS[cases.member.network].network.one_thread
        threads = torch.get_num_threads() if self.device.type == "cpu" and not one else 1
        spared = {"sparing": self.thrift.sparing, "chunk": self.thrift.chunk, "threads": threads}
        how = {"device": self.device.type, "precision": self.precision, "epochs": epochs, **spared}
        return Keeper(self.store, fit_name(cases, self.seed, how, rows, __name__) if self.store else "")


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted network with what its inputs and outputs need, all from its training rows."""

    network: str
    arguments: Mapping[str, Any]
    state: Mapping[str, Tensor]
    scaler: CovariateScaler
    score_mean: float
    score_sd: float


def fit(cases: Cases, train: Rows, epochs: int, place: Place) -> Fitted:
    """Fit on the rows for a fixed number of epochs."""
    trainer, keeper = Trainer(cases, train, place), place.keeper(cases, epochs, {"train": train})
    found = keeper.found() or {}
    if "fitted" in found:
        return trainer.fitted(found["fitted"])
    with reproducible(place.device, place.seed), threads_for(trainer.spec.network):
        trainer.start(found)
        while trainer.done < epochs:
            trainer.epoch()
            if keeper.due:
                keeper.keep(trainer.state())
        trainer.settle()
    fitted = trainer.fitted()
    keeper.keep({"fitted": dict(fitted.state)})
    return fitted


def fit_watching(cases: Cases, train: Rows, valid: Rows, place: Place) -> Curve:
    """Fit on ``train`` until the loss on ``valid`` has not fallen for ``patience`` epochs: the curve, for choosing."""
    options = cases.options
    trainer, keeper = (
        Trainer(cases, train, place),
        place.keeper(cases, options.epochs, {"train": train, "valid": valid}),
    )
    found = keeper.found() or {}
    curve = Curve.of(found.get("curve"), len(valid))
    if found.get("finished"):
        return curve
    with reproducible(place.device, place.seed), threads_for(trainer.spec.network):
        trainer.start(found)
        while trainer.done < options.epochs and not curve.stopped(options.patience):
            trainer.epoch()
            trainer.settle()
            probabilities, scores = trainer.predict(valid)
            curve = curve.then(trainer.loss_of(valid, probabilities, scores), probabilities, scores)
            if keeper.due:
                keeper.keep({**trainer.state(), "curve": curve.tensors()})
    keeper.keep({"curve": curve.tensors(), "finished": True})
    return curve


def predict_rows(fitted: Fitted, cases: Cases, rows: Rows, place: Place) -> tuple[Array, Array]:
    """Mean probability and score of each row; NaN for rows without the modality."""
    model = restore_network(fitted.network, fitted.arguments, fitted.state, place.device)
    return _predict(model, fitted, cases, rows, place)


class Trainer:
    """State of one training: network, optimiser, random numbers."""

    def __init__(self, cases: Cases, train: Rows, place: Place) -> None:
        self.cases, self.place = cases, place
        self.train = cases.having(train)
        cohort = cases.cohort
        self.scaler = CovariateScaler.fit(cases.names, cases.covariates[self.train])
        scores = cohort.score[self.train]
        self.score_mean, self.score_sd = float(scores.mean()), float(scores.std()) or 1.0
        share = float(cohort.poor[self.train].mean())
        self.class_weights = (0.5 / (1 - share), 0.5 / share)
        self.spec = registry.NETWORKS[cases.member.network]

    def start(self, found: Mapping[str, Any]) -> None:
        """Fresh weights, or those of a `state` that was found."""
        self.place.thrift.begin()
        options, member = self.cases.options, self.cases.member
        self.model = registry.build(member.network, **member.arguments).to(self.place.device)
        self.model.sparing = self.place.thrift.sparing
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
        )
        self.schedule = _schedule(self.optimiser, options)
        self.rng = np.random.default_rng(self.place.seed)
        n_batches = sum(1 for _ in self._batches(np.random.default_rng(0)))
        decay = 1 - 1 / (1 + AVERAGED_EPOCHS * n_batches)
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
        self.done = 0
        if "model" in found:
            self.model.load_state_dict(found["model"])
            self.average.load_state_dict(found["average"])
            self.optimiser.load_state_dict(found["optimiser"])
            self.schedule.load_state_dict(found["schedule"])
            self.rng.bit_generator.state = found["numpy"]
            torch.set_rng_state(found["torch"])
            if self.place.device.type == "cuda":
                torch.cuda.set_rng_state(found["cuda"], self.place.device)
            self.done = found["done"]

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on."""
        cuda = {"cuda": torch.cuda.get_rng_state(self.place.device)} if self.place.device.type == "cuda" else {}
        return cuda | {
            "model": self.model.state_dict(), "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(), "schedule": self.schedule.state_dict(),
            "numpy": self.rng.bit_generator.state,
            "torch": torch.get_rng_state(), "done": self.done,
        }  # fmt: skip

    def epoch(self) -> None:
        """One pass over the training units, in random order."""
        self.model.train()
        losses = []
        for rows, samples in self._batches(self.rng):
            batch = self._batch(rows, samples)
            batch = augment(batch, self.spec.kind, self.cases.member.modality, self.cases.options.augment)
            with precision_of(self.place.device, self.place.precision):
                output = self.model(batch, self._covariates(rows))
            loss = self._loss(output.float(), rows)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.model.parameters(), self.cases.options.gradient_clip)
            self.optimiser.step()
            self.average.update_parameters(self.model)
            losses.append(loss.detach())
        if isinstance(self.schedule, ReduceLROnPlateau):
            self.schedule.step(float(torch.stack(losses).mean()))
        else:
            self.schedule.step()
        self.done += 1

    def settle(self) -> None:
        """Statistics of batch normalisation anew, for the averaged weights and from the training samples as they are.

        The running ones lag behind by tens of steps, which in a small cohort is the whole training.
        """
        self.average.eval()
        norms = [module for module in self.average.modules() if isinstance(module, _BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # cumulative mean
            norm.train()
        batches = self._batches(np.random.default_rng(self.place.seed)) if norms else ()
        with torch.no_grad(), precision_of(self.place.device, self.place.precision):
            for rows, samples in islice(batches, SETTLING_BATCHES):
                self.average(self._batch(rows, samples), self._covariates(rows))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.average.eval()

    def _batch(self, rows: Rows, samples: Rows) -> Tensor:
        batch = torch.stack([self.cases.of(row)[i] for row, i in zip(rows, samples, strict=True)])
        return batch.to(self.place.device)

    def _batches(self, rng: np.random.Generator) -> Iterator[tuple[Rows, Rows]]:
        """Rows and their samples in random order; no batch of a single case (batch normalisation needs two)."""
        rows, samples = [], []
        for row in self.train:
            n = len(self.cases.of(row))
            drawn = rng.permutation(n)[: self.cases.options.samples_per_epoch]
            rows.append(np.full(len(drawn), row))
            samples.append(drawn)
        order = rng.permutation(sum(len(item) for item in rows))
        n_batches = max(1, min(-(-len(order) // self.cases.options.batch_size), len(order) // 2))
        all_rows, all_samples = np.concatenate(rows), np.concatenate(samples)
        for part in np.array_split(order, n_batches):
            yield all_rows[part], all_samples[part]

    def _covariates(self, rows: Rows) -> Tensor:
        values = self.scaler.transform(self.cases.covariates[rows])
        return torch.from_numpy(values[:, : self.cases.n_covariates]).to(self.place.device)

    def _loss(self, output: Tensor, rows: Rows) -> Tensor:
        cohort = self.cases.cohort
        poor = torch.from_numpy(cohort.poor[rows].astype(np.float32)).to(output.device)
        scores = torch.from_numpy(((cohort.score[rows] - self.score_mean) / self.score_sd).astype(np.float32))
        good_weight, poor_weight = self.class_weights
        weights = torch.where(poor > 0, poor_weight, good_weight)
        classes = functional.binary_cross_entropy_with_logits(output[:, POOR_LOGIT], poor, weights)
        if not self.spec.network.has_score:
            return classes
        score = functional.smooth_l1_loss(output[:, SCORE], scores.to(output.device))
        share = self.cases.options.score_weight
        return (classes + share * score) / (1 + share)

    def predict(self, rows: Rows) -> tuple[Array, Array]:
        """Of validation rows, as prediction will do it."""
        return _predict(self.average.module, self.fitted(), self.cases, rows, self.place)

    def loss_of(self, rows: Rows, probabilities: Array, scores: Array) -> float:
        """Loss of unit-level predictions, as in training."""
        logits = torch.logit(torch.from_numpy(probabilities), eps=1e-6)
        standard = torch.from_numpy((scores - self.score_mean) / self.score_sd)
        return float(self._loss(torch.stack([logits, standard], 1).float(), rows))

    def fitted(self, state: Mapping[str, Tensor] | None = None) -> Fitted:
        """The averaged network as it is, or with a state from an earlier run."""
        if state is None:
            state = {key: value.detach().cpu().clone() for key, value in self.average.module.state_dict().items()}
        arguments = {key: value for key, value in self.cases.member.arguments.items() if key != "pretrained_dir"}
        member = self.cases.member
        return Fitted(member.network, arguments, state, self.scaler, self.score_mean, self.score_sd)


def _schedule(optimiser: torch.optim.Optimizer, options: TrainingSettings) -> LRScheduler | ReduceLROnPlateau:
    """How the learning rate goes on from epoch to epoch.

    ``plateau`` looks at the training loss: the network that is fitted at last, on everybody, has no other.
    """
    if options.schedule == "plateau":
        return ReduceLROnPlateau(optimiser, factor=0.5, patience=PLATEAU_EPOCHS)
    if options.schedule == "cosine":
        return CosineAnnealingLR(optimiser, options.epochs)
    return ConstantLR(optimiser, factor=1.0)


def _predict(model: nn.Module, fitted: Fitted, cases: Cases, rows: Rows, place: Place) -> tuple[Array, Array]:
    covariates = fitted.scaler.transform(cases.covariates)
    there = [(row, samples) for row in rows if (samples := cases.samples[row]) is not None]
    probabilities, scores = np.full(len(cases.samples), np.nan), np.full(len(cases.samples), np.nan)
    if there:
        owners = np.concatenate([np.full(len(samples), row) for row, samples in there])
        flat = [sample for _, samples in there for sample in samples]
        outputs = []
        for start in range(0, len(flat), place.thrift.chunk):
            part = slice(start, start + place.thrift.chunk)
            data = torch.stack(flat[part]).numpy()
            outputs.append(run_network(model, data, covariates[owners[part]], place.device, place.precision))
        output = np.concatenate(outputs)
        for row, _ in there:
            own = output[owners == row]
            probabilities[row] = float(expit(own[:, POOR_LOGIT]).mean())
            scores[row] = float(own[:, SCORE].mean()) * fitted.score_sd + fitted.score_mean
    return probabilities[rows], scores[rows]
