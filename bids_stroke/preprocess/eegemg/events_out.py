"""Events and pieces of a recording as they are written beside the cleaned signals: in seconds of what is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bids_stroke.preprocess.eegemg.clock import Recording
from bids_stroke.preprocess.eegemg.timing.events import BOUNDARY, Array, marks_of
from bids_stroke.preprocess.eegemg.timing.pieces import Piece

Events = tuple[pd.DataFrame, dict[str, Any]]
"""Table and sidecar."""
_BOUNDARY_LEVEL = "here the recording paused: the samples before and after it did not follow each other."


def events_in(recording: Recording) -> tuple[Events | None, list[str]]:
    """Events that begin within the pieces of a recording, joints included, and what to say about the others.

    Onsets and durations are in seconds of the recording's arrays, ``sample`` counts their samples; all as text. A
    recording of one piece that begins with its file keeps the text that it has.
    """
    if recording.events is None:
        return (_with_joints(pd.DataFrame(), {}, recording) if recording.joints else None), []
    table, sidecar = recording.events
    if "onset" not in table:
        return (table, sidecar), []
    line = recording.timeline
    place = line.in_file(recording.onsets)
    known = np.isfinite(recording.onsets)
    lost = known & np.isnan(place)
    note = []
    marks = marks_of(table)
    n_lost = int((lost & ~(marks.joint | marks.left_out)).sum())
    if n_lost:
        seconds = line.pieces[-1].stop / line.rate
        where = "in pauses or outside the signal" if recording.joints else "outside the signal"
        note = [f"{n_lost} of {len(table)} events begin {where} (0 to {seconds:g} s) and are left out"]
    if recording.joints or line.pieces[0].begin:
        table = _placed(table, place, recording)
    table = table[~lost]
    return (_with_joints(table, sidecar, recording) if recording.joints else (table, sidecar)), note


def _placed(table: pd.DataFrame, place: Array, recording: Recording) -> pd.DataFrame:
    """The table with the place of its rows in seconds and samples; joints that it had itself are taken out by NaN."""
    moved = table.assign(onset=_text(place))
    if "sample" in table:
        moved["sample"] = ["n/a" if np.isnan(at) else str(round(at * recording.rate)) for at in place]
    if recording.joints and "duration" in table:
        marks = marks_of(table)
        ends = recording.timeline.in_file(recording.onsets + marks.duration, fill=True)
        told = pd.to_numeric(table["duration"], errors="coerce").to_numpy(dtype=np.float64)
        changed = (ends - place < told - 0.5 / recording.rate) & (ends >= place)
        moved["duration"] = np.where(changed, _text(ends - place), table["duration"])
    return moved


def _with_joints(table: pd.DataFrame, sidecar: dict[str, Any], recording: Recording) -> Events:
    """Rows of the joints put between the others, instead of those that the table had."""
    if len(table):
        marks = marks_of(table)
        table = table[~(marks.joint | marks.left_out)]
    at = np.array(recording.joints)
    rows = pd.DataFrame({"onset": _text(at / recording.rate), "duration": "0", "trial_type": BOUNDARY})
    if "sample" in table:
        rows["sample"] = at.astype(str)
    whole = pd.concat([rows, table.assign(trial_type=table.get("trial_type", "n/a"))]).fillna("n/a")
    columns = [*table.columns, *(name for name in rows if name not in table)]
    order = pd.to_numeric(whole["onset"], errors="coerce").to_numpy(dtype=np.float64).argsort(kind="stable")
    return whole.iloc[order][columns], {**sidecar, "trial_type": _described(sidecar.get("trial_type"))}


def _described(told: object) -> dict[str, Any]:
    """What a sidecar tells of trial_type, with the boundary: among the levels only where it has some.

    Validators take the levels for all that there are.
    """
    found = dict(told) if isinstance(told, dict) else {}
    if isinstance(found.get("Levels"), dict):
        return {**found, "Levels": {**found["Levels"], BOUNDARY: _BOUNDARY_LEVEL}}
    before = f"{found['Description']} ".lstrip() if found.get("Description") else ""
    return {**found, "Description": f"{before}{BOUNDARY}: {_BOUNDARY_LEVEL}"}


def pieces_described(pieces: Sequence[Piece], rate: float) -> dict[str, Any]:
    """For the sidecar of the signals: where pieces lie and when they were recorded; empty without pauses."""
    if not pieces:
        return {}
    rows = [
        {
            "Onset": round(piece.start / rate, 6),
            "Duration": round((piece.stop - piece.start) / rate, 6),
            "RecordedOnset": round(piece.begin, 6),
        }
        for piece in pieces
    ]
    return {"Pieces": rows}


def _text(seconds: Array) -> list[str]:
    return [f"{round(value, 6):.12g}" if np.isfinite(value) else "n/a" for value in seconds]
