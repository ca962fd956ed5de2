"""One unit from files to prediction: what a worker process runs."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bids_stroke.app.failures import as_ours, is_of_data
from bids_stroke.app.plan import Stage, UnitTask, merge_features, missing_inputs, plan_unit
from bids_stroke.app.unit.begun import BegunSteps, begin_steps
from bids_stroke.app.unit.explanation import forget_explanations
from bids_stroke.app.unit.log import unit_log
from bids_stroke.app.unit.prediction import no_modality, predict_unit, prediction_paths
from bids_stroke.app.unit.step import nothing, places, run_step
from bids_stroke.core.errors import BidsStrokeError, DataError, OutputError
from bids_stroke.core.records import Session, StepReport, UnitStatus
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.outputs import Outputs, remove_temporary
from bids_stroke.derivatives.status import write_running
from bids_stroke.preprocess.registry import STEPS


@dataclass(frozen=True)
class UnitResult:
    """How a unit ended, with the seconds of each stage that ran, why it had to, and how much its steps have to say."""

    status: UnitStatus
    seconds: Mapping[str, float]
    why: Mapping[str, str]
    n_warnings: int = 0


@dataclass
class _Made:
    """What a unit has come to so far, by stage."""

    reports: dict[str, StepReport] = field(default_factory=dict)
    failures: dict[str, BidsStrokeError] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    figures: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    """By kind; some are drawn while steps still run in processes of their own."""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    stages: tuple[str, ...] = ()
    """All that the unit has, in order."""


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
    made = _Made()
    write_running(task.output_dir, task.session.subject, task.session.session, since=made.since)
    stages = plan_unit(task)
    if task.session.error:
        made.failures["discovery"] = DataError(task.session.error, reason="unreadable-sidecar")
    elif not any(stage.step for stage in stages):
        made.failures["discovery"] = no_modality(task.session, missing_inputs(task.session, task.settings))
        stages = []
    made.stages = tuple(stage.name for stage in stages)
    _forget_unplanned(task, {stage.name for stage in stages})
    remove_temporary(path for path in (task.outputs.folder, *task.outputs.folder.glob("*")) if path.is_dir())
    steps = [stage for stage in stages if stage.step]
    with unit_log(task.output_dir, task.session.prefix) as log:
        with begin_steps(task, steps, log) as begun:
            for stage in sorted(steps, key=lambda stage: (_gathers(stage), stage.name in begun)):
                to_come = {step.name for step in steps} - made.reports.keys()
                begun.tell(task, made.reports, to_come)
                if stage.name in begun:
                    _draw_meanwhile(task, made, to_come, log)
                _bring(task, stage, made, begun, log)
        in_order = [name for name in ("discovery", *STEPS) if name in made.failures]
        made.failures = {name: made.failures[name] for name in in_order}
        made.reports = {stage.name: made.reports[stage.name] for stage in steps if stage.name in made.reports}
        for stage in stages[len(steps) :]:
            _bring(task, stage, made, begun, log)
        missing = missing_of(task, made.reports)
        if not made.failures and set(missing) >= set(task.settings.modalities):
            made.failures["features"] = no_modality(task.session, missing, made.reports)
        if any(name not in STEPS or not is_of_data(error) for name, error in made.failures.items()):
            _forget_prediction(task)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + begun.peak_mb
        status = _status(task, made, time.monotonic() - begin, peak)
        told = dict.fromkeys(text for name in STEPS if name in made.reports for text in made.reports[name].warnings)
        status = replace(status, missing=missing_in_words(missing), warnings=" ".join(told))
        return UnitResult(status, made.seconds, made.why, len(told))


def _gathers(stage: Stage) -> bool:
    """Whether it is made of what the other steps gave, and so waits for all of them."""
    return stage.step is not None and stage.step.gathers


def _bring(task: UnitTask, stage: Stage, made: _Made, begun: BegunSteps, log: logging.Logger) -> None:
    """Bring one stage up to date."""
    stage = stage.without({name: made.failures[name].reason for name in _of_data(made)})
    start = time.monotonic()
    try:
        report, made.why[stage.name] = stage.earlier_report(task)
        if report is None:
            _say_step(task, stage, made, begun)
            report, seconds = _run_stage(task, stage, made, begun)
            made.seconds[stage.name] = time.monotonic() - start if seconds is None else seconds
            log.info("%s: %.1f s (%s)", stage.name, made.seconds[stage.name], made.why[stage.name])
        if report is not None:
            made.reports[stage.name] = report
    except Exception as error:  # one stage's failure, also one of our own making, never stops the others
        log.exception("%s", stage.name)
        failure = made.failures[stage.name] = as_ours(error, places(task))
        if stage.step is not None and is_of_data(failure):
            made.reports[stage.name] = nothing(task, stage.step, failure)


def _say_step(task: UnitTask, stage: Stage, made: _Made, begun: BegunSteps) -> None:
    """Let the status file tell what the unit is at: ``dwi (3 of 7), beside it bold``."""
    number = made.stages.index(stage.name) + 1
    beside = " ".join(name for name in begun.running if name != stage.name)
    words = f"{stage.name} ({number} of {len(made.stages)})" + (f", beside it {beside}" if beside else "")
    with suppress(OutputError):  # the step will say so, if it meets the same
        write_running(task.output_dir, task.session.subject, task.session.session, words, made.since)


def _of_data(made: _Made) -> list[str]:
    """Steps that failed on the data."""
    return [name for name, error in made.failures.items() if name in STEPS and is_of_data(error)]


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
        if step.name not in planned and (step.gathers or set(step.modalities) & set(task.settings.modalities)):
            manifest.manifest_path(task.output_dir, task.session.prefix, step.name).unlink(missing_ok=True)


def _forget_prediction(task: UnitTask) -> None:
    """Remove the prediction of an earlier run: it is not what these inputs give."""
    manifest.manifest_path(task.output_dir, task.session.prefix, "prediction").unlink(missing_ok=True)
    for path in prediction_paths(task):
        path.unlink(missing_ok=True)
    forget_explanations(task.outputs)


def _run_stage(task: UnitTask, stage: Stage, made: _Made, begun: BegunSteps) -> tuple[StepReport | None, float | None]:
    """Run a stage and write its manifest; no report where something that it builds on has failed.

    Its seconds are given too where it ran in a process of its own.
    """
    outputs, seconds = task.outputs, None
    stage.manifest_path(task).unlink(missing_ok=True)  # what an earlier run said of it holds no longer
    if stage.step is not None:
        builds_on = stage.step.builds_on(task.settings)
        if any(name in made.failures and name not in made.reports for name in builds_on):
            return None, None
        ended = begun.take(stage.name)
        if ended is not None:
            outputs.written.extend(ended.written)
            report, seconds = ended.report, ended.seconds
        else:
            report = run_step(task, stage.step, {n: made.reports[n] for n in builds_on if n in made.reports}, outputs)
    elif stage.name == "prediction" and task.model is not None:
        if made.failures.keys() - made.reports.keys():
            return None, None
        report = predict_unit(task, task.model, made.reports, outputs, made.failures)
    else:
        report = _draw(made, outputs)
        if made.failures:  # drawn for the report, but without a manifest: to be drawn again when all is there
            return report, None
    done = manifest.make_manifest(task.output_dir, stage.recipe, stage.inputs, outputs.written, report)
    manifest.write_manifest(stage.manifest_path(task), task.output_dir, done)
    return report, seconds


def _draw(made: _Made, outputs: Outputs, to_come: Collection[str] = ()) -> StepReport:
    """Draw the figures that are not drawn yet, but for those of steps to come."""
    from bids_stroke.report.figures.unit import FIGURES, draw_unit_figures

    for kind in FIGURES:
        if kind.key not in made.figures and not {*kind.steps} & {*to_come}:
            made.figures[kind.key] = draw_unit_figures(outputs, made.reports, [kind])
    paths = [path for kind in FIGURES for path in made.figures.get(kind.key, ())]
    return StepReport(files={path.name: path for path in paths})


def _draw_meanwhile(task: UnitTask, made: _Made, to_come: Collection[str], log: logging.Logger) -> None:
    """Draw what can be drawn while other processes compute."""
    try:
        _draw(made, task.outputs, to_come)
    except Exception:  # met again, and told, when the figures' turn comes
        log.exception("figures")


def left_out_in_words(session: Session) -> str:
    """Files that were found and not used, with the reason."""
    return "; ".join(f"{name}: {why}" for name, why in session.left_out.items())


def _status(task: UnitTask, made: _Made, seconds: float, peak_mb: float) -> UnitStatus:
    first, changed = next(iter(made.failures.values()), None), bool(made.seconds)
    return UnitStatus(
        subject=task.session.subject,
        session=task.session.session,
        status="failed" if first else "done" if changed else "skipped",
        reason=first.reason if first else "" if changed else "up-to-date",
        detail=" ".join(f"{name}: {error}" for name, error in made.failures.items()),
        seconds=round(seconds, 2),
        peak_memory_mb=round(peak_mb, 1),
        model_sha256=task.model.sha256 if task.model else "",
        left_out=left_out_in_words(task.session),
    )
