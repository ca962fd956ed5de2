"""The ensemble on one unit: members on their samples, fusion over those present, the distribution of the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bids_stroke.core.errors import MissingModalityError, ModelError
from bids_stroke.core.modalities import CLINICAL, EARLY
from bids_stroke.core.records import Member, MemberPrediction, Prediction, UnitFeatures
from bids_stroke.ensemble.applicability import COVARIATES_MISSING, nobody_applies, remarks, unit_name
from bids_stroke.ensemble.baselines import ordinary_mean
from bids_stroke.ensemble.bundle import Bundle, networks_of
from bids_stroke.ensemble.member import BundleMember
from bids_stroke.ensemble.metadata import bundle_digest
from bids_stroke.ensemble.tables import read_evidence
from bids_stroke.ensemble.weights import restore_network
from bids_stroke.features.covariates import covariate_values
from bids_stroke.features.readers import Samples, read_samples
from bids_stroke.fusion.fitted import Fusion, fuse, more_likely, renormalise
from bids_stroke.networks.base import POOR_LOGIT, SCORE
from bids_stroke.networks.device import KEPT_BETWEEN_LAYERS, keep_memory, precision_of, reproducible, resolve_device
from bids_stroke.networks.shallow import ShallowNetwork

CHUNK = 16
"""Samples that go through a network at once."""


@dataclass(frozen=True, eq=False)
class MemberSamples:
    """What a member says of each sample of a unit.

    Attributes
    ----------
    probabilities : (n,) float64
        Of a poor outcome, before calibration.
    scores : (n,) float64
        In the outcome's units; NaN from a network without a score.
    positions : tuple of float
        Slices or window onsets (`features.readers.Samples`).
    """

    probabilities: NDArray[np.float64]
    scores: NDArray[np.float64]
    positions: tuple[float, ...]


def predict(bundle: Bundle, unit: UnitFeatures, device: str = "auto", precision: str = "fp32") -> Prediction:
    """Predict one unit with every member that applies.

    Parameters
    ----------
    bundle : Bundle
        From `load_bundle`.
    unit : UnitFeatures
        Feature files and covariates.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    precision : str
        ``fp32`` or ``bf16``.

    Raises
    ------
    DataError
        No member applies (reason ``no-member-applies``), or a feature file is broken.
    UsageError
        The device is not there.
    """
    here = _Here(bundle, unit, resolve_device(device), precision)
    keep_memory(KEPT_BETWEEN_LAYERS)
    samples, missing = _members(here)
    if not samples:
        raise nobody_applies(bundle, unit, missing)
    names = list(samples)
    fusion = _fusion_among(bundle, names)
    used = renormalise(np.array([fusion.weights[name] for name in names]), np.ones(len(names), dtype=bool))
    means = np.array([samples[name].probabilities.mean() for name in names])
    scores = np.array([samples[name].scores.mean() for name in names])
    kinds = {entry.member.name: entry.member.modality for entry in bundle.fitted}
    said = {
        name: MemberPrediction(float(mean), _known(score), len(samples[name].scores), float(weight), kinds[name])
        for name, mean, score, weight in zip(names, means, scores, used, strict=True)
    }
    return Prediction(
        **_outcome(fusion, dict(zip(names, zip(means, scores, strict=True), strict=True))),
        members={name: one for name, one in said.items() if name != EARLY},
        early_fusion=said.get(EARLY),
        baselines=_baselines(here),
        missing=missing,
        model={
            "name": bundle.name,
            "version": bundle.version,
            "sha256": bundle.sha256,
            "demonstration": bundle.demonstration,
            "outcome": bundle.outcome,
        },
        in_training_set=bundle.saw(unit.dataset, unit.participant_id),
        **remarks(bundle, unit, names, fusion),
    )


def _outcome(fusion: Fusion, said: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """What is predicted of the outcome, from the probability and the score of each member that applied."""
    outputs = np.array([said.get(name, (np.nan, np.nan)) for name in fusion.weights])
    if (known := fusion.distribution) is None:
        weights = np.array(list(fusion.weights.values()))
        probability, score = (float(fuse(column[None], weights)[0]) for column in outputs.T)
        return {
            "probability_poor": probability,
            "probability_poor_interval": None,
            "prediction": more_likely(probability),
            "predicted_score": _known(score),
        }
    index = fusion.index(outputs[None, :, 0], outputs[None, :, 1])
    probability = float(known.probability(index)[0])
    return {
        "probability_poor": probability,
        "probability_poor_interval": known.probability_interval(float(index[0])),
        "prediction": known.decide(probability),
        "decided_beyond": known.decided,
        "predicted_score": float(known.score(index)[0]),
        "predicted_score_interval": known.interval(float(index[0])),
    }


def _fusion_among(bundle: Bundle, names: list[str]) -> Fusion:
    """The fusion for whoever has these members; the whole one where it is of no others, or nothing else is known."""
    if set(names) >= bundle.fusion.weights.keys():
        return bundle.fusion
    return _fitted_among(_Pattern(bundle.path, bundle.sha256, tuple(names), bundle))


@dataclass(frozen=True)
class _Pattern:
    """Some members of a bundle, equal for any that was read from the same folder and bytes."""

    path: Path
    sha256: str
    names: tuple[str, ...]
    bundle: Bundle = field(compare=False, repr=False)


@lru_cache(maxsize=256)
def _fitted_among(wanted: _Pattern) -> Fusion:
    """Their fusion, fitted once per process."""
    evidence = read_evidence(wanted.path)
    if evidence is None:
        return wanted.bundle.fusion
    from bids_stroke.fusion.subset import (
        fusion_among,  # scipy, which a prediction can do without where nothing is missing
    )

    return fusion_among(evidence, wanted.names, wanted.bundle.fusion)


def predict_members(
    bundle: Bundle, unit: UnitFeatures, device: str = "auto", precision: str = "fp32"
) -> tuple[dict[str, MemberSamples], dict[str, str]]:
    """What each member, and the early fusion, says of each sample, and why others say nothing: name -> reason code."""
    here = _Here(bundle, unit, resolve_device(device), precision)
    keep_memory(KEPT_BETWEEN_LAYERS)
    return _members(here)


def _members(here: _Here) -> tuple[dict[str, MemberSamples], dict[str, str]]:
    found, missing = {}, {}
    for entry in here.bundle.fitted:
        try:
            found[entry.member.name] = here.says(entry)
        except MissingModalityError as error:
            missing[entry.member.name] = error.reason
    return found, missing


def _baselines(here: _Here) -> dict[str, tuple[float, float]]:
    """What each baseline says of the unit, and their mean; those that lack something say nothing."""
    said = {}
    for baseline in here.bundle.baselines:
        if baseline.needs and not np.isfinite(covariate_values(here.unit.covariates, (baseline.needs,))[0]):
            continue
        try:
            own = here.says(baseline.entry)
        except MissingModalityError:
            continue
        said[baseline.name] = baseline.outcome(float(own.probabilities.mean()), float(own.scores.mean()))
    return said | ordinary_mean(said)


@dataclass(frozen=True, eq=False)
class _Here:
    """A unit, read by the members of a bundle on a device; what two members read alike is read once."""

    bundle: Bundle
    unit: UnitFeatures
    place: torch.device
    precision: str
    cache: dict[str, Samples] = field(default_factory=dict)

    def says(self, entry: BundleMember) -> MemberSamples:
        """What a network says of each sample; MissingModalityError where what it needs is not there."""
        member, known = entry.member, covariate_values(self.unit.covariates, entry.scaler.names)
        self.check(member)
        if entry.scaler.lacking(known) or (member.modality == CLINICAL and not entry.scaler.tells_of(known)):
            raise MissingModalityError(f"{member.name} needs covariates.", reason=COVARIATES_MISSING)
        samples = self.samples(member)
        data, covariates = samples.data, np.tile(entry.scaler.transform(known), (len(samples.data), 1))
        output = run_network(self.network(member), data, covariates, self.place, self.precision)
        scores = output[:, SCORE] * entry.score_sd + entry.score_mean
        return MemberSamples(1 / (1 + np.exp(-output[:, POOR_LOGIT])), scores, samples.positions)

    def check(self, member: Member) -> None:
        """MissingModalityError if the unit lacks the modality of a member, or of a part of the early fusion."""
        if member.modality == EARLY:
            for part in self._parts(member):
                self.check(part)
        elif member.modality != CLINICAL and not self.unit.features.get(member.modality):
            reason = self.unit.missing.get(member.modality, "not-computed")
            raise MissingModalityError(f"{unit_name(self.unit)} has no {member.modality}.", reason=reason)

    def samples(self, member: Member) -> Samples:
        """What a member reads; MissingModalityError where it is not there."""
        if member.modality == EARLY:
            return self._joined(member)
        paths = self.unit.features.get(member.modality, ())
        key = f"{member.modality} {sorted(member.inputs.items())}"
        if key not in self.cache:
            self.cache[key] = read_samples(member.modality, paths, member.inputs)
        return self.cache[key]

    def network(self, member: Member) -> nn.Module:
        """The member's network with its weights."""
        return _network(_Wanted(self.bundle.path, self.bundle.sha256, member.name, str(self.place), self.bundle))

    def _parts(self, member: Member) -> list[Member]:
        of_name = {entry.member.name: entry.member for entry in self.bundle.members}
        return [of_name[name] for name in member.inputs["parts"]]

    def _joined(self, member: Member) -> Samples:
        """The numbers of the parts side by side, as `training.early_fusion.join_cases` has them; all must be there."""
        columns = []
        for part, read in [(part, self.samples(part)) for part in self._parts(member)]:
            network = self.network(part)
            assert isinstance(network, ShallowNetwork)  # only such are joined
            with torch.inference_mode(), reproducible(self.place, 0):
                chunks = torch.split(torch.from_numpy(read.data), CHUNK)
                features = torch.cat([network.features(chunk.to(self.place)) for chunk in chunks])
            columns.append(features.mean(0).cpu().numpy())
        return Samples(np.concatenate(columns)[None], (0.0,))


