"""``participant --reports-only``: pages, and figures of files that are there, from what OUTPUT_DIR holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from bids_stroke.app.currency import Currency, Unit, key_of
from bids_stroke.app.failures import as_ours
from bids_stroke.app.model import with_model
from bids_stroke.app.pages import Predicts, tell_pages, write_pages
from bids_stroke.app.plan import EARLIER, FIGURES, of_code
from bids_stroke.app.progress import print_few, tracked
from bids_stroke.app.request import Request
from bids_stroke.bids.sessions import find_sessions
from bids_stroke.core.errors import InputError
from bids_stroke.core.records import Session, StepReport
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.derivatives.status import read_statuses
from bids_stroke.preprocess.registry import STEPS


def run_reports(request: Request, sessions: Sequence[Session], dataset_name: str, console: Console) -> int:
    """Bring pages up to date without computing anything; say of which units nothing is current.

    Raises
    ------
    InputError
        Nothing of the selected units is current.
    """
    root, currency = request.output_dir, Currency.of(request, dataset_name)
    statuses = read_statuses(root)
    print_few(console, statuses.passed_over, "They lie in the same folder.", warning=True)
    ended = {(status.subject, status.session) for status in statuses.units if status.completed}
    kept, nothing, not_drawn = [], [], []
    for session in tracked(console, sessions, "Figures"):
        unit = currency.look(session, prediction=True)
        why = why_nothing(unit)
        if why:
            nothing.append(f"{session.prefix}: nothing there is current: {why}. Run without --reports-only.")
            continue
        kept.append(session.subject)
        if unit.stale:
            changed = "; ".join(f"{name} ({text})" for name, text in unit.stale.items())
            not_drawn.append(f"{session.prefix}: not current, shown as it was computed, figures as drawn: {changed}.")
        elif (session.subject, session.session) in ended:
            try:
                draw_again(root, session, unit, currency, force=request.execution.force)
            except Exception as error:  # a file that cannot be read costs its unit's figures, no other's
                not_drawn.append(f"{session.prefix}: its figures were not drawn: {as_ours(error, {})}")
    where = "Pages tell what they show; --reports-only has changed nothing else."
    print_few(console, nothing, where, warning=True)
    print_few(console, not_drawn, where, warning=True)
    if not kept:
        raise InputError(
            f"{root} holds nothing of the selected units that is current.",
            "Run the participant level without --reports-only.",
            "no-results",
        )
    subjects = tuple(dict.fromkeys(kept))
    every = find_sessions(replace(request.selection, session_labels=(), participant_labels=subjects))
    _, model = with_model(request)
    predicts = Predicts.of(model.path if model else None)
    tell_pages(console, write_pages(root, tracked(console, every, "Pages"), statuses.units, predicts))
    return 0


def why_nothing(unit: Unit) -> str:
    """Why nothing of a unit is current; empty where a step or the prediction is."""
    if not unit.steps and unit.prediction is None:
        return "it was never computed"
    if unit.reports or (unit.prediction is not None and not unit.why_no_prediction):
        return ""
    return "; ".join(f"{name} ({why})" for name, why in unit.stale.items())


def draw_again(root: Path, session: Session, unit: Unit, currency: Currency, *, force: bool) -> bool:
    """Draw the figures of a unit whose steps are all current, unless those that are there are what would be drawn.

    The manifest says of the figures what the participant level would: that level draws them again only where it has
    computed something again.

    Returns
    -------
    bool
        Whether they were drawn.
    """
    shown = {name: done for name, done in unit.steps.items() if not STEPS[name].gathers}
    recipe = {**of_code(*FIGURES), EARLIER: {name: key_of(done) for name, done in shown.items()}}
    inputs = sorted({currency.now(path) for done in unit.steps.values() for path in done.inputs})
    path = manifest.manifest_path(root, session.prefix, "figures")
    done = manifest.read_manifest(path, root)
    if done is not None and not force and not done.why_stale(root, recipe, inputs):
        return False
    from bids_stroke.report.figures.unit import draw_unit_figures  # needs matplotlib

    outputs = Outputs(root, session.subject, session.session)
    drawn = draw_unit_figures(outputs, _reports(unit))
    report = StepReport(files={item.name: item for item in drawn})
    manifest.write_manifest(path, root, manifest.make_manifest(root, recipe, inputs, outputs.written, report))
    return True


def _reports(unit: Unit) -> Mapping[str, StepReport]:
    return {name: done.report for name, done in unit.steps.items()}
