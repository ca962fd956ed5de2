"""Reading back what units have written: the levels of the app are joined by files, here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_stroke import manifest
from bids_stroke.derivatives import write_table
from bids_stroke.errors import InputError
from bids_stroke.plan import merge_features
from bids_stroke.preprocess import STEPS
from bids_stroke.records import Labelled, Session, StepReport, UnitFeatures
from bids_stroke.tables import check_outcome_column, unit_outcome

if TYPE_CHECKING:
    import pandas as pd

    from bids_stroke.run import Run

STATUS_COLUMNS = (
    "subject", "session", "status", "reason", "seconds", "peak_memory_mb", "model_sha256", "detail"
)  # fmt: skip


def write_status_table(root: Path) -> Path:
    """``logs/status.tsv`` from the status files of all units, of this and of earlier or parallel runs."""
    import pandas as pd

    rows = [json.loads(path.read_text()) for path in sorted((root / "logs" / "status").glob("*.json"))]
    return write_table(root / "logs" / "status.tsv", pd.DataFrame(rows, columns=list(STATUS_COLUMNS)))


def step_reports(root: Path, prefix: str) -> dict[str, StepReport]:
    """Reports of the preprocessing steps of a unit that are on disk."""
    found = {step.name: manifest.read_manifest(manifest.manifest_path(root, prefix, step.name), root) for step in STEPS}
    return {name: item.report for name, item in found.items() if item is not None}


def labelled_cohort(run: Run, sessions: Sequence[Session], dataset_name: str) -> list[Labelled]:
    """Units that have both features (from the participant level) and an outcome.

    Raises
    ------
    UsageError
        No table has the outcome's column.
    InputError
        No unit has features and an outcome.
    """
    outcome = run.settings.outcome
    check_outcome_column(run.selection.bids_dir, outcome.column)
    cohort = []
    for session in sessions:
        score = unit_outcome(run.selection.bids_dir, outcome.column, session.subject, session.session)
        features, missing = merge_features(step_reports(run.output_dir, session.prefix), session, run.settings)
        if score is not None and features:
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


def prediction_files(root: Path, sessions: Sequence[Session]) -> dict[str, dict[str, Any]]:
    """Prediction JSON of each unit that has one, by unit."""
    found = {}
    for session in sessions:
        folder = root / f"sub-{session.subject}" / (f"ses-{session.session}" if session.session else "")
        for path in sorted(folder.glob(f"{session.prefix}_desc-*_prediction.json")):
            found[session.prefix] = json.loads(path.read_text())
    return found
