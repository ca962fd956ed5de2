"""The level ``group``: predictions are gathered, joined with outcomes, evaluated and reported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bids_stroke.app.group_tables import prediction_table, the_outcome, write_group_tables
from bids_stroke.app.plan import step_reports
from bids_stroke.app.request import Request
from bids_stroke.core.records import Session
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.predictions import read_predictions
from bids_stroke.derivatives.status import read_statuses
from bids_stroke.quality.judge import cohort_table, write_cohort_table


def run_group(request: Request, sessions: Sequence[Session], dataset_name: str, console: Console) -> int:
    """Gather predictions, join outcomes where there are any, evaluate, report."""
    from bids_stroke.evaluation.evaluate import evaluate
    from bids_stroke.report.group import GroupDetails, write_group_report

    quality = write_group_quality(request.output_dir, sessions)  # also where there are features only
    console.print(f"Quality of all units: {quality}", soft_wrap=True)
    predictions = read_predictions(request.output_dir, sessions)
    outcome = the_outcome(request, predictions)
    table = prediction_table(request, sessions, outcome)
    modality_of = {name: member.modality for item in predictions.values() for name, member in item.members.items()}
    evaluation = evaluate(table, request.settings.model_copy(update={"outcome": outcome}), modality_of)
    write_group_tables(request.output_dir, table, evaluation)
    steps = {session.prefix: step_reports(request.output_dir, session.prefix) for session in sessions}
    found = read_statuses(request.output_dir)
    for sentence in found.passed_over:
        console.print(f"[yellow]Warning[/]: {escape(sentence)}", soft_wrap=True)
    details = GroupDetails(statuses=found.units, steps=steps)
    page = write_group_report(request.output_dir, evaluation, table, details)
    console.print(f"Report: {page}", soft_wrap=True)
    return 0


def write_group_quality(root: Path, sessions: Sequence[Session]) -> Path:
    """Write the quality numbers of the units that have any, judged alone and beside each other, as one table."""
    units = {(item.subject, item.session): step_reports(root, item.prefix) for item in sessions}
    return write_cohort_table(
        dataset_file(root, "group_quality"), cohort_table({unit: own for unit, own in units.items() if own})
    )
