"""A model whose probabilities are learned anew from new people: the same networks, another level (and spread)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bids_stroke.app.belonging import read_belonging
from bids_stroke.bids.labels import ledger_hash
from bids_stroke.core.errors import DataError, InputError, UsageError
from bids_stroke.core.json_files import read_json_object
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import dataset_file, is_named
from bids_stroke.derivatives.predictions import read_prediction
from bids_stroke.ensemble.bundle import Bundle, load_bundle, write_derived
from bids_stroke.ensemble.metadata import METADATA
from bids_stroke.ensemble.records import fusion_json
from bids_stroke.evaluation.bootstrap import Draws
from bids_stroke.evaluation.calibration import calibration_intercept
from bids_stroke.evaluation.kinds import EXTERNAL, apart
from bids_stroke.evaluation.metrics import Array, calibration_slope, finite_logit
from bids_stroke.evaluation.participants import counted, reduce_to_participants
from bids_stroke.evaluation.recalibration import LEAST, LEAST_PER_CLASS, recalibration_table
from bids_stroke.fusion.distribution import Recalibration, expit
from bids_stroke.fusion.fitted import Fusion

if TYPE_CHECKING:
    from collections.abc import Callable

METHODS: Mapping[str, str] = {"intercept": "in_the_large", "slope": "intercept_and_slope"}
"""What is learned: a new level, or level and spread; and the version of `evaluation.recalibration` that judges it."""
ROLE = "recalibration"
"""Of the new people in the bundle's ledger."""
DIGITS = 4


@dataclass(frozen=True, eq=False)
class _NewPeople:
    """Whom a model is recalibrated on.

    Attributes
    ----------
    dataset : str
        Name of theirs.
    people : DataFrame
        A row each: ``participant_id``, ``poor``, ``probability_poor``, ``baseline_<name>``.
    """

    dataset: str
    people: pd.DataFrame

    def of(self, column: str) -> tuple[Array, Array]:
        """Outcomes and probabilities of those who have one."""
        given = self.people.dropna(subset=[column])
        return given["poor"].to_numpy(float), given[column].to_numpy(float)


def recalibrate(
    model: Path, output_dir: Path, folder: Path, method: str = "intercept", say: Callable[[str], object] = print
) -> Bundle:
    """Write the model with its probabilities fitted to the new people whom the level ``group`` has evaluated.

    Parameters
    ----------
    model : Path
        The parent's bundle, with which the people in ``output_dir`` were predicted.
    output_dir : Path
        Of the new cohort, after ``participant`` and ``group``.
    folder : Path
        Of the new bundle; it must not be there.
    method : {"intercept", "slope"}
        A new level, or level and slope.
    say : callable
        Takes a line of text.

    Raises
    ------
    UsageError
        The folder is there, the model has no distribution or is recalibrated itself, or predicted other people.
    InputError
        There is no evaluation in ``output_dir``.
    DataError
        The new people are too few, or the model does not order them.
    """
    if folder.exists():
        raise UsageError(f"{folder} is already there.", "Give a new folder for the recalibrated model.")
    parent = load_bundle(model)
    _check_parent(parent)
    found = _new_people(parent, output_dir)
    judged = _judged(found, method)
    change = _fit(*found.of("probability_poor"), method)
    new = _with_change(read_json_object(model / METADATA), parent, found, change, method)
    new["name"] = folder.name
    new["facts"]["recalibration"] |= judged
    bundle = write_derived(folder, parent, new)
    say(
        f"Recalibrated on {len(found.people)} people of {found.dataset} ({int(found.people['poor'].sum())} poor): "
        f"logit = {change.level:.3f} + {change.slope:.3f} x logit before. They now count as seen by the model."
    )
    return bundle


def _check_parent(parent: Bundle) -> None:
    if parent.fusion.distribution is None:
        raise UsageError(
            f"The model {parent.name} has no distribution of the outcome: there is nothing to recalibrate.",
            "Train a model with the level train.",
        )
    if "recalibration" in parent.facts:
        raise UsageError(
            f"The model {parent.name} is itself recalibrated.",
            f"Recalibrate the model that it was made of, {parent.facts['recalibration']['parent']}.",
        )


def _new_people(parent: Bundle, root: Path) -> _NewPeople:
    """The external people of the evaluation in OUTPUT_DIR, predicted with this very model."""
    path, belonging = dataset_file(root, "group_predictions"), read_belonging(root)
    if belonging is None or not path.is_file():
        raise InputError(
            f"{root} holds no evaluation of the level group.",
            "Run participant with --model, then group, on the new cohort into this OUTPUT_DIR.",
            "no-evaluation",
        )
    for file in sorted(root.glob("sub-*/**/*.json")):
        if is_named(file, "prediction") and read_prediction(file).model["sha256"] != parent.sha256:
            raise UsageError(
                f"{file} was not made with the model {parent.path}.",
                "Run participant and group again with this --model.",
            )
    table = pd.read_csv(path, sep="\t", na_values="n/a", dtype={"session_id": str})
    rows = apart(table).get(EXTERNAL)
    settings = Settings(outcome=Outcome.parse(parent.outcome))
    if rows is None or not len(counted(rows)):
        raise DataError(
            f"Nobody in {path} is new to the model and has a known outcome: people of the training cohort, or of whom "
            "nobody knows, do not count.",
            "Recalibrate on people on whom the model was not trained.",
            "no-new-people",
        )
    people = reduce_to_participants(rows, settings)[0]
    if seen := [name for name in people["participant_id"] if parent.saw(belonging.name, str(name)) is not False]:
        raise DataError(
            f"{', '.join(map(str, seen[:5]))} of {belonging.name} were in the model's training, though {path} says "
            "otherwise.",
            "Run participant and group again.",
            "in-training-set",
        )
    return _NewPeople(belonging.name, people)


