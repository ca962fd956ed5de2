"""The ensemble on one unit: members on their samples, fusion over those present, calibration, decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bids_stroke import networks
from bids_stroke.bundle import Bundle, BundleMember
from bids_stroke.compute import precision_of, reproducible, resolve_device
from bids_stroke.covariates import covariate_notes, covariate_values
from bids_stroke.decision import ScoreFusion, fuse, more_likely, renormalise
from bids_stroke.errors import DataError, MissingModalityError, ModelError
from bids_stroke.features import read_samples
from bids_stroke.model_files import bundle_digest
from bids_stroke.records import CLINICAL, MemberPrediction, Prediction, UnitFeatures

CHUNK = 16
"""Samples that go through a network at once."""
COVARIATES_MISSING = "covariates-missing"
"""Why a member says nothing of a person whose age, sex or time since stroke it needs and nobody knows."""


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
        Slices or window onsets (features.Samples).
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
    samples, missing = predict_members(bundle, unit, device, precision)
    if not samples:
        raise _nobody_applies(bundle, unit, missing)
    names = list(samples)
    weights = np.array([bundle.weights[name] for name in names])
    used = renormalise(weights, np.ones(len(names), dtype=bool))
    means = np.array([samples[name].probabilities.mean() for name in names])
    scores = np.array([samples[name].scores.mean() for name in names])
    calibration, score_fusion = bundle.calibration, _score_fusion(bundle, names)
    fused = _fused(bundle, dict(zip(names, means, strict=True)))
    score = _known(score_fusion.apply(scores[None])[0])
    probability = float(calibration.apply(np.array(fused))) if calibration else fused
    modalities = {entry.member.name: entry.member.modality for entry in bundle.members}
    members = {
        name: MemberPrediction(
            float(mean), _known(score), len(samples[name].probabilities), float(weight), modalities[name]
        )
        for name, mean, score, weight in zip(names, means, scores, used, strict=True)
    }
    return Prediction(
        probability_poor=probability,
        probability_poor_interval=calibration.interval(fused, used) if calibration else None,
        prediction=calibration.decide(probability) if calibration else more_likely(probability),
        predicted_score=score,
        predicted_score_interval=None if score is None else score_fusion.interval(score),
        members=members,
        missing=missing,
        model={
            "name": bundle.name,
            "version": bundle.version,
            "sha256": bundle.sha256,
            "demonstration": bundle.demonstration,
            "outcome": bundle.outcome,
        },
        in_training_set=bundle.saw(unit.dataset, unit.participant_id),
        warnings=tuple(_warnings(bundle, unit, names)),
    )


def _score_fusion(bundle: Bundle, names: list[str]) -> ScoreFusion:
    """How the scores of the named members are fused: a bundle that does not say so, uses its other weights."""
    found = bundle.score_fusion
    if found is None:
        return ScoreFusion(tuple(bundle.weights[name] for name in names), -np.inf, np.inf, None)
    weights = dict(zip((entry.member.name for entry in bundle.members), found.weights, strict=True))
    return replace(found, weights=tuple(weights[name] for name in names))


def _fused(bundle: Bundle, said: Mapping[str, float]) -> float:
    """Fused probability, before calibration, of what the members that are present said."""
    names = [entry.member.name for entry in bundle.members]
    probabilities = np.array([[said.get(name, np.nan) for name in names]])
    weights = np.array([bundle.weights[name] for name in names])
    return float((bundle.calibration.fuse if bundle.calibration else fuse)(probabilities, weights)[0])


def predict_members(
    bundle: Bundle, unit: UnitFeatures, device: str = "auto", precision: str = "fp32"
) -> tuple[dict[str, MemberSamples], dict[str, str]]:
    """What each member says of each sample, and why the others say nothing: member -> reason code."""
    place = resolve_device(device)
    found, missing = {}, {}
    cache: dict[str, tuple[NDArray[np.float32], tuple[float, ...]]] = {}
    for entry in bundle.members:
        member = entry.member
        paths = unit.features.get(member.modality, ())
        if not paths and member.modality != CLINICAL:
            missing[member.name] = unit.missing.get(member.modality, "not-computed")
            continue
        known = covariate_values(unit.covariates, entry.scaler.names)
        if entry.scaler.lacking(known) or (member.modality == CLINICAL and not np.isfinite(known).any()):
            missing[member.name] = COVARIATES_MISSING
            continue
        key = f"{member.modality} {sorted(member.inputs.items())}"
        try:
            if key not in cache:
                samples = read_samples(member.modality, paths, member.inputs)
                cache[key] = (samples.data, samples.positions)
        except MissingModalityError as error:
            missing[member.name] = error.reason
            continue
        data, positions = cache[key]
        model = _network(_Wanted(bundle.path, bundle.sha256, member.name, str(place), bundle))
        covariates = entry.scaler.transform(known)
        output = run_network(model, data, np.tile(covariates, (len(data), 1)), place, precision)
        poor, score = output[:, networks.POOR_LOGIT], output[:, networks.SCORE]
        scores = score * entry.score_sd + entry.score_mean
        found[member.name] = MemberSamples(1 / (1 + np.exp(-poor)), scores, positions)
    return found, missing


def run_network(
    model: nn.Module,
    data: NDArray[np.float32],
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
    member = next(entry.member for entry in wanted.bundle.members if entry.member.name == wanted.name)
    state = wanted.bundle.state(wanted.name)
    return restore_network(member.network, member.arguments, state, torch.device(wanted.device))


def restore_network(
    network: str, arguments: Mapping[str, Any], state: Mapping[str, torch.Tensor], device: torch.device
) -> nn.Module:
    """A network with given weights, ready to predict.

    Raises
    ------
    ModelError
        The weights do not fit the network.
    """
    with torch.random.fork_rng([]):
        model = networks.build(network, **arguments)
    try:
        model.load_state_dict(dict(state))
    except RuntimeError as error:
        raise ModelError(f"The weights do not fit the network {network}: {error}", "Train the model again.") from error
    return model.to(device).eval()


def _warnings(bundle: Bundle, unit: UnitFeatures, names: list[str]) -> list[str]:
    found = []
    if bundle.demonstration:
        found.append("Demonstration ensemble trained on synthetic data: this prediction means nothing for a patient.")
    seen = bundle.saw(unit.dataset, unit.participant_id)
    if seen is None:
        found.append("Nobody knows who the model was trained on: whether this participant was, cannot be told.")
    if seen:
        found.append("This participant was in the training set: the prediction is no evidence of the model's worth.")
    if bundle.calibration is None:
        found.append(
            "The model is not calibrated: its probability has no interval, and the prediction is the more likely "
            "outcome, without the choice to abstain."
        )
    if lacking := _lacking(bundle, unit):
        found.append(f"{', '.join(lacking)} unknown: members that cannot do without are left out.")
    if len(names) < len(bundle.members):
        found.append(f"{len(names)} of {len(bundle.members)} members applied; the weights were renormalised.")
    with_covariates = [entry for entry in bundle.members if _takes_covariates(entry) and entry.member.name in names]
    if with_covariates:
        scaler = max((entry.scaler for entry in with_covariates), key=lambda item: len(item.names))
        found += scaler.complaints(covariate_values(unit.covariates, scaler.names))
    return [*found, *_notes(bundle, unit)]


def _notes(bundle: Bundle, unit: UnitFeatures) -> list[str]:
    """What should be known of how the covariates were read that some member takes."""
    taken = [name for entry in bundle.members if _takes_covariates(entry) for name in entry.scaler.names]
    return [str(note) for note in covariate_notes(unit.covariates, tuple(dict.fromkeys(taken)))]


def _nobody_applies(bundle: Bundle, unit: UnitFeatures, missing: Mapping[str, str]) -> DataError:
    why = "; ".join(f"{name}: {reason.replace('-', ' ')}" for name, reason in missing.items())
    lacking = ", ".join(_lacking(bundle, unit)) if COVARIATES_MISSING in missing.values() else ""
    unknown = "; ".join([f"; {lacking} unknown", *_notes(bundle, unit)]) if lacking else ""
    wanted = f"{lacking} to participants.tsv or sessions.tsv" if lacking else "a modality that the model uses"
    return DataError(
        f"{_unit_name(unit)}: no member of the model {bundle.name} applies ({why}{unknown}).",
        f"Add {wanted}, or give another --model.",
        "no-member-applies",
    )


def _lacking(bundle: Bundle, unit: UnitFeatures) -> tuple[str, ...]:
    """Covariates of the unit that are missing and that some member cannot do without."""
    scalers = [entry.scaler for entry in bundle.members]
    found = [name for item in scalers for name in item.lacking(covariate_values(unit.covariates, item.names))]
    return tuple(dict.fromkeys(found))


def _known(value: float) -> float | None:
    """A score as a number; None where the network has none."""
    return float(value) if np.isfinite(value) else None


def _takes_covariates(entry: BundleMember) -> bool:
    return bool(entry.member.arguments.get("n_covariates", 0))


def _unit_name(unit: UnitFeatures) -> str:
    return unit.participant_id + (f"_ses-{unit.session}" if unit.session else "")
