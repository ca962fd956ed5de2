"""``--dry-run``: what would be used, file by file, what is missing and why."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from bids_stroke.app.plan import UnitTask, missing_inputs, names_once, needed_steps, plan_unit
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


def print_plan(console: Console, sessions: Sequence[Session], settings: Settings) -> None:
    """Print one table row for each file of each unit, then what is missing or left out."""
    table = Table("unit", "step", "gives", Column("file", overflow="fold"), "notes", title="Plan (nothing is written)")
    for session in sessions:
        for step in needed_steps(session, settings):
            gives = " ".join(modality for modality in step.modalities if modality in settings.modalities)
            for item in step.files(session):
                table.add_row(
                    session.prefix, step.name, gives, escape(item.path.name), escape(file_notes(item, session))
                )
        for modality, reason in missing_inputs(session, settings).items():
            table.add_row(session.prefix, "", modality, "", f"missing: {reason.replace('-', ' ')}")
        if session.error:
            table.add_row(session.prefix, "", "", "", escape(session.error))
        for name, why in session.left_out.items():
            table.add_row(session.prefix, "", "", escape(name), f"left out: {escape(why)}")
        table.add_section()
    console.print(table)
    console.print(f"{len(sessions)} units, {sum(len(session.inputs) for session in sessions)} files.")


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
    suffix = item.entities.get("suffix")
    absent = [end for end in (".bval", ".bvec") if suffix == "dwi" and not item.companion(end).is_file()]
    needed = {"bold": ("RepetitionTime",), "eeg": ("PowerLineFrequency",), "emg": ("PowerLineFrequency",)}
    absent += [key for key in needed.get(suffix or "", ()) if key not in item.metadata]
    notes = (
        [f"from {item.uri.split(':')[1]}"] if item.uri.count(":") > 1 and not item.uri.startswith("bids:raw") else []
    )
    notes += [REPLACES[role] for role, file in session.ready.items() if file is item]
    if item.entities.get("role") == "bold":
        notes.append(REPLACES["bold"])
        absent += [name for name in ("confounds", "mask") if name not in item.beside]
    notes += [f"lacks {', '.join(absent)}"] if absent else []
    return ", ".join(notes)
