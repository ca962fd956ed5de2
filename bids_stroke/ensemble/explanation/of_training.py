"""Whether the maps of a model's deep members can be believed: the audit of each, on people of its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.records import Labelled, UnitFeatures
from bids_stroke.ensemble.bundle import BundleContents
from bids_stroke.ensemble.explanation.audit import MOST_PEOPLE, Audited, audit
from bids_stroke.ensemble.explanation.looking import Kind, kind_of, spread_evenly
from bids_stroke.ensemble.explanation.verdict import Audit
from bids_stroke.ensemble.member import BundleMember
from bids_stroke.ensemble.weights import restore_network
from bids_stroke.features.clinical_rules import values_of
from bids_stroke.features.readers import read_samples

Array = NDArray[np.float32]
MOST_SAMPLES: Mapping[Kind, int] = {"volume": 1, "slice": 4, "window": 2}
"""Of a person."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What is known of a member's training.

    Attributes
    ----------
    said : (units,) float64
        Probabilities out of fold; NaN where nothing was said.
    shuffled : mapping of str to Tensor, or None
        Weights of the network that was trained on shuffled outcomes; None where there is none.
    """

    said: NDArray[np.float64]
    shuffled: Mapping[str, torch.Tensor] | None = None


def audited(
    contents: BundleContents,
    cohort: Sequence[Labelled],
    train: NDArray[np.int64],
    learned: Mapping[str, Learned],
    where: tuple[torch.device, int, Callable[[str], None]],
) -> BundleContents:
    """The contents with an audit of each deep member.

    Parameters
    ----------
    contents : BundleContents
        Of the trained model.
    cohort : sequence of Labelled
        Its units.
    train : (n,) int
        Those that the networks have learned from: maps of some of them are looked at.
    learned : mapping
        Of the members, by name.
    where : (device, int, callable)
        Device, seed, and what takes a line of text for each member.

    Raises
    ------
    DataError
        A feature file is broken.
    """
    place, seed, progress = where
    poor = np.array([one.poor for one in cohort], dtype=bool)
    found: dict[str, Audit] = {}
    for number, entry in enumerate(contents.members):
        name, kind = entry.member.name, kind_of(entry.member)
        if kind is None:
            continue
        people, rows = _people(entry, kind, [cohort[row].unit for row in train])
        if not people:
            continue
        member = entry.member
        known = learned[name]
        restored = partial(restore_network, member.network, member.arguments, device=place)
        shuffled = restored(state=known.shuffled) if known.shuffled else None
        one = Audited(member, restored(state=contents.states[name]), people, np.stack(rows), known.said, poor, shuffled)
        found[name] = audit(one, kind, seed + 1000 * (number + 1))
        verdict = "nothing found against its maps" if found[name].passed else " ".join(found[name].faults)
        progress(f"{name}: audit of where it looks: {verdict}")
    return replace(contents, audits=found)


def _people(entry: BundleMember, kind: Kind, units: Sequence[UnitFeatures]) -> tuple[list[Array], list[Array]]:
    """Samples and standardised covariates of a few people, spread evenly over those who have what a member reads."""
    member = entry.member
    having = [unit for unit in units if unit.features.get(member.modality)]
    samples, rows = [], []
    for place in spread_evenly(len(having), MOST_PEOPLE):
        unit = having[place]
        try:
            data = read_samples(member.modality, unit.features[member.modality], member.inputs).data
        except MissingModalityError:  # a muscle, say, that this member needs
            continue
        chosen = spread_evenly(len(data), MOST_SAMPLES[kind])
        samples.append(np.asarray(data[chosen], dtype=np.float32))
        rows.append(entry.scaler.transform(values_of(unit.covariates, entry.scaler.names)))
    return samples, rows
