"""The level ``group``: predictions are gathered, joined with outcomes, evaluated and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bids_stroke.app.cohort.evaluated import Gathered, evaluated
from bids_stroke.app.currency import Currency, not_current
from bids_stroke.app.failures import lost_units, unended_units
from bids_stroke.app.group_tables import prediction_table, the_outcome, write_group_tables
from bids_stroke.app.progress import print_few, tell_covariates, tracked, warn
from bids_stroke.app.request import Request
from bids_stroke.bids.phenotype import outcome_notes
from bids_stroke.core.records import Session, StepReport
from bids_stroke.derivatives.biomarkers import write_cohort
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.predictions import read_predictions
from bids_stroke.derivatives.status import read_statuses
from bids_stroke.quality.judge import cohort_table, write_cohort_table
from bids_stroke.report.biomarkers import values


def run_group(request: Request, sessions: Sequence[Session], dataset_name: str, console: Console) -> int:
    """Gather predictions, join outcomes where there are any, evaluate, report."""
    from bids_stroke.report.group import GroupDetails, write_group_report
    from bids_stroke.report.summary import summary_lines

    root, currency = request.output_dir, Currency.of(request, dataset_name)
    units = {item.prefix: currency.look(item, prediction=True) for item in tracked(console, sessions, "Reading units")}
    steps = {prefix: unit.reports for prefix, unit in units.items()}
    stale = {prefix: unit.why_no_prediction for prefix, unit in units.items() if unit.why_no_prediction}
    where = f"All are in {dataset_file(root, 'group_predictions').name}, column excluded."
    print_few(console, [not_current(prefix, why) for prefix, why in stale.items()], where, warning=True)
    quality = write_group_quality(root, sessions, steps)  # also where there are features only
    console.print(f"Quality of all units: {quality}", soft_wrap=True)
    biomarkers = write_group_biomarkers(root, sessions, steps)
    current = [item for item in sessions if item.prefix not in stale]
    predictions = read_predictions(root, current, contributions=False)
    outcome = the_outcome(request, predictions)
    table = prediction_table(request, sessions, predictions, outcome, stale)
    predicted = [item for item in sessions if item.prefix in predictions]
    tell_covariates(console, [item.covariates for item in predicted], outcome.column)
    asked = [(item.subject, item.session) for item in predicted]
    notes = [f"Outcomes: {text}" for text in outcome_notes(request.selection.bids_dir, outcome.column, asked)]
    print_few(console, notes, "Look at the tables with that column.")
    found = read_statuses(root)
    gathered = Gathered(sessions, steps, predictions, table, outcome, found.units)
    modality_of = gathered.modality_of
    counted = int((table["prediction"] != "left-out").sum())
    console.print(f"Evaluating {counted} predictions of {len(modality_of)} members.", highlight=False)
    evaluation = evaluated(request, gathered)
    write_group_tables(root, table, evaluation)
    print_few(console, found.passed_over, "They lie in the same folder.", warning=True)
    for text in summary_lines(evaluation):
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    page = write_group_report(root, evaluation, table, GroupDetails(found.units, steps, biomarkers, modality_of))
    console.print(f"Report: {page}", soft_wrap=True)
    selected = {item.prefix: None for item in sessions}
    for sentence in lost_units(selected, predictions, found.units):
        warn(console, sentence)
    return 65 if unended_units(selected, found.units) else 0


def write_group_quality(root: Path, sessions: Sequence[Session], steps: Mapping[str, Mapping[str, StepReport]]) -> Path:
    """Write the quality numbers of the units that have any, judged alone and beside each other, as one table.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    sessions : sequence of Session
        Units in the order of rows.
    steps : mapping
        Unit -> step -> report.
    """
    units = {(item.subject, item.session): steps[item.prefix] for item in sessions if steps[item.prefix]}
    return write_cohort_table(dataset_file(root, "group_quality"), cohort_table(units))


def write_group_biomarkers(
    root: Path, sessions: Sequence[Session], steps: Mapping[str, Mapping[str, StepReport]]
) -> list[Mapping[str, float]]:
    """Write the biomarkers of the units that have any as one table, and return them; no table where nobody has."""
    path = dataset_file(root, "group_biomarkers")
    units = {(item.subject, item.session): found for item in sessions if (found := values(steps[item.prefix]))}
    if units:
        write_cohort(path, units)
    else:
        path.unlink(missing_ok=True)
    return list(units.values())
