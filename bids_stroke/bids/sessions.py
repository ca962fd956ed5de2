"""A BIDS dataset on disk -> the sessions to work on. Labels, filters, lesion masks, ready maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bids_stroke.bids.choice.duplicates import one_of_each
from bids_stroke.bids.choice.kinds_of_image import as_sidecars_tell, what_tells
from bids_stroke.bids.choice.unread import Unread
from bids_stroke.bids.fetched import absent
from bids_stroke.bids.filters import why_filtered
from bids_stroke.bids.labels import has_folder
from bids_stroke.bids.layout import Dataset
from bids_stroke.bids.lesion_choice import choose_lesions
from bids_stroke.bids.person import known_of
from bids_stroke.bids.phenotype import check_participants
from bids_stroke.bids.precomputed import epi_of, take_ready
from bids_stroke.bids.rows import Unit
from bids_stroke.bids.sidecars import Metadata
from bids_stroke.bids.subject_files import Datasets, SubjectFiles
from bids_stroke.core.errors import InputError, NotBidsError, NothingSelectedError
from bids_stroke.core.json_files import read_json_object
from bids_stroke.core.modalities import EVERY_TASK, MODALITIES, QUERIES
from bids_stroke.core.processes import nothing_collected
from bids_stroke.core.records import BidsFile, Session
from bids_stroke.core.text_files import NOT_THERE

_MOST_NOTES = 20
"""Sentences of a kind that a terminal shows."""


@dataclass(frozen=True)
class Selection:
    """What the user asked for. Labels come without ``sub-``, ``ses-``, ``task-``."""

    bids_dir: Path
    participant_labels: tuple[str, ...] = ()
    session_labels: tuple[str, ...] = ()
    task_labels: tuple[str, ...] = ()
    filters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    derivatives: Mapping[str, Path] = field(default_factory=dict)
    database_dir: Path | None = None
    modalities: tuple[str, ...] = field(default_factory=lambda: tuple(MODALITIES))


def read_description(bids_dir: Path) -> dict[str, Any]:
    """dataset_description.json of a BIDS dataset.

    Raises
    ------
    InputError
        The folder is not there or is a file (66).
    NotBidsError
        There is no readable dataset_description.json with Name and BIDSVersion (16).
    """
    if not bids_dir.is_dir():
        state = "is a file, not a folder" if bids_dir.exists() else "does not exist"
        raise InputError(f"BIDS_DIR {bids_dir} {state}.", "Give the folder of a BIDS dataset.", "no-bids-dir")
    path = bids_dir / "dataset_description.json"
    try:
        description = read_json_object(path)
    except InputError as error:
        if error.reason != NOT_THERE:
            raise NotBidsError(error.message, error.remedy) from None
        raise NotBidsError(f"{bids_dir} has no {path.name}.", "Is this the root of the dataset?") from None
    if missing := [key for key in ("Name", "BIDSVersion") if key not in description]:
        raise NotBidsError(f"{path} lacks {' and '.join(missing)}.", "Add the required key (see bids-validator).")
    if not isinstance(description["Name"], str) or not description["Name"].strip():
        raise NotBidsError(f"{path}: Name is no text.", 'Give the dataset a name: {"Name": "...", ...}.')
    return description


def check_selection(selection: Selection) -> None:
    """Check what a look into the roots of the datasets tells: the description, folders of derivatives, labels.

    Raises
    ------
    InputError, NotBidsError
        From :func:`read_description`, or a folder of ``--derivatives`` that is not there.
    NothingSelectedError
        A label of ``--participant-label`` that no folder has.
    """
    read_description(selection.bids_dir)
    for name, folder in selection.derivatives.items():
        if not has_folder(folder, ""):
            raise InputError(f"--derivatives {name}={folder} is not a folder.", "Check the path.", "no-derivatives")
    for label in selection.participant_labels:
        if "/" in label or not has_folder(selection.bids_dir, f"sub-{label}"):
            present = sorted(Dataset.open(selection.bids_dir, "raw").subjects)
            shown = ", ".join(present[:8]) + (", ..." if len(present) > 8 else "")
            raise NothingSelectedError(
                f"--participant-label {label}: no folder sub-{label} in {selection.bids_dir}.", f"There are: {shown}."
            )


@nothing_collected()
def find_sessions(selection: Selection) -> list[Session]:
    """All units of work that the selection asks for, in order of labels.

    A subject with sessions gives one unit for each session that has data; a subject with nothing usable gives
    one empty unit, so that it is reported and not dropped silently.

    Raises
    ------
    InputError, NotBidsError
        From :func:`check_selection`, or participants.tsv.
    NothingSelectedError
        A label, task or filter that matches nothing in the selected subjects.
    """
    check_selection(selection)
    check_participants(selection.bids_dir)
    # where the T1w is registered
    needs_lesion = any("t1w" in MODALITIES[modality].queries for modality in selection.modalities)
    datasets = Datasets.open(selection.bids_dir, selection.derivatives, needs_lesion)
    subjects = sorted(set(selection.participant_labels) or datasets.raw.subjects)
    sessions: list[Session] = []
    matched: set[tuple[str, str]] = set()
    for subject in subjects:
        try:
            units = _subject_sessions(selection, subject, datasets, matched)
        except InputError as error:  # one subject's broken folder never stops the others
            sessions.append(Session(subject, None, error=str(error)))
            continue
        empty = not any(unit.inputs for unit in units)
        if empty and selection.participant_labels and not _has_files(selection.bids_dir / f"sub-{subject}"):
            raise NothingSelectedError(
                f"--participant-label {subject}: sub-{subject} holds no data.", "Check the label."
            )
        sessions.extend(units)
    _check_all_matched(selection, matched)
    if not sessions:
        raise NothingSelectedError(f"{selection.bids_dir} has no sub-* folder.", "Is this the root of the dataset?")
    return sessions


def unused_derivatives(selection: Selection, sessions: Iterable[Session]) -> list[str]:
    """One sentence for each folder of ``--derivatives`` of which no file is used."""
    used = {item.uri.split(":")[1] for session in sessions for item in session.inputs if item.uri.count(":") > 1}
    return [
        f"--derivatives {name}={folder} gives nothing to any of the selected units: look at --dry-run, and at "
        "docs/derivatives.md for the names that are known."
        for name, folder in selection.derivatives.items()
        if name not in used
    ]


def notes_in_short(sessions: Sequence[Session]) -> list[str]:
    """What should be said of the tables and sidecars of all units: each sentence once, with those whom it concerns."""
    whom: dict[str, list[str]] = {}
    for session in sessions:
        for note in session.notes:
            whom.setdefault(note, []).append(session.prefix)
    found = []
    for note, units in list(whom.items())[:_MOST_NOTES]:
        who = "all units" if len(units) == len(sessions) > 1 else ", ".join(units[:3])
        more = f" and {len(units) - 3} more" if len(units) > 3 and who != "all units" else ""
        found.append(f"{who}{more}: {note}")
    if len(whom) > _MOST_NOTES:
        found.append(f"{len(whom) - _MOST_NOTES} more of this kind: --dry-run names them all.")
    return found


def unneeded_options(selection: Selection) -> list[str]:
    """One sentence for each option that is accepted for the sake of older scripts and does nothing."""
    if selection.database_dir is None:
        return []
    return [
        "--bids-database-dir is not needed any more, and nothing is written there: files are listed anew each time."
    ]


def _check_all_matched(selection: Selection, matched: set[tuple[str, str]]) -> None:
    asked = [("session", label) for label in selection.session_labels]
    asked += [("task", label) for label in selection.task_labels]
    asked += [("filter", query) for query in selection.filters]
    options = {"session": "--session-label", "task": "--task-label", "filter": "--bids-filter-file: query"}
    for kind, label in asked:
        if (kind, label) not in matched:
            raise NothingSelectedError(
                f"{options[kind]} {label} matches nothing in the selected subjects.", "Look at --dry-run without it."
            )


def _has_files(folder: Path) -> bool:
    return any(path.is_file() or path.is_symlink() for path in folder.rglob("*"))  # a link: not fetched yet


def _subject_sessions(
    selection: Selection, subject: str, datasets: Datasets, matched: set[tuple[str, str]]
) -> list[Session]:
    files = datasets.subject(subject)
    kept: dict[str, tuple[BidsFile, ...]] = {}
    left_out = list(files.left_out)
    for query, items in files.raw.items():
        kinds = [(item, kind) for item in items for kind in ("session", "task") if kind in item.entities]
        matched |= {(kind, item.entities[kind]) for item, kind in kinds}
        asked = selection.filters.get(query, {})
        reasons = {item: _why_not(selection, query, item) or what_tells(item, asked) for item in items}
        kept[query], spare = one_of_each([item for item in items if not reasons[item]], asked)
        left_out += _left_out(reasons | spare)
        if kept[query]:
            matched.add(("filter", query))
    ready_bold = [item for item in files.native if item.entities["role"] == "bold"]
    matched |= {("task", item.entities["task"]) for item in ready_bold if "task" in item.entities}
    reasons = {item: _why_not(selection, "bold", item) for item in ready_bold}
    native = tuple(item for item in files.native if not reasons.get(item))
    left_out += _left_out(reasons)
    files = replace(files, raw=kept, native=native)
    labels = files.sessions()
    files = replace(files, left_out=_in_units(left_out, labels))
    matched |= {("session", label) for label in labels if label}
    if selection.session_labels:
        labels &= set(selection.session_labels)
        if not labels:
            return []
    return [_unit(selection, subject, label, files) for label in sorted(labels or {None}, key=lambda item: item or "")]


def _left_out(reasons: Mapping[BidsFile, str]) -> list[Unread]:
    return [Unread(item.path.name, why, item.entities.get("session")) for item, why in reasons.items() if why]


def _in_units(left_out: Iterable[Unread], labels: set[str | None]) -> tuple[Unread, ...]:
    """What is left out of a session that gives no unit is said in every unit of the person."""
    return tuple(file if file.session in labels else replace(file, session=None) for file in left_out)


def _unit(selection: Selection, subject: str, session: str | None, files: SubjectFiles) -> Session:
    """A unit with all that its sidecars say, or with the reason for which one of them cannot be read.

    What has not been fetched is left out, and named.
    """
    away: dict[BidsFile, str] = {}
    try:
        known = known_of(Unit(selection.bids_dir, subject, session))
        while True:
            unit = _used(selection, (subject, session), files, away)
            more = absent([item for item in unit.inputs if item not in away], selection.bids_dir, files.links)
            away |= more
            if not any(more.values()):
                break
        for item in unit.inputs:
            len(item.metadata)  # read now: this unit fails, with the file named, and no other
    except InputError as error:
        return Session(subject, session, error=str(error))
    metadata = [item.metadata for item in unit.inputs]
    notes = [note for said in metadata if isinstance(said, Metadata) for note in said.told.notes]
    return replace(
        unit,
        covariates=known.values,
        left_out={**unit.left_out, **{item.path.name: why for item, why in away.items() if why}},
        not_fetched=frozenset(
            kind for kind, items in {**files.raw, "lesion": files.lesions}.items() if any(map(away.get, items))
        ),
        notes=tuple(dict.fromkeys([*known.notes, *unit.notes, *notes])),
    )


def _used(selection: Selection, who: tuple[str, str | None], files: SubjectFiles, away: dict[BidsFile, str]) -> Session:
    """What a unit uses; adds to ``away`` why raw files and masks cannot be: not fetched, or empty."""
    wanted = {need for modality in selection.modalities for need in MODALITIES[modality].queries}

    def own(items: Iterable[BidsFile]) -> tuple[BidsFile, ...]:
        return tuple(item for item in items if item.entities.get("session") in (who[1], None) and not away.get(item))

    raw = {query: own(items) if query in wanted else () for query, items in files.raw.items()}
    asked = (*raw.values(), own(files.lesions))  # whose sidecars are looked into here
    unknown = [item for items in asked for item in items if item not in away]
    away |= absent(unknown, selection.bids_dir, files.links)
    if any(away.values()):
        raw = {query: own(items) for query, items in raw.items()}
    raw, left_out = as_sidecars_tell(raw)
    left_out = {file.name: file.why for file in files.left_out if file.session in (who[1], None)} | left_out
    raw["epi"] = epi_of(raw["epi"], raw["dwi"])
    chosen = {item.entities["modality"]: item for item in own(files.maps)}
    unit = Session(
        *who,
        raw=raw,
        lesion=own(files.lesions),
        maps={modality: item for modality, item in chosen.items() if modality in selection.modalities},
        left_out=left_out,
    )
    return choose_lesions(take_ready(unit, own(files.native), wanted), own(files.images))


def _why_not(selection: Selection, query: str, item: BidsFile) -> str:
    """Why a file is left out; empty if it is used."""
    if why := why_filtered(selection.filters.get(query, {}), item.entities):
        return why
    usual = QUERIES[query].task
    if usual is None or "task" in selection.filters.get(query, {}):
        return ""
    if selection.task_labels:
        return "" if item.entities.get("task") in selection.task_labels else "not among --task-label"
    if usual not in (EVERY_TASK, item.entities.get("task")):
        return f"task {item.entities.get('task')} is not {usual}; ask for it with --task-label"
    return ""
