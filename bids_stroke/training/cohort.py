"""The cohort as arrays, and the samples of one member, read once and kept in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from bids_stroke.core.errors import MissingModalityError, UsageError
from bids_stroke.core.modalities import CLINICAL, EARLY
from bids_stroke.core.records import Labelled, Member
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.features.covariates import covariate_names, covariate_values, first_score_name
from bids_stroke.features.readers import read_samples
from bids_stroke.networks import registry
from bids_stroke.networks.shallow import ShallowNetwork

FEWEST_TO_CORRELATE = 10
"""Units; a correlation of fewer is chance."""
AS_GOOD_AS_THE_OUTCOME = 0.98
"""Correlation: two raters of one examination agree so well, two examinations weeks apart do not."""
_AFTER_FEATURES = ("n_trees", "n_waves", "n_covariates")
Features = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Cohort:
    """Outcomes and covariates of all units, row by row."""

    units: tuple[Labelled, ...]
    participants: tuple[str, ...]
    """Dataset and participant of each row: sub-01 of two datasets are two people."""
    poor: NDArray[np.bool_]
    score: NDArray[np.float64]
    covariates: NDArray[np.float64]
    """(n, covariates), NaN where missing; not yet standardised."""
    names: tuple[str, ...]
    """Of the covariates."""
    first: NDArray[np.float64]
    """(n,) first score, NaN where missing: column `first_name`, for clinical members, early fusion, baselines."""
    first_name: str

    def with_outcomes_of(self, rows: NDArray[np.int64]) -> Cohort:
        """The cohort in which row i has the outcome of row ``rows[i]``."""
        return replace(self, poor=self.poor[rows], score=self.score[rows])


def shuffled_rows(participants: Sequence[str], rng: np.random.Generator) -> NDArray[np.int64]:
    """Whose outcome each row gets: that of another person's row, all of one person's from one other person.

    Parameters
    ----------
    participants : sequence of str
        Person of each row.
    rng : Generator
        Draws the permutation of people.

    Returns
    -------
    (n,) int64
        Row that the outcome is taken from. A person with more sessions than the other has them in turn: where all have
        as many sessions, the outcomes are the same as before, otherwise nearly.

    Examples
    --------
    >>> shuffled_rows(["a", "a"], np.random.default_rng(0)).tolist()
    [0, 1]
    """
    rows_of: dict[str, list[int]] = {}
    for row, person in enumerate(participants):
        rows_of.setdefault(person, []).append(row)
    people = list(rows_of.values())
    found = np.empty(len(participants), dtype=np.int64)
    for own, donor in zip(people, rng.permutation(len(people)).tolist(), strict=True):
        given = people[donor]
        found[own] = [given[i % len(given)] for i in range(len(own))]
    return found


@dataclass(frozen=True, eq=False)
class Cases:
    """What one member trains on."""

    member: Member
    options: TrainingSettings
    """With the member's own values in place of the general ones."""
    samples: tuple[torch.Tensor | None, ...]
    """(n_samples, ...) for each row of the cohort, float32, or (n_samples, n_features) float64 for a network that is
    fitted in one go; None where the modality is missing."""
    cohort: Cohort

    @property
    def shallow(self) -> bool:
        """Whether the network is fitted in one go."""
        return registry.NETWORKS[self.member.network].network.shallow

    @property
    def names(self) -> tuple[str, ...]:
        """Covariates of this member: a clinical one, and early fusion, reads the first score too, if there is one."""
        return member_covariates(self.cohort, self.member.modality)

    @cached_property
    def covariates(self) -> NDArray[np.float64]:
        """(n, covariates) of this member, NaN where missing; not yet standardised."""
        both = np.column_stack([self.cohort.covariates, self.cohort.first])
        return both[:, : len(self.names)]

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) whether anything is known of this member's covariates."""
        return np.asarray(np.isfinite(self.covariates).any(axis=1))

    @property
    def n_covariates(self) -> int:
        """Columns that the network reads, indicators among them."""
        return int(self.member.arguments.get("n_covariates", 0))

    def of(self, row: int) -> torch.Tensor:
        """Samples of a row that has the modality."""
        samples = self.samples[row]
        assert samples is not None  # rows come from `having`
        return samples

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all samples, outcomes and covariates."""
        found = hashlib.sha256(repr([None if s is None else tuple(s.shape) for s in self.samples]).encode())
        for array in (self.cohort.poor, self.cohort.score, self.covariates):
            found.update(np.ascontiguousarray(array).tobytes())
        for samples in self.samples:
            if samples is not None:
                found.update(samples.contiguous().numpy().tobytes())
        return found.hexdigest()

    def having(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those rows that have the modality."""
        return np.array([row for row in rows if self.samples[row] is not None], dtype=np.int64)


