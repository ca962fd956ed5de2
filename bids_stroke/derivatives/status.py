"""Reading back what units have written: the levels of the app are joined by files, here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bids_stroke.app.plan import merge_features, recipe
from bids_stroke.bids.phenotype import check_labels, check_outcome_column, unit_outcome
from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.records import Labelled, Prediction, Session, StepReport, UnitFeatures, UnitStatus
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.outputs import Outputs, write_json, write_table
from bids_stroke.derivatives.predictions import read_prediction
from bids_stroke.preprocess.registry import STEPS
from bids_stroke.quality.judge import cohort_table, write_cohort_table, write_unit_table

if TYPE_CHECKING:
    from bids_stroke.app.request import Run

STATUS_COLUMNS = (
    "subject", "session", "status", "reason", "seconds", "peak_memory_mb", "model_sha256", "detail"
)  # fmt: skip


def write_status(root: Path, status: UnitStatus) -> None:
    """How one unit ended, in a file of its own, so that parallel jobs do not touch each other's.

    A unit that was up to date keeps the numbers of the run that made it.
    """
    prefix = f"sub-{status.subject}" + (f"_ses-{status.session}" if status.session else "")
    path = root / "logs" / "status" / f"{prefix}.json"
    if status.status != "skipped" or not path.is_file():
        write_json(path, asdict(status))


def write_status_table(root: Path) -> Path:
    """``logs/status.tsv`` from the status files of all units, of this and of earlier or parallel runs."""
    import pandas as pd

    rows = [asdict(status) for status in read_statuses(root)]
    return write_table(root / "logs" / "status.tsv", pd.DataFrame(rows, columns=list(STATUS_COLUMNS)))


def read_statuses(root: Path) -> list[UnitStatus]:
    """How each unit ended, of all runs into this folder, by unit."""
    return [UnitStatus(**json.loads(path.read_text())) for path in sorted((root / "logs" / "status").glob("*.json"))]


def step_reports(root: Path, prefix: str) -> dict[str, StepReport]:
    """Reports of the preprocessing steps of a unit that are on disk."""
    found = {step.name: manifest.read_manifest(manifest.manifest_path(root, prefix, step.name), root) for step in STEPS}
    return {name: item.report for name, item in found.items() if item is not None}


def write_group_quality(root: Path, sessions: Sequence[Session]) -> Path:
    """``group_quality.tsv``: the quality numbers of the units that have any, judged alone and beside each other."""
    units = {(item.subject, item.session): step_reports(root, item.prefix) for item in sessions}
    return write_cohort_table(
        root / "group_quality.tsv", cohort_table({unit: own for unit, own in units.items() if own})
    )


def labelled_cohort(run: Run, sessions: Sequence[Session], dataset_name: str) -> list[Labelled]:
    """Units that have both features (from the participant level) and an outcome.

    Raises
    ------
    UsageError
        No table has the outcome's column, a person has two labels, or features were made with other settings or
        another version.
    InputError
        No unit has features and an outcome.
    """
    outcome = run.settings.outcome
    check_outcome_column(run.selection.bids_dir, outcome.column)
    check_labels(run.selection.bids_dir, sorted({f"sub-{session.subject}" for session in sessions}))
    cohort = []
    for session in sessions:
        score = unit_outcome(run.selection.bids_dir, outcome.column, session.subject, session.session)
        reports = step_reports(run.output_dir, session.prefix)
        features, missing = merge_features(reports, session, run.settings)
        if score is not None and features:
            check_same_recipe(run.output_dir, session.prefix, run.settings)
            known = {key: value for key, value in session.covariates.items() if key != outcome.column}
            unit = UnitFeatures(session.subject, session.session, features, missing, known, dataset_name)
            cohort.append(Labelled(unit, score, outcome.is_poor(score)))
    if not cohort:
        raise InputError(
            f"No unit in {run.output_dir} has both features and a value of '{outcome.column}'.",
            "Run the participant level on this dataset first, into the same OUTPUT_DIR.",
            "no-features",
        )
    return cohort


def check_same_recipe(root: Path, prefix: str, settings: Settings) -> None:
    """UsageError where features were made with other settings, another seed or another version than this run's.

    A model is known by the settings of its training: features of several kinds must not meet in it.
    """
    for step in STEPS:
        done = manifest.read_manifest(manifest.manifest_path(root, prefix, step.name), root)
        if done and done.report.outputs and done.key.split(":")[0] != recipe(step, settings):
            raise UsageError(
                f"{prefix}: the features of the step {step.name} were made with other settings, or by another version "
                "of bids_stroke, than this run has.",
                "Give the same --config as at the participant level, or run that level again.",
            )


def read_predictions(root: Path, sessions: Sequence[Session]) -> dict[str, Prediction]:
    """Predictions of the units that have one, by unit."""
    found = {}
    for session in sessions:
        done = manifest.read_manifest(manifest.manifest_path(root, session.prefix, "prediction"), root)
        if done is not None and done.report.files["prediction"].is_file():
            found[session.prefix] = read_prediction(done.report.files["prediction"])
    return found


def write_participant_reports(
    root: Path, sessions: Sequence[Session], member_modality: Mapping[str, str]
) -> list[Path]:
    """``sub-<label>.html`` of each subject, and ``_quality.tsv`` of its sessions, from what those that ran left."""
    from bids_stroke.report.participant import UnitReport, write_participant_report

    predictions = read_predictions(root, sessions)
    ended = {(status.subject, status.session): status for status in read_statuses(root)}
    units: dict[str, list[UnitReport]] = {}
    for session in sessions:
        status = ended.get((session.subject, session.session))
        if status is None:
            continue
        steps = step_reports(root, session.prefix)
        folder = Outputs(root, session.subject, session.session).folder
        drawn = manifest.read_manifest(manifest.manifest_path(root, session.prefix, "figures"), root)
        failed = status.status == "failed"
        unit = UnitReport(
            session.subject,
            session.session,
            prediction=None if failed else predictions.get(session.prefix),
            steps=steps,
            figures=tuple(drawn.report.files.values()) if drawn else (),
            status=status,
            member_modality=member_modality,
            unused=session.left_out,
            quality_file=write_unit_table(folder / f"{session.prefix}_quality.tsv", steps) if steps else None,
        )
        units.setdefault(session.subject, []).append(unit)
    return [write_participant_report(root, subject, own) for subject, own in units.items()]
