"""Whether a training finds more than chance: the whole cross-validation again with outcomes shuffled among people."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.core.errors import DataError, UsageError
from bids_stroke.core.modalities import EARLY
from bids_stroke.core.records import Labelled
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.outputs import tsv_text
from bids_stroke.evaluation.metrics import ranking_metrics
from bids_stroke.evaluation.participants import reduce_to_participants
from bids_stroke.networks.device import Thrift, resolve_device
from bids_stroke.training.checkpoint import Store, program_versions
from bids_stroke.training.cohort import Cases, Cohort, make_cohort, read_shallow_cases, shuffled_rows
from bids_stroke.training.cost import Means, plan_memory
from bids_stroke.training.cross_validation import check_spoken, train_members
from bids_stroke.training.descriptions import member_descriptions
from bids_stroke.training.ensemble import TrainedEnsemble
from bids_stroke.training.folds import make_folds
from bids_stroke.training.late_fusion import fuse_members
from bids_stroke.training.members import planned_members
from bids_stroke.training.participants import identity
from bids_stroke.training.trainer import Place

Rows = NDArray[np.int64]

_TELL_EACH = 60.0
"""Seconds of a training from which on each is told of; of shorter ones every tenth part of them all."""


def fusion_auc(rows: pd.DataFrame, settings: Settings) -> float:
    """AUC of the fusion over people, each by the mean over sessions and repeats; NaN of one class."""
    people = reduce_to_participants(rows, settings)[0]
    poor = people["poor"].to_numpy(float)
    if poor.all() or not poor.any():
        return float("nan")
    return float(ranking_metrics(poor, people["probability_poor"].to_numpy(float), np.ones((1, len(poor))))["auc"][0])


@dataclass(frozen=True, eq=False)
class Retraining:
    """A training that can be run again with other outcomes; what its members read is read once.

    Attributes
    ----------
    cohort : Cohort
        With the outcomes as they are.
    settings : Settings
        Of the members that were trained.
    means : Means
        Store and memory.
    device : str
        As in `resolve_device`.
    """

    cohort: Cohort
    settings: Settings
    means: Means
    device: str = "auto"

    @classmethod
    def of(cls, units: Sequence[Labelled], trained: TrainedEnsemble, settings: Settings, means: Means) -> Retraining:
        """Of the members that a training kept or left idle; not of those that it had no time for."""
        members = {name: text for name, text in member_descriptions(settings).items() if name in trained.seconds}
        joined = settings.training.early_fusion if EARLY in trained.seconds else False
        changes: dict[str, Any] = {"members": members, "early_fusion": joined, "max_minutes": None}
        changes |= {"audit": False, "retrain_permutations": 0}
        own = settings.model_copy(update={"training": settings.training.model_copy(update=changes)})
        return cls(make_cohort(units, settings.outcome.column), own, means)

    @cached_property
    def wanted(self) -> list[Cases]:
        """The members, those that are fitted in one go with their numbers."""
        cases = [
            Cases(member, options, (), self.cohort) for member, options in planned_members(self.settings, self.cohort)
        ]
        direct = [i for i, own in enumerate(cases) if own.shallow and own.member.modality != EARLY]
        for i, read in zip(direct, read_shallow_cases([cases[i] for i in direct]), strict=True):
            cases[i] = read
        return cases

    @cached_property
    def thrift(self) -> dict[str, Thrift]:
        """How each member uses memory."""
        if self.means.memory_gb is None:
            return {}
        return plan_memory(self.wanted, resolve_device(self.device), self.means.memory_gb, _silent)

    def auc(self, order: Rows, store: Store | None) -> float | None:
        """AUC with the outcome of row ``order[i]`` for row i; None where no member could be trained on them."""
        cohort = self.cohort.with_outcomes_of(order)
        training, seed = self.settings.training, self.settings.seed
        place = Place(resolve_device(self.device), self.settings.precision, seed, store)
        wanted = [replace(cases, cohort=cohort) for cases in self.wanted]
        try:
            folds = make_folds(cohort.participants, cohort.poor, training, seed)
            members = train_members(wanted, folds, place, _silent, self.thrift).members
            check_spoken(members, wanted, folds, training)
            fused = fuse_members(members, cohort, folds, training.coverage)
        except (DataError, UsageError) as error:
            if error.reason != "too-few-participants":
                raise
            return None
        rows = []
        for i, outer in enumerate(folds):
            test = outer.split.test
            columns = identity(cohort, test) | {"poor": cohort.poor[test].astype(float), "score": cohort.score[test]}
            rows.append(pd.DataFrame(columns | {"probability_poor": fused.probability[i, test]}))
        return fusion_auc(pd.concat(rows, ignore_index=True), self.settings)


def permutation_test(
    retraining: Retraining, ensemble: TrainedEnsemble, n: int, seconds: float, say: Callable[[str], object]
) -> dict[str, Any]:
    """Retrain with n shuffles of the outcome, and tell how many AUC are as high as that of the training.

    What is done is kept in the store, so that a run that was stopped goes on after the last shuffle that ended.

    Parameters
    ----------
    retraining : Retraining
        Of the training.
    ensemble : TrainedEnsemble
        What it gave.
    n : int
        Shuffles.
    seconds : float
        That one training takes at most, as far as is known.
    say : callable
        Takes a line of text.

    Returns
    -------
    dict
        ``permutations``, ``auc`` of the training, ``at_least`` (shuffles with an AUC as high), ``p``, ``mean_auc`` and
        ``highest_auc`` of the shuffles, ``not_trained`` (shuffles on which no member could be trained; they count as
        if theirs were as high).

    Notes
    -----
    p = (1 + at_least) / (1 + n), which cannot be 0 (Phipson and Smyth 2010, "Permutation p-values should never be
    zero"). Covariates and first scores stay with their people, so that what is tested is whether anything at all that
    the members read goes with the outcome.
    """
    settings = retraining.settings
    observed = fusion_auc(ensemble.out_of_fold, settings)
    say(
        f"Permutation test: {n} trainings of up to {_minutes(seconds)} each, {_minutes(n * seconds)} in all. "
        "Stopped, the same command goes on from there."
    )
    areas = _areas(retraining, _name(ensemble, settings), n, say)
    known = [area for area in areas if area is not None and np.isfinite(area)]
    at_least = sum(area >= observed - 1e-12 for area in known) + n - len(known)
    return {
        "permutations": n,
        "auc": observed,
        "at_least": int(at_least),
        "p": (1 + at_least) / (1 + n),
        "mean_auc": float(np.mean(known)) if known else None,
        "highest_auc": max(known, default=None),
        "not_trained": n - len(known),
    }


def _areas(retraining: Retraining, name: str, n: int, say: Callable[[str], object]) -> list[float | None]:
    """AUC of each shuffle, from the store where it is there; None where nothing could be trained."""
    store, areas = retraining.means.store, list[float | None]()
    begin, told = time.monotonic(), max(1, n // 10)
    for i in range(n):
        found = store.load(f"{name}-{i}") if store else None
        if found is None:
            own = Store(store.folder / f"permutation-{i}", store.every_seconds) if store else None
            rng = np.random.default_rng([retraining.settings.seed, 2, i])
            found = {"auc": retraining.auc(shuffled_rows(retraining.cohort.participants, rng), own)}
            if store and own:
                store.save(f"{name}-{i}", found)
                shutil.rmtree(own.folder, ignore_errors=True)
        areas.append(found["auc"])
        each = (time.monotonic() - begin) / (i + 1)
        if i + 1 < n and (each > _TELL_EACH or (i + 1) % told == 0):
            say(f"[{i + 1}/{n}] shuffles; about {_minutes(each * (n - i - 1))} left")
    return areas


def _name(ensemble: TrainedEnsemble, settings: Settings) -> str:
    """Name of the results of one training's shuffles: all that decides them, by what the training itself gave."""
    said = [settings.digest(), tsv_text(ensemble.out_of_fold), program_versions("bids_stroke.training.ensemble")]
    return "permutation-" + hashlib.sha256(json.dumps(said).encode()).hexdigest()[:24]


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _silent(_: str) -> None:
    """A hundred trainings need no line for each fold."""
