"""One unit from files to prediction: what a worker process runs."""

from __future__ import annotations

import json
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from bids_stroke.app.failures import as_ours, is_of_data
from bids_stroke.app.logs import unit_log
from bids_stroke.app.model import Model
from bids_stroke.app.plan import Stage, UnitTask, merge_features, missing_inputs, plan_unit
from bids_stroke.bids.choice.unread import in_sentences
from bids_stroke.core.errors import BidsStrokeError, DataError, MissingModalityError
from bids_stroke.core.records import Session, StepReport, UnitFeatures, UnitStatus
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.outputs import Outputs, remove_temporary, tsv_text
from bids_stroke.derivatives.predictions import prediction_json, prediction_row
from bids_stroke.derivatives.status import write_running
from bids_stroke.networks.torch_import import import_torch
from bids_stroke.preprocess.registry import STEPS, Step, StepContext


@dataclass(frozen=True)
class UnitResult:
    """How a unit ended, with the seconds of each stage that ran, why it had to, and how much its steps have to say."""

    status: UnitStatus
    seconds: Mapping[str, float]
    why: Mapping[str, str]
    n_warnings: int = 0


def run_unit(task: UnitTask) -> UnitResult:
    """Bring a unit up to date: preprocess, predict, draw.

    A step that fails does not stop the others: their files are kept, the unit counts as failed, and the next run
    goes on from there. Where it failed on the data, its modalities are missing like any others: what builds on it, and
    the prediction, are made without them, and say so. After any other failure there is no prediction.

    Raises
    ------
    OutputError
        That the unit runs, or its log, cannot be written.
    """
    begin = time.monotonic()
    write_running(task.output_dir, task.session.subject, task.session.session)
    seconds: dict[str, float] = {}
    why: dict[str, str] = {}
    reports: dict[str, StepReport] = {}
    failures: dict[str, BidsStrokeError] = {}
    stages = plan_unit(task)
    if task.session.error:
        failures["discovery"] = DataError(task.session.error, reason="unreadable-sidecar")
    elif not any(stage.step for stage in stages):
        failures["discovery"] = no_modality(task.session, missing_inputs(task.session, task.settings))
        stages = []
    _forget_unplanned(task, {stage.name for stage in stages})
    remove_temporary(path for path in (task.outputs.folder, *task.outputs.folder.glob("*")) if path.is_dir())
    with unit_log(task.output_dir, task.session.prefix) as log:
        for stage in stages:
            stage = stage.without(_of_data(failures))
            start = time.monotonic()
            try:
                report, why[stage.name] = stage.earlier_report(task)
                if report is None:
                    report = _run_stage(task, stage, reports, failures)
                    seconds[stage.name] = time.monotonic() - start
                    log.info("%s: %.1f s (%s)", stage.name, seconds[stage.name], why[stage.name])
                if report is not None:
                    reports[stage.name] = report
            except Exception as error:  # one stage's failure, also one of our own making, never stops the others
                log.exception("%s", stage.name)
                failures[stage.name] = as_ours(error, _places(task))
                if stage.step is not None and is_of_data(failures[stage.name]):
                    reports[stage.name] = _nothing(task, stage.step, failures[stage.name])
        missing = missing_of(task, reports)
        if not failures and set(missing) >= set(task.settings.modalities):
            failures["features"] = no_modality(task.session, missing, reports)
        if any(name not in STEPS or not is_of_data(error) for name, error in failures.items()):
            _forget_prediction(task)
        status = _status(task, failures, time.monotonic() - begin, bool(seconds))
        told = dict.fromkeys(text for name in STEPS if name in reports for text in reports[name].warnings)
        status = replace(status, missing=missing_in_words(missing), warnings=" ".join(told))
        return UnitResult(status, seconds, why, len(told))


def _of_data(failures: Mapping[str, BidsStrokeError]) -> dict[str, str]:
    """Steps that failed on the data, with the reason."""
    return {name: error.reason for name, error in failures.items() if name in STEPS and is_of_data(error)}


def _places(task: UnitTask) -> dict[str, Path]:
    return {"OUTPUT_DIR": task.output_dir, "The work folder": task.work_dir}


def _nothing(task: UnitTask, step: Step, error: BidsStrokeError) -> StepReport:
    """The report of a step of which nothing came: its modalities are missing."""
    modalities = sorted(set(step.modalities) & set(task.settings.modalities))
    return StepReport(missing=dict.fromkeys(modalities, error.reason), warnings=(str(error),))


def missing_of(task: UnitTask, reports: Mapping[str, StepReport]) -> dict[str, str]:
    """The reason for each wanted modality that the unit lacks, by what its stages said."""
    _, missing = merge_features(reports, task.session, task.settings)
    return {modality: missing[modality] for modality in task.settings.modalities if modality in missing}


def missing_in_words(missing: Mapping[str, str]) -> str:
    """Modalities that are missing, together where they have one reason.

    >>> missing_in_words({"fa": "no-dwi", "lesion": "no-lesion", "md": "no-dwi"})
    'fa md: no-dwi; lesion: no-lesion'
    """
    names = {reason: [name for name in missing if missing[name] == reason] for reason in missing.values()}
    return "; ".join(f"{' '.join(same)}: {reason}" for reason, same in names.items())