def make_cohort(units: Sequence[Labelled], outcome_column: str) -> Cohort:
    """Arrays of a cohort.

    Raises
    ------
    UsageError
        A unit (participant and session) is there twice.
    """
    keys = [(unit.unit.dataset, unit.unit.participant_id, unit.unit.session) for unit in units]
    twice = sorted({f"{key[1]} {key[2] or ''}".strip() for key in keys if keys.count(key) > 1})
    if twice:
        raise UsageError(f"{', '.join(twice)} is in the cohort twice.", "Give every session of a person once.")
    names, first = covariate_names(outcome_column), first_score_name(outcome_column)
    return Cohort(
        units=tuple(units),
        participants=tuple(f"{dataset}\0{participant}" for dataset, participant, _ in keys),
        poor=np.array([unit.poor for unit in units], dtype=bool),
        score=np.array([unit.score for unit in units], dtype=np.float64),
        covariates=np.stack([covariate_values(unit.unit.covariates, names) for unit in units]),
        names=names,
        first=np.array([covariate_values(unit.unit.covariates, (first,))[0] for unit in units], dtype=np.float64),
        first_name=first,
    )


def check_covariates(cohort: Cohort) -> None:
    """Refuse a covariate that is the outcome under another name: with it every evaluation would be perfect.

    Raises
    ------
    UsageError
        A column follows the outcome more closely than two examinations of one person can (`AS_GOOD_AS_THE_OUTCOME`).
    """
    columns = dict(zip(cohort.names, cohort.covariates.T, strict=True)) | {cohort.first_name: cohort.first}
    for name, values in columns.items():
        known = np.isfinite(values)
        if known.sum() < FEWEST_TO_CORRELATE or np.ptp(values[known]) == 0 or np.ptp(cohort.score[known]) == 0:
            continue
        r = float(np.corrcoef(values[known], cohort.score[known])[0, 1])
        if abs(r) > AS_GOOD_AS_THE_OUTCOME:
            raise UsageError(
                f"The column {name} is all but the outcome itself (correlation {r:.3f} in {known.sum()} units): what "
                "is learned from it would be no prediction.",
                f"Take {name} out of the tables, or correct it: it must hold what was known before the outcome.",
                "outcome-among-covariates",
            )


def member_covariates(cohort: Cohort, modality: str) -> tuple[str, ...]:
    """Names of the covariates that a member on this modality may read."""
    first = (cohort.first_name,) if modality in (CLINICAL, EARLY) and np.isfinite(cohort.first).any() else ()
    return (*cohort.names, *first)


def read_cases(member: Member, options: TrainingSettings, cohort: Cohort) -> Cases:
    """Read the samples of a member for the whole cohort; of a shallow network, its features only."""
    bare = Cases(member, options, (), cohort)
    if bare.shallow:
        return read_shallow_cases([bare])[0]
    return replace(bare, samples=tuple(_read(member, labelled) for labelled in cohort.units))


def read_shallow_cases(wanted: Sequence[Cases]) -> list[Cases]:
    """Read the features of members that are fitted in one go, each file once for all of them.

    Parameters
    ----------
    wanted : sequence of Cases
        Without samples; of the same units.
    """
    found: list[Cases] = list(wanted)
    groups: dict[str, list[int]] = {}
    for i, bare in enumerate(wanted):
        groups.setdefault(f"{bare.member.modality} {sorted(bare.member.inputs.items())}", []).append(i)
    for own in groups.values():
        kinds = {i: _measure(wanted[i].member) for i in own}
        measures = {key: _features(wanted[i].member) for i, key in kinds.items()}
        samples: dict[int, list[torch.Tensor | None]] = {i: [] for i in own}
        for row, labelled in enumerate(wanted[own[0]].cohort.units):
            data = _read(wanted[own[0]].member, labelled)
            measured = {key: None if data is None else measure(data) for key, measure in measures.items()}
            for i in own:
                clinical = wanted[i].member.modality == CLINICAL
                samples[i].append(None if clinical and not wanted[i].known[row] else measured[kinds[i]])
        for i in own:
            found[i] = replace(wanted[i], samples=tuple(samples[i]))
    return found


def _measure(member: Member) -> str:
    """What two networks have in common that measure the same, whatever follows."""
    return f"{member.network} {sorted((k, v) for k, v in member.arguments.items() if k not in _AFTER_FEATURES)}"


def _read(member: Member, labelled: Labelled) -> torch.Tensor | None:
    """Samples of one unit; None where it lacks the modality."""
    paths = labelled.unit.features.get(member.modality, ())
    if not (paths or member.modality == CLINICAL):
        return None
    try:
        return torch.from_numpy(read_samples(member.modality, paths, member.inputs).data)
    except MissingModalityError:  # for this member the unit lacks the modality (a muscle, a window)
        return None


def first_samples(cases: Cases) -> torch.Tensor | None:
    """Samples of the first unit that has any, read now where the cases are without; None where nobody has."""
    if cases.samples:
        return next((samples for samples in cases.samples if samples is not None), None)
    units = cases.cohort.units
    return next((found for unit in units if (found := _read(cases.member, unit)) is not None), None)


def _features(member: Member) -> Features:
    """The fixed layer of a shallow network."""
    network = shallow_network(member)
    network.prepare()
    return network.features


def shallow_network(member: Member) -> ShallowNetwork:
    """The network of a shallow member, before it is prepared or fitted."""
    network = registry.build(member.network, **member.arguments)
    assert isinstance(network, ShallowNetwork)  # as its class says
    return network
