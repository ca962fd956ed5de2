"""One unit, as the networks of a bundle see it: what each reads, and what it says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bids_stroke.core.errors import MissingModalityError, ModelError
from bids_stroke.core.modalities import BIOMARKERS, CLINICAL, EARLY
from bids_stroke.core.records import Member, UnitFeatures
from bids_stroke.ensemble.applicability import COVARIATES_MISSING, unit_name
from bids_stroke.ensemble.bundle import Bundle, networks_of
from bids_stroke.ensemble.contributions import Numbers
from bids_stroke.ensemble.member import BundleMember
from bids_stroke.ensemble.metadata import bundle_digest
from bids_stroke.ensemble.weights import restore_network
from bids_stroke.features.biomarkers import groups_of
from bids_stroke.features.clinical_rules import values_of
from bids_stroke.features.readers import Samples, read_samples
from bids_stroke.networks.base import POOR_LOGIT, SCORE
from bids_stroke.networks.device import precision_of, reproducible
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


@dataclass(frozen=True, eq=False)
class OneUnit:
    """A unit, read by the members of a bundle on a device; what two members read alike is read once."""

    bundle: Bundle
    unit: UnitFeatures
    place: torch.device
    precision: str
    cache: dict[str, Samples] = field(default_factory=dict)

    def says(self, entry: BundleMember) -> MemberSamples:
        """What a network says of each sample; MissingModalityError where what it needs is not there."""
        member, known = entry.member, values_of(self.unit.covariates, entry.scaler.names)
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
        parts = self._parts(member)
        for part in parts:  # all that can be missing, before anything is computed
            self.samples(part)
        return Samples(np.concatenate([self.features(part) for part in parts])[None], (0.0,))

    def features(self, member: Member) -> NDArray[np.float64]:
        """The numbers of a member that is fitted in one go, mean over its samples: (n_features,)."""
        network = self.network(member)
        assert isinstance(network, ShallowNetwork)  # nobody asks for those of others
        with torch.inference_mode(), reproducible(self.place, 0):
            chunks = torch.split(torch.from_numpy(self.samples(member).data), CHUNK)
            found = torch.cat([network.features(chunk.to(self.place)) for chunk in chunks])
        return np.asarray(found.mean(0).cpu().numpy(), dtype=np.float64)

    def numbers(self, entry: BundleMember) -> Numbers | None:
        """What a linear member read, number by number, and its functions; None of any other member."""
        member, network = entry.member, self.network(entry.member)
        if not isinstance(network, ShallowNetwork) or network.n_trees or network.n_waves:
            return None
        names, kinds = self._columns(member)
        covariates = entry.scaler.transform(values_of(self.unit.covariates, entry.scaler.names))
        told = (*entry.scaler.names, *(f"{name} missing" for name in entry.scaler.names))
        taken = network.arguments.n_covariates
        return Numbers(
            names=(*names, *told[:taken]),
            modalities=(*kinds, *((CLINICAL,) * taken)),
            columns=np.concatenate([self.features(member), covariates[:taken].astype(np.float64)]),
            centre=network.centre.cpu().numpy(),
            spread=network.spread.cpu().numpy(),
            weight=network.weight.cpu().numpy(),
            bias=network.bias.cpu().numpy(),
            score=(entry.score_mean, entry.score_sd),
        )

    def _columns(self, member: Member) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Name of each feature of a member, and what it comes from."""
        if member.modality == EARLY:
            each = [self._columns(part) for part in self._parts(member)]
            return tuple(n for names, _ in each for n in names), tuple(k for _, kinds in each for k in kinds)
        network = self.network(member)
        assert isinstance(network, ShallowNetwork)  # as the callers saw
        names = network.column_names(member.inputs)
        if member.modality == BIOMARKERS:
            groups = tuple(groups_of([name])[0] for name in member.inputs["columns"])
            return names, groups * (len(names) // len(groups))
        return names, (member.modality,) * len(names)


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
