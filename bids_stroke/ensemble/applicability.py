"""What should be said beside a prediction, and why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bids_stroke.core.errors import DataError
from bids_stroke.core.modalities import EARLY
from bids_stroke.core.records import UnitFeatures
from bids_stroke.ensemble.bundle import Bundle
from bids_stroke.ensemble.member import BundleMember
from bids_stroke.ensemble.profile import CohortProfile
from bids_stroke.features.covariates import covariate_notes, covariate_values
from bids_stroke.features.summary import quantity, summary_numbers
from bids_stroke.fusion.fitted import Fusion

COVARIATES_MISSING = "covariates-missing"
"""Why a member says nothing of a person whose age, sex or time since stroke it needs and nobody knows."""


def remarks(bundle: Bundle, unit: UnitFeatures, names: list[str], fusion: Fusion) -> dict[str, Any]:
    """What a prediction says of itself: `Prediction.warnings` and `Prediction.applicability`.

    Parameters
    ----------
    bundle, unit : Bundle, UnitFeatures
        What was predicted with, and of whom.
    names : list of str
        Members that applied.
    fusion : Fusion
        Theirs.
    """
    numbers = summary_numbers(unit, bundle.profile.names) if bundle.profile else {}
    found = warnings(bundle, unit, names, fusion)
    if bundle.profile:
        found += far_from_cohort(bundle.profile, numbers)
    return {
        "warnings": (*found, *_notes(bundle, unit), *unit.notes),
        "applicability": measured(bundle.profile, numbers) if bundle.profile else None,
    }


def warnings(bundle: Bundle, unit: UnitFeatures, names: list[str], fusion: Fusion) -> list[str]:
    """What a reader should know of the model and what it lacked; ``names``: what applied, fused by ``fusion``."""
    found = []
    if bundle.demonstration:
        found.append("Demonstration ensemble trained on synthetic data: this prediction means nothing for a patient.")
    seen = bundle.saw(unit.dataset, unit.participant_id)
    if seen is None:
        found.append("Nobody knows who the model was trained on: whether this participant was, cannot be told.")
    if seen:
        found.append("This participant was in the training set: the prediction is no evidence of the model's worth.")
    if bundle.fusion.distribution is None:
        found.append(
            "The model is not calibrated: its probability has no interval, and the prediction is the more likely "
            "outcome, without the choice to abstain."
        )
    if told := bundle.facts.get("recalibration"):
        found.append(
            f"The level of the probabilities was learned anew from {told['participants']} people of "
            f"{', '.join(told['datasets'])}: they hold for people like those."
        )
    if lacking := _lacking(bundle, unit):
        found.append(f"{', '.join(lacking)} unknown: members that cannot do without are left out.")
    found += _lost_weight(bundle, names, fusion)
    with_covariates = [entry for entry in bundle.fitted if _takes_covariates(entry) and entry.member.name in names]
    if with_covariates:
        scaler = max((entry.scaler for entry in with_covariates), key=lambda item: len(item.names))
        found += scaler.complaints(covariate_values(unit.covariates, scaler.names))
    return found


def measured(profile: CohortProfile, numbers: Mapping[str, float]) -> dict[str, Any] | None:
    """How far a person is from the training people: as a whole, and number by number; None where nothing is known.

    Returns
    -------
    dict
        ``distance``, the largest of the numbers' (1: as far as the 1st or the 99th percentile), ``limit`` beyond which
        is warned, ``percentile`` of the training people who are nearer (99: that or more), and ``numbers``: name ->
        ``value``, its ``percentile`` among them (1 and 99: or beyond), its ``distance``.
    """
    distance = profile.distance(numbers)
    if distance is None:
        return None
    each = {
        one.name: {
            "value": numbers[one.name],
            "percentile": round(one.percentile(numbers[one.name]), 1),
            "distance": round(one.distance(numbers[one.name]), 3),
        }
        for one in profile.ranges
        if one.name in numbers
    }
    return {
        "distance": round(distance, 3),
        "limit": profile.limit,
        "percentile": round(profile.percentile(distance), 1),
        "numbers": each,
    }


def far_from_cohort(profile: CohortProfile, numbers: Mapping[str, float]) -> list[str]:
    """A sentence for each number that lies further from the training people than one of a hundred of them does.

    Parameters
    ----------
    profile : CohortProfile
        Of the training people.
    numbers : mapping of str to float
        Those that are known of a person; the others say nothing.

    Examples
    --------
    >>> from bids_stroke.ensemble.profile import Range
    >>> of_age = Range("age", False, (40.0, 45.0, 60.0, 66.0, 72.0, 80.0, 86.0), 100)
    >>> of_cohort = CohortProfile((of_age,), (0.3, 0.5, 0.8, 0.9, 1.2), 100)
    >>> far_from_cohort(of_cohort, {"age": 19.0})[0].partition(",")[0]
    'age is 19 years'
    >>> far_from_cohort(of_cohort, {"age": 90.0})
    []
    """
    far = [(one.distance(numbers[one.name]), one) for one in profile.ranges if one.name in numbers]
    found = []
    for _, one in sorted((pair for pair in far if pair[0] > profile.limit), key=lambda pair: -pair[0]):
        what = quantity(one.name)
        unit = f" {what.unit}" if what.unit else ""
        low, high = map(_shown, one.middle)
        found.append(
            f"{what.words} is {_shown(numbers[one.name])}{unit}, far from the people whom the model was trained on "
            f"(nine of ten of them: {low} to {high}{unit}): what it predicts may not hold."
        )
    return found


def _shown(value: float) -> str:
    """Three digits, and 1500 rather than 1.5e+03."""
    return f"{float(f'{value:.3g}'):g}"


def _lost_weight(bundle: Bundle, names: list[str], fusion: Fusion) -> list[str]:
    """How much of the weight the members hold that applied, where some did not, and what was done about it."""
    applied = sum(entry.member.name in names for entry in bundle.members)
    if applied == len(bundle.members):
        return []
    lacks_early = bundle.early is not None and EARLY not in names
    weights = bundle.fusion.weights
    weight = sum(weights[name] for name in names) / sum(weights.values())
    own = "they have weights and a distribution of their own"
    done = "the weights were renormalised" if fusion == bundle.fusion else own
    what = f"{applied} of {len(bundle.members)} members" + (" and no early fusion" if lacks_early else "")
    return [f"{what} applied, which hold {weight:.0%} of the weight; {done}."]


def _notes(bundle: Bundle, unit: UnitFeatures) -> list[str]:
    """What should be known of how the covariates were read that some member takes."""
    taken = [name for entry in bundle.fitted if _takes_covariates(entry) for name in entry.scaler.names]
    return [str(note) for note in covariate_notes(unit.covariates, tuple(dict.fromkeys(taken)))]


def nobody_applies(bundle: Bundle, unit: UnitFeatures, missing: Mapping[str, str]) -> DataError:
    """The error for a unit that no member can say anything of; ``missing``: member -> reason code."""
    why = "; ".join(f"{name}: {reason.replace('-', ' ')}" for name, reason in missing.items())
    lacking = ", ".join(_lacking(bundle, unit)) if COVARIATES_MISSING in missing.values() else ""
    unknown = "; ".join([f"; {lacking} unknown", *_notes(bundle, unit)]) if lacking else ""
    wanted = f"{lacking} to participants.tsv or sessions.tsv" if lacking else "a modality that the model uses"
    return DataError(
        f"{unit_name(unit)}: no member of the model {bundle.name} applies ({why}{unknown}).",
        f"Add {wanted}, or give another --model.",
        "no-member-applies",
    )


def _lacking(bundle: Bundle, unit: UnitFeatures) -> tuple[str, ...]:
    """Covariates of the unit that are missing and that some member cannot do without."""
    scalers = [entry.scaler for entry in bundle.fitted]
    found = [name for item in scalers for name in item.lacking(covariate_values(unit.covariates, item.names))]
    return tuple(dict.fromkeys(found))


def _takes_covariates(entry: BundleMember) -> bool:
    return bool(entry.member.arguments.get("n_covariates", 0))


def unit_name(unit: UnitFeatures) -> str:
    """Participant and session, as files are named."""
    return unit.participant_id + (f"_ses-{unit.session}" if unit.session else "")
