"""A unit's prediction: made of what its steps gave, and written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType

from bids_stroke.app.model import Model
from bids_stroke.app.plan import UnitTask, known_before, merge_features
from bids_stroke.app.unit.explanation import forget_explanations, write_explanations
from bids_stroke.bids.choice.unread import in_sentences
from bids_stroke.core.errors import DataError
from bids_stroke.core.records import Session, StepReport, UnitFeatures
from bids_stroke.derivatives.outputs import Outputs, tsv_text
from bids_stroke.derivatives.predictions import prediction_json, prediction_row
from bids_stroke.networks.torch_import import import_torch


def predict_unit(
    task: UnitTask, model: Model, reports: Mapping[str, StepReport], outputs: Outputs, failed: Iterable[str]
) -> StepReport:
    """Predict and write the prediction as JSON and as a table of one row; it says which steps failed.

    Raises
    ------
    DataError
        The unit has no modality at all, or none that a member of the ensemble takes.
    """
    import pandas as pd

    import_torch()
    from bids_stroke.ensemble.bundle import load_bundle
    from bids_stroke.ensemble.explanation.of_unit import explain
    from bids_stroke.ensemble.predict import predict_here, unit_here
    from bids_stroke.features.clinical_rules import clinical_rules

    session = task.session
    features, missing = merge_features(reports, session, task.settings)
    if not features:
        raise no_modality(session, missing, reports)
    known = known_before(session, task.settings.outcome.column)
    unit = UnitFeatures(session.subject, session.session, features, missing, known, task.dataset, session.notes)
    bundle = load_bundle(model.path)
    here = unit_here(bundle, unit, device=task.device, precision=task.settings.precision)
    prediction = predict_here(here)
    broken = [f"Predicted without {name}, which failed: {' '.join(reports[name].warnings)}" for name in failed]
    rules = tuple(asdict(result) for result in clinical_rules(known))
    prediction = replace(prediction, rules=rules, warnings=(*prediction.warnings, *broken))
    path, table = prediction_paths(task)
    content = prediction_json(prediction) | {
        "Sources": outputs.sources(item for paths in features.values() for item in paths)
    }
    outputs.save(path, lambda temporary: temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n"))
    row = pd.DataFrame([prediction_row(prediction)])
    outputs.save(table, lambda temporary: temporary.write_text(tsv_text(row)))
    files = {"prediction": path}
    forget_explanations(outputs)
    if task.settings.explain and (found := explain(here, prediction)):
        files["explanation"] = write_explanations(task, found, reports, outputs)
    return StepReport(files=files, warnings=prediction.warnings)


def no_modality(
    session: Session, missing: Mapping[str, str], reports: Mapping[str, StepReport] = MappingProxyType({})
) -> DataError:
    """The error of a unit that nothing can be computed of, in the words of the steps of which nothing came."""
    reasons = sorted({reason.replace("-", " ") for reason in missing.values()})
    told = [text.rstrip(".") for report in reports.values() if report.missing and not report.outputs
            for text in report.warnings]  # fmt: skip
    text = "; ".join([*reasons, *dict.fromkeys(told), *in_sentences(session.left_out)])
    remedy = "Look at --dry-run for what was found."
    return DataError(f"{session.prefix} has no usable modality: {text}.", remedy, "no-usable-modality")


def prediction_paths(task: UnitTask) -> tuple[Path, Path]:
    """Where the prediction of a unit lies: JSON, and a table of one row; ``desc`` tells the outcome."""
    label = re.sub(r"[^A-Za-z0-9]", "", task.settings.outcome.column)
    return task.outputs.path("prediction", desc=label), task.outputs.path("prediction_table", desc=label)