def _forget_unplanned(task: UnitTask, planned: set[str]) -> None:
    """Remove manifests of steps that this run does not have: train and group must not read them."""
    for step in STEPS.values():
        if step.name not in planned and set(step.modalities) & set(task.settings.modalities):
            manifest.manifest_path(task.output_dir, task.session.prefix, step.name).unlink(missing_ok=True)


def _forget_prediction(task: UnitTask) -> None:
    """Remove the prediction of an earlier run: it is not what these inputs give."""
    manifest.manifest_path(task.output_dir, task.session.prefix, "prediction").unlink(missing_ok=True)
    for path in prediction_paths(task):
        path.unlink(missing_ok=True)


def _run_stage(
    task: UnitTask, stage: Stage, reports: Mapping[str, StepReport], failures: Mapping[str, BidsStrokeError]
) -> StepReport | None:
    """Run a stage and write its manifest; None where something that it builds on has failed."""
    outputs = task.outputs
    stage.manifest_path(task).unlink(missing_ok=True)  # what an earlier run said of it holds no longer
    if stage.step is not None:
        if any(name in failures and name not in reports for name in stage.step.builds_on(task.settings)):
            return None
        report = _run_step(task, stage.step, reports, outputs)
    elif stage.name == "prediction" and task.model is not None:
        if failures.keys() - reports.keys():
            return None
        report = _predict(task, task.model, reports, outputs, failures)
    else:
        report = _draw(reports, outputs)
        if failures:  # drawn for the report, but without a manifest: to be drawn again when all is there
            return report
    done = manifest.make_manifest(task.output_dir, stage.recipe, stage.inputs, outputs.written, report)
    manifest.write_manifest(stage.manifest_path(task), task.output_dir, done)
    return report


def _run_step(task: UnitTask, step: Step, reports: Mapping[str, StepReport], outputs: Outputs) -> StepReport:
    task.work_dir.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{task.session.prefix}_{step.name}_", dir=task.work_dir))
    earlier = {name: reports[name] for name in step.builds_on(task.settings) if name in reports}
    try:
        return run_and_mirror(step, StepContext(task.session, outputs, task.settings, earlier, work))
    except MissingModalityError as error:
        return _nothing(task, step, error)
    except Exception as error:  # named while the disk is still as full as the step saw it
        raise as_ours(error, _places(task)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run_and_mirror(step: Step, context: StepContext) -> StepReport:
    """Run a preprocessing step; where ``lesion_side: normalise`` asks for it, mirror what it wrote in standard space.

    Raises
    ------
    DataError, MissingModalityError
        From `Step.run`.
    """
    report = step.run(context)
    if context.settings.lesion_side == "as-is":
        return report
    from bids_stroke.preprocess.hemisphere import normalise  # here, because it imports nibabel

    return normalise(context, report)


def _predict(
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
    from bids_stroke.ensemble import predict
    from bids_stroke.ensemble.bundle import load_bundle

    session = task.session
    features, missing = merge_features(reports, session, task.settings)
    if not features:
        raise no_modality(session, missing, reports)
    known = session.covariates
    unit = UnitFeatures(session.subject, session.session, features, missing, known, task.dataset, session.notes)
    bundle = load_bundle(model.path)
    prediction = predict.predict(bundle, unit, device=task.device, precision=task.settings.precision)
    broken = [f"Predicted without {name}, which failed: {' '.join(reports[name].warnings)}" for name in failed]
    prediction = replace(prediction, warnings=(*prediction.warnings, *broken))
    path, table = prediction_paths(task)
    content = prediction_json(prediction) | {
        "Sources": outputs.sources(item for paths in features.values() for item in paths)
    }
    outputs.save(path, lambda temporary: temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n"))
    row = pd.DataFrame([prediction_row(prediction)])
    outputs.save(table, lambda temporary: temporary.write_text(tsv_text(row)))
    return StepReport(files={"prediction": path}, warnings=prediction.warnings)


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


def left_out_in_words(session: Session) -> str:
    """Files that were found and not used, with the reason."""
    return "; ".join(f"{name}: {why}" for name, why in session.left_out.items())


def prediction_paths(task: UnitTask) -> tuple[Path, Path]:
    """Where the prediction of a unit lies: JSON, and a table of one row; ``desc`` tells the outcome."""
    label = re.sub(r"[^A-Za-z0-9]", "", task.settings.outcome.column)
    return task.outputs.path("prediction", desc=label), task.outputs.path("prediction_table", desc=label)


def _draw(reports: Mapping[str, StepReport], outputs: Outputs) -> StepReport:
    from bids_stroke.report.figures.unit import draw_unit_figures

    paths = draw_unit_figures(outputs, reports)
    return StepReport(files={path.name: path for path in paths})


def _status(task: UnitTask, failures: Mapping[str, BidsStrokeError], seconds: float, changed: bool) -> UnitStatus:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    first = next(iter(failures.values()), None)
    return UnitStatus(
        subject=task.session.subject,
        session=task.session.session,
        status="failed" if failures else "done" if changed else "skipped",
        reason=first.reason if first else "" if changed else "up-to-date",
        detail=" ".join(f"{name}: {error}" for name, error in failures.items()),
        seconds=round(seconds, 2),
        peak_memory_mb=round(peak, 1),
        model_sha256=task.model.sha256 if task.model else "",
        left_out=left_out_in_words(task.session),
    )
