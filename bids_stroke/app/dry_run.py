"""``--dry-run``: what would be used, file by file, what is missing and why."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from bids_stroke.app.plan import missing_inputs, needed_steps
from bids_stroke.core.modalities import QUERIES
from bids_stroke.core.records import BidsFile, Session
from bids_stroke.core.settings import Settings

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
