"""``--dry-run``: what would be used, file by file, what is missing and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from bids_stroke.app.plan import UnitTask, missing_inputs, names_once, needed_steps, plan_unit
from bids_stroke.bids.choice.unread import in_lines
from bids_stroke.core.modalities import QUERIES
from bids_stroke.core.records import BidsFile, Session
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.manifest import units_begun

REPLACES = {
    "t1w": "replaces the bias correction",
    "brain_mask": "replaces the brain extraction",
    **dict.fromkeys(("gm", "wm", "csf"), "replaces the segmentation"),
    "dwi": "replaces all corrections of the diffusion images",
    "dwi_mask": "replaces the brain mask of the diffusion images",
    "bold": "replaces steady state, slice timing and motion correction; its confounds are used",
}
"""What a ready file of ``--derivatives`` saves, by role."""
_LONGEST_NAME = 80
"""Columns for a file's name; what is longer pushes its note to the right."""


def print_plan(console: Console, sessions: Sequence[Session], settings: Settings) -> None:
    """Print one line for each file of each unit, then what is missing or left out, in columns and a block a unit.

    Plain lines, each with its unit: for ``grep`` and ``less``. A table that is drawn as a whole takes two seconds for a
    thousand people, and minutes for a cohort of many sessions.
    """
    names = [len(item.path.name) for session in sessions for item in session.inputs]
    widths = (max([4, *(len(session.prefix) for session in sessions)]), 6, 11, min(max([4, *names]), _LONGEST_NAME))
    write = console.file.write
    write("Plan (nothing is written)\n\n")
    write(_line(("unit", "step", "gives", "file", "notes"), widths))
    for session in sessions:
        write("\n" + "".join(_line(row, widths) for row in _rows(session, settings)))
    write(f"\n{len(sessions)} units, {len(names)} files.\n")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join([*map(str.ljust, cells, widths), cells[-1]]).rstrip() + "\n"


def _rows(session: Session, settings: Settings) -> Iterator[tuple[str, str, str, str, str]]:
    """What the plan says of a unit: unit, step, what the step gives, file, notes."""
    unit = session.prefix
    if session.error:
        yield unit, "", "", "", f"fails: {session.error}"
        return
    steps = needed_steps(session, settings)
    for step in steps:
        gives = " ".join(modality for modality in step.modalities if modality in settings.modalities)
        for item in step.files(session):
            yield unit, step.name, gives, item.path.name, file_notes(item, session)
    for modality, reason in missing_inputs(session, settings, steps).items():
        yield unit, "", modality, "", f"missing: {reason.replace('-', ' ')}"
    for name, why in in_lines(session.left_out).items():
        yield unit, "", "", name, f"left out: {why}"
    for note in session.notes:
        yield unit, "", "", "", f"note: {note}"


def print_reruns(console: Console, tasks: Sequence[UnitTask]) -> None:
    """Print what would run again, and why, of the units that have run into this OUTPUT_DIR before, if any."""
    begun = {prefix for root in {task.output_dir for task in tasks} for prefix in units_begun(root)}
    before = [task for task in tasks if task.session.prefix in begun]
    names_in, current = names_once(), 0
    for task in before:
        found = {stage.name: stage.earlier_report(task) for stage in plan_unit(task, names_in)}
        stale = [f"{name} ({why})" for name, (report, why) in found.items() if report is None]
        current += not stale
        if stale:
            text = f"{task.session.prefix} would run again: {', '.join(stale)}."
            console.print(text, highlight=False, markup=False, soft_wrap=True)
    if before:
        console.print(f"Up to date: {current} of {len(before)} units that have run before.")


def file_notes(item: BidsFile, session: Session) -> str:
    """What can be seen without reading an image: what a ready file replaces; companions and keys that are not there."""
    absent = []
    for query in (query for query in QUERIES.values() if query.suffix == item.entities.get("suffix")):
        absent += [extension for extension in query.companions if not item.companion(extension).is_file()]
        absent += [key for key in query.keys if key not in item.metadata]
    notes = (
        [f"from {item.uri.split(':')[1]}"] if item.uri.count(":") > 1 and not item.uri.startswith("bids:raw") else []
    )
    notes += [REPLACES[role] for role, file in session.ready.items() if file is item]
    if item.entities.get("role") == "bold":
        notes.append(REPLACES["bold"])
        absent += [name for name in ("confounds", "mask") if name not in item.beside]
    notes += [f"lacks {', '.join(absent)}"] if absent else []
    return ", ".join(notes)
