"""The ensemble on one unit: members on their samples, fusion over those present, the distribution of the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.modalities import EARLY
from bids_stroke.core.records import MemberPrediction, Prediction, UnitFeatures
from bids_stroke.ensemble.applicability import nobody_applies, remarks
from bids_stroke.ensemble.baselines import ordinary_mean
from bids_stroke.ensemble.bundle import Bundle
from bids_stroke.ensemble.contributions import Told, contributions
from bids_stroke.ensemble.one_unit import MemberSamples, OneUnit
from bids_stroke.ensemble.tables import read_evidence
from bids_stroke.features.clinical_rules import values_of
from bids_stroke.fusion.fitted import Fusion, fuse, more_likely, renormalise
from bids_stroke.networks.device import KEPT_BETWEEN_LAYERS, keep_memory, resolve_device


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
    return predict_here(unit_here(bundle, unit, device, precision))


def unit_here(bundle: Bundle, unit: UnitFeatures, device: str = "auto", precision: str = "fp32") -> OneUnit:
    """A unit on a device, for all that is to be asked of it; as for `predict`."""
    here = OneUnit(bundle, unit, resolve_device(device), precision)
    keep_memory(KEPT_BETWEEN_LAYERS)
    return here


def predict_here(here: OneUnit) -> Prediction:
    """Predict a unit with every member that applies; raises what `predict` does."""
    bundle, unit = here.bundle, here.unit
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
        contributions=contributions(fusion, [_told(here, name, samples[name]) for name in names]),
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
        "index": float(index[0]),
        "probability_poor": probability,
        "probability_poor_interval": known.probability_interval(float(index[0])),
        "prediction": known.decide(probability),
        "decided_beyond": known.decided,
        "predicted_score": float(known.score(index)[0]),
        "predicted_score_interval": known.interval(float(index[0])),
    }


def _told(here: OneUnit, name: str, samples: MemberSamples) -> Told:
    """What a member said, with its numbers if it is linear."""
    entry = next(entry for entry in here.bundle.fitted if entry.member.name == name)
    means = float(samples.probabilities.mean()), float(samples.scores.mean())
    return Told(name, entry.member.modality, *means, here.numbers(entry))


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
    return _members(unit_here(bundle, unit, device, precision))


def _members(here: OneUnit) -> tuple[dict[str, MemberSamples], dict[str, str]]:
    found, missing = {}, {}
    for entry in here.bundle.fitted:
        try:
            found[entry.member.name] = here.says(entry)
        except MissingModalityError as error:
            missing[entry.member.name] = error.reason
    return found, missing


def _baselines(here: OneUnit) -> dict[str, tuple[float, float]]:
    """What each baseline says of the unit, and their mean; those that lack something say nothing."""
    said = {}
    for baseline in here.bundle.baselines:
        if baseline.needs and not np.isfinite(values_of(here.unit.covariates, (baseline.needs,))[0]):
            continue
        try:
            own = here.says(baseline.entry)
        except MissingModalityError:
            continue
        said[baseline.name] = baseline.outcome(float(own.probabilities.mean()), float(own.scores.mean()))
    return said | ordinary_mean(said)


def _known(value: float) -> float | None:
    """A score as a number; None where the network has none."""
    return float(value) if np.isfinite(value) else None