def run_network(
    model: nn.Module,
    data: NDArray[np.floating[Any]],
    covariates: NDArray[np.float32],
    device: torch.device,
    precision: str = "fp32",
) -> NDArray[np.float64]:
    """Outputs of a network in evaluation mode, (n, 2) float64, for n samples with a row of covariates each."""
    outputs = []
    columns = getattr(getattr(model, "arguments", None), "n_covariates", 0)
    rows = torch.from_numpy(covariates[:, :columns].copy()).to(device)
    with torch.inference_mode(), reproducible(device, 0), precision_of(device, precision):
        for start in range(0, len(data), CHUNK):
            batch = torch.from_numpy(data[start : start + CHUNK]).to(device)
            outputs.append(model(batch, rows[start : start + CHUNK]).double().cpu().numpy())
    return np.concatenate(outputs)


@dataclass(frozen=True)
class _Wanted:
    """A member's network on a device: equal for any bundle that was read from the same folder and bytes."""

    path: Path
    sha256: str
    name: str
    device: str
    bundle: Bundle = field(compare=False, repr=False)


@lru_cache(maxsize=32)
def _network(wanted: _Wanted) -> nn.Module:
    """A member's network with its weights, once per process (``sha256`` tells a changed bundle)."""
    if bundle_digest(wanted.path) != wanted.sha256:
        raise ModelError(f"Model {wanted.path} was changed during the run.", "Run again.", "changed-model")
    member = next(entry.member for entry in networks_of(wanted.bundle) if entry.member.name == wanted.name)
    state = wanted.bundle.state(wanted.name)
    return restore_network(member.network, member.arguments, state, torch.device(wanted.device))


def _known(value: float) -> float | None:
    """A score as a number; None where the network has none."""
    return float(value) if np.isfinite(value) else None
