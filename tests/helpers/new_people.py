"""Simulated cohorts with sessions and missing modalities, trained without files, and new people of the same kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch

from bids_stroke.core.modalities import EARLY
from bids_stroke.core.records import Member
from bids_stroke.fusion.subset import fusion_among
from bids_stroke.training.cohort import Cases, Cohort
from bids_stroke.training.cross_validation import TrainedMember, cross_validate, fit_final
from bids_stroke.training.early_fusion import join_cases
from bids_stroke.training.folds import nested_folds
from bids_stroke.training.late_fusion import Fused, fuse_members
from bids_stroke.training.shallow import predict_shallow
from bids_stroke.training.trainer import Place
from tests.helpers.training import silent
from tests.helpers.units import tiny_settings

PLACE = Place(torch.device("cpu"), "fp32", 0)
MISSING = {"fa": 0.1, "bold": 0.25, "eegemg": 0.3}
"""Share of people without each modality; as many sessions of the others lack one more."""
N_NUMBERS = 12
STRENGTH = 1.0
"""Of a third of the numbers: with ``knows`` 0.8 the AUC is about .77, as in this field."""
COVARIATES = ("age", "sex", "days_since_stroke")


@dataclass(frozen=True, eq=False)
class Sample:
    """People with their outcomes, and the numbers of each modality, (rows, N_NUMBERS), NaN where it is missing."""

    cohort: Cohort
    numbers: Mapping[str, np.ndarray]


def sample(n: int, seed: int, knows: float) -> Sample:
    """People with one to three sessions each; an FMA-LE of which ``knows`` says how much the modalities tell."""
    rng = np.random.default_rng(seed)
    of_row = np.repeat(np.arange(n), rng.integers(1, 4, n))
    rows = len(of_row)
    severity = rng.standard_normal(n)
    age = 65 + 12 * rng.standard_normal(n)
    degree = knows * severity + 0.15 * (age - 65) / 12 + np.sqrt(1 - knows**2) * rng.standard_normal(n)
    score = np.clip(np.round(20 - 8 * degree[of_row] + 1.5 * rng.standard_normal(rows)), 0, 34)
    numbers = {}
    for modality, share in MISSING.items():
        view = 0.8 * severity + 0.6 * rng.standard_normal(n)
        tells = np.where(np.arange(N_NUMBERS) < 4, STRENGTH, 0.0) * knows
        own = view[:, None] * tells + rng.standard_normal((n, N_NUMBERS))
        values = own[of_row] + 0.4 * rng.standard_normal((rows, N_NUMBERS))
        values[(rng.random(n) < share)[of_row] | (rng.random(rows) < share / 4)] = np.nan
        numbers[modality] = values
    covariates = np.column_stack([age[of_row], rng.integers(0, 2, n)[of_row], rng.uniform(2, 90, rows)])
    people = tuple(str(person) for person in of_row)
    nothing = np.full(rows, np.nan)
    cohort = Cohort((cast(Any, None),) * rows, people, score <= 17, score, covariates, COVARIATES, nothing, "")
    return Sample(cohort, numbers)


def _cases(found: Sample) -> dict[str, Cases]:
    """Of each modality, and of the early fusion of the first two."""
    options = tiny_settings(outer_folds=5, inner_folds=3).training
    cases = {}
    for name, values in found.numbers.items():
        member = Member(name, name, "early_fusion", {"part_blocks": [1] * N_NUMBERS, "n_covariates": 6}, {})
        samples = tuple(torch.from_numpy(row[None]) if np.isfinite(row[0]) else None for row in values)
        cases[name] = Cases(member, options, samples, found.cohort)
    parts = ["fa", "bold"]
    arguments = {"part_blocks": [1] * 2 * N_NUMBERS, "n_covariates": 6}
    early = Member(EARLY, EARLY, "early_fusion", arguments, {"parts": parts})
    return cases | {EARLY: join_cases(early, options, [cases[part] for part in parts])}


def trained_on(found: Sample) -> tuple[list[TrainedMember], Fused]:
    """Members through nested folds, and their fusion."""
    folds = nested_folds(
        found.cohort.participants, found.cohort.poor, tiny_settings(outer_folds=5, inner_folds=3).training, 0
    )
    members = []
    everybody = np.arange(len(found.cohort.poor))
    for name, cases in _cases(found).items():
        run = cross_validate(cases, folds, PLACE, silent)
        fitted = fit_final(cases, run, PLACE, everybody)
        assert fitted is not None
        members.append(TrainedMember(cases.member, run, fitted, len(cases.having(everybody))))
        assert members[-1].member.name == name
    return members, fuse_members(members, found.cohort, folds, 0.9)


@dataclass(frozen=True, eq=False)
class Said:
    """What was said of each row; NaN, or None, where no member applied."""

    probability: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    decision: np.ndarray


def said_of(members: list[TrainedMember], fused: Fused, found: Sample) -> Said:
    """Predictions of new people, each by the fusion of the members that they have."""
    cases, names = _cases(found), [entry.member.name for entry in members]
    everybody = np.arange(len(found.cohort.poor))
    outputs = [predict_shallow(entry.fitted, cases[entry.member.name], everybody) for entry in members]
    probability, score = (np.stack(columns, axis=1) for columns in zip(*outputs, strict=True))
    said = Said(*np.full((4, len(everybody)), np.nan), decision=np.full(len(everybody), None, dtype=object))
    there = np.isfinite(probability)
    for pattern in np.unique(there[there.any(axis=1)], axis=0):
        rows = np.flatnonzero((there == pattern).all(axis=1))
        fusion = fusion_among(
            fused.evidence, [name for name, has in zip(names, pattern, strict=True) if has], fused.kept
        )
        own = [names.index(name) for name in fusion.weights]
        known = fusion.distribution
        assert known is not None
        index = fusion.index(probability[rows][:, own], score[rows][:, own])
        said.probability[rows], said.score[rows] = known.probability(index), known.score(index)
        ends = np.array([known.interval(value) or (np.nan, np.nan) for value in index.tolist()])
        said.low[rows], said.high[rows] = ends.T
        said.decision[rows] = [known.decide(p) for p in said.probability[rows].tolist()]
    return said