def _judged(found: _NewPeople, method: str) -> dict[str, Any]:
    """Figures of the probabilities before and after, cross-validated; DataError where the people are too few."""
    table = recalibration_table(found.people, Draws(2000, 0))
    after = table[table["version"] == METHODS[method]]
    if after["value"].isna().any():
        reason = next(str(text) for text in after["reason"] if text)
        raise DataError(f"Not recalibrated: {reason}.", "Add people, or their outcomes.", "too-few-participants")
    return {"before": _figures(table[table["version"] == "original"]), "judged": _figures(after)}


def _figures(rows: pd.DataFrame) -> dict[str, Any]:
    numbers = rows[["value", "low", "high"]].round(DIGITS).astype(object)
    values = numbers.where(numbers.notna(), None).to_numpy().tolist()
    return {
        "participants": int(rows["n"].iloc[0]),
        "poor": int(rows["n_poor"].iloc[0]),
        "quantities": dict(zip(rows["quantity"], values, strict=True)),
    }


def _fit(poor: Array, probability: Array, method: str) -> Recalibration:
    """The map by logistic regression on the logit, its variance by the information at what was found.

    Raises
    ------
    DataError
        The probabilities do not order the outcomes, or separate them completely.
    """
    once, logit = np.ones((1, len(poor))), finite_logit(probability)
    slope = float(calibration_slope(poor, probability, once)[0]) if method == "slope" else 1.0
    if not (np.isfinite(slope) and slope > 0):
        raise DataError(
            f"No slope can be learned from these people (it would be {slope:.3g}): the probabilities do not rise with "
            "the outcomes, or separate them completely.",
            "Use --method intercept, or train a model on these people.",
            "no-slope",
        )
    level = float(calibration_intercept(poor, expit(slope * logit), once)[0])
    fitted = expit(level + slope * logit)
    weight = fitted * (1 - fitted)
    if method == "intercept":
        return Recalibration(level, 1.0, (1 / float(weight.sum()), 0.0, 0.0))
    n, x, xx = (float((weight * part).sum()) for part in (np.ones_like(logit), logit, logit**2))
    size = n * xx - x**2
    return Recalibration(level, slope, (xx / size, -x / size, n / size))


def _with_change(
    metadata: dict[str, Any], parent: Bundle, found: _NewPeople, change: Recalibration, method: str
) -> dict[str, Any]:
    """The parent's metadata with the map in its distribution, and those of its baselines, and the people's marks."""
    major, minor, *_ = parent.version.split(".")
    version = f"{major}.{int(minor) + 1}.0"
    poor = int(found.people["poor"].sum())
    metadata["baselines"] = [
        entry | _baseline(found, one.name, one.fusion, method)
        for entry, one in zip(metadata["baselines"], parent.baselines, strict=True)
    ]
    text = f"Recalibrated ({method}) on {len(found.people)} people of {found.dataset}; made of {parent.sha256}."
    people = [ledger_hash(parent.salt, found.dataset, str(name)) for name in found.people["participant_id"]]
    facts = {
        "parent": parent.name,
        "parent_version": parent.version,
        "parent_sha256": parent.sha256,
        "method": method,
        "datasets": [found.dataset],
        "participants": len(found.people),
        "poor": poor,
        "level": change.level,
        "slope": change.slope,
    }
    return (
        metadata
        | fusion_json(_changed(parent.fusion, change))
        | {
            "version": version,
            "changelog": {**metadata["changelog"], version: text},
            "participants": {**metadata["participants"], ROLE: sorted(people)},
            "facts": {**metadata["facts"], "recalibration": facts},
        }
    )


def _changed(fusion: Fusion, change: Recalibration) -> Fusion:
    assert fusion.distribution is not None  # as `_check_parent` saw; a baseline has one
    return replace(fusion, distribution=fusion.distribution.recalibrated(change))


def _baseline(found: _NewPeople, name: str, fusion: Fusion, method: str) -> dict[str, Any]:
    """A baseline's fusion on the same people, or the comparison would not be fair; as it was where they are too few."""
    column = f"baseline_{name}"
    if column not in found.people:
        return {}
    poor, said = found.of(column)
    if len(poor) < LEAST or min(poor.sum(), len(poor) - poor.sum()) < LEAST_PER_CLASS:
        return {}
    try:
        return fusion_json(_changed(fusion, _fit(poor, said, method)))
    except DataError:
        return {}
