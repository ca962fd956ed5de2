"""Who was what to a model, and what they were like: the bundle's ledger of participants, its profile and its facts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_stroke.bids.labels import ledger_hash
from bids_stroke.core.settings import Settings
from bids_stroke.ensemble.bundle import TEST, BundleContents
from bids_stroke.ensemble.profile import LEAST_PEOPLE, CohortProfile, fit_profile
from bids_stroke.features.summary import quantity, quantity_names, summary_numbers
from bids_stroke.training.cohort import Cohort
from bids_stroke.training.cross_validation import TrainedMember
from bids_stroke.training.late_fusion import Fused

Rows = NDArray[np.int64]

LEFT_OUT = "left_out_members"
"""Among the facts of a model: members that were trained and are not in it, and why."""
SMALLEST = 5
"""People of a group that is counted: of fewer, who knows one of them may tell the others."""


def identity(cohort: Cohort, rows: Rows) -> dict[str, Any]:
    """Dataset, participant and session of the rows, as columns."""
    units = [cohort.units[row].unit for row in rows]
    return {
        "dataset": [unit.dataset for unit in units],
        "participant_id": [unit.participant_id for unit in units],
        "session_id": [f"ses-{unit.session}" if unit.session else None for unit in units],
    }


def with_roles(contents: BundleContents, cohort: Cohort, part_of: Mapping[str, Rows]) -> BundleContents:
    """The contents of a fixed split's bundle with everybody's role in it; those of nested folds as they are.

    Parameters
    ----------
    contents : BundleContents
        With everybody as ``train``.
    cohort : Cohort
        Whose rows these are.
    part_of : mapping
        Role -> rows, from `folds.roles`.
    """
    if set(part_of) == {"train"}:
        return contents
    tables = {role: pd.DataFrame(identity(cohort, rows)) for role, rows in part_of.items()}
    people = {role: dict.fromkeys(zip(t["dataset"], t["participant_id"], strict=True)) for role, t in tables.items()}
    return replace(
        contents,
        participants={role: tuple(ledger_hash(contents.salt, *who) for who in own) for role, own in people.items()},
        splits=pd.concat([table.assign(role=role) for role, table in tables.items()], ignore_index=True),
        facts={**contents.facts, "participants_by_role": {role: len(own) for role, own in people.items()}},
    )


def cohort_profile(cohort: Cohort, modalities: Collection[str], part_of: Mapping[str, Rows]) -> CohortProfile | None:
    """The people from whom a model learns, in numbers: those that its members may know people by.

    Parameters
    ----------
    cohort : Cohort
        Whose rows these are.
    modalities : collection of str
        Of the members.
    part_of : mapping
        Role -> rows, from `folds.roles`; of people in the test part nothing is learned.

    Raises
    ------
    DataError
        A map or a table of biomarkers is broken.
    """
    names = quantity_names((*cohort.names, cohort.first_name), modalities)
    rows = np.sort(np.concatenate([own for role, own in part_of.items() if role != TEST]))
    known = [summary_numbers(cohort.units[row].unit, names) for row in rows]
    values = np.array([[numbers.get(name, np.nan) for name in names] for numbers in known])
    people = [cohort.participants[row] for row in rows]
    return fit_profile(names, [quantity(name).skewed for name in names], values, people)


def population(cohort: Cohort) -> dict[str, Any]:
    """What may be told of the people beside the quantiles of their profile: how many are known, and their sex.

    Returns
    -------
    dict
        ``known``: people of whom each covariate is known in some examination; ``women`` and ``men``, None where there
        are fewer than LEAST_PEOPLE of known sex, or fewer than SMALLEST of one, who might be recognised.
    """
    columns = dict(zip(cohort.names, cohort.covariates.T, strict=True)) | {cohort.first_name: cohort.first}
    whom = np.array(cohort.participants, dtype=object)
    known = {name: len(set(whom[np.isfinite(values)])) for name, values in columns.items()}
    men, women = (len(set(whom[columns.get("sex", cohort.first * np.nan) == value])) for value in (1.0, 0.0))
    told = men + women >= LEAST_PEOPLE and min(men, women) >= SMALLEST
    return {"known": known, "women": women if told else None, "men": men if told else None}


def model_facts(cohort: Cohort, members: Sequence[TrainedMember], settings: Settings) -> dict[str, Any]:
    """What the model card tells of a training: the people, the inputs of each member, the settings."""
    training = settings.training
    nested = {"outer_folds": training.outer_folds, "inner_folds": training.inner_folds, "repeats": training.repeats}
    return {
        "datasets": sorted({unit.unit.dataset for unit in cohort.units}),
        "participants": len(set(cohort.participants)),
        "units": len(cohort.units),
        "units_with_poor_outcome": int(cohort.poor.sum()),
        "population": population(cohort),
        "units_per_member": {entry.member.name: entry.n_units for entry in members},
        "epochs_or_steps_per_member": {e.member.name: round(float(np.nanmedian(e.folds.epochs))) for e in members},
        "split": training.split,
        **(nested if training.split == "nested" else {}),
        "seed": settings.seed,
        "settings_sha256": settings.digest(),
        "settings": _settings_to_tell(settings),
    }


def _settings_to_tell(settings: Settings) -> dict[str, Any]:
    """All settings for the bundle, which others read: of a folder with starting weights its own name only."""
    told = settings.model_dump(mode="json")
    for member in told["training"]["members"].values():
        if member.get("pretrained_dir") is not None:
            member["pretrained_dir"] = Path(str(member["pretrained_dir"])).name
    return told


def idle_facts(members: Sequence[TrainedMember], fused: Fused) -> dict[str, dict[str, str]]:
    """Members that are not kept, and why; nothing where all are."""
    modality_of = {entry.member.name: entry.member.modality for entry in members}
    found = {
        name: f"it earned {weight:.3f} of the weight beside others on {modality_of[name]}"
        for name, weight in fused.left_out.items()
    }
    return {LEFT_OUT: found} if found else {}
