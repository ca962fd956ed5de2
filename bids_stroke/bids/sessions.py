"""A BIDS dataset on disk -> the sessions to work on. Labels, filters, lesion masks, ready maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bids_stroke.bids.entities import entity_names
from bids_stroke.bids.layout import Dataset
from bids_stroke.bids.lesion_choice import choose_lesions
from bids_stroke.bids.phenotype import check_participants, unit_covariates
from bids_stroke.bids.precomputed import epi_of, take_ready
from bids_stroke.bids.subject_files import Datasets, SubjectFiles
from bids_stroke.core.errors import InputError, NotBidsError, NothingSelectedError, UsageError
from bids_stroke.core.json_files import BAD_CONTENT, NOT_THERE, read_json_object
from bids_stroke.core.modalities import EVERY_TASK, MODALITIES, QUERIES
from bids_stroke.core.records import BidsFile, Session


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
    return description


def read_filter_file(path: Path) -> dict[str, dict[str, Any]]:
    """``--bids-filter-file``: JSON of query -> entity -> value or list of values (as fMRIPrep's).

    Raises
    ------
    InputError
        The file is not there.
    UsageError
        Not JSON, or a query or entity that is not known.
    """
    remedy = 'It must map queries to entities, like {"bold": {"run": "1"}}.'
    try:
        filters = read_json_object(path)
    except InputError as error:
        kind = UsageError if error.reason == BAD_CONTENT else InputError
        raise kind(f"--bids-filter-file {error.message}", remedy) from None
    if not all(isinstance(value, dict) for value in filters.values()):
        raise UsageError(f"--bids-filter-file {path} has a value that is no object.", remedy)
    for query, entities in filters.items():
        if query not in QUERIES:
            known = ", ".join(QUERIES)
            raise UsageError(f"--bids-filter-file {path}: unknown key '{query}'.", f"Known keys: {known}.")
        unknown = sorted(set(entities) - entity_names())
        if unknown:
            raise UsageError(f"--bids-filter-file {path}: unknown entity '{unknown[0]}' under '{query}'.",
                             "Use pybids names: session, task, acquisition, run, direction, ...")  # fmt: skip
    return filters


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
        if not folder.is_dir():
            raise InputError(f"--derivatives {name}={folder} is not a folder.", "Check the path.", "no-derivatives")
    for label in selection.participant_labels:
        if "/" in label or not (selection.bids_dir / f"sub-{label}").is_dir():
            present = sorted(Dataset.open(selection.bids_dir, "raw").subjects)
            shown = ", ".join(present[:8]) + (", ..." if len(present) > 8 else "")
            raise NothingSelectedError(
                f"--participant-label {label}: no folder sub-{label} in {selection.bids_dir}.", f"There are: {shown}."
            )


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
    return any(path.is_file() for path in folder.rglob("*"))


def _subject_sessions(
    selection: Selection, subject: str, datasets: Datasets, matched: set[tuple[str, str]]
) -> list[Session]:
    files = datasets.subject(subject)
    kept: dict[str, tuple[BidsFile, ...]] = {}
    left_out: dict[str, str] = {}
    for query, items in files.raw.items():
        kinds = [(item, kind) for item in items for kind in ("session", "task") if kind in item.entities]
        matched |= {(kind, item.entities[kind]) for item, kind in kinds}
        reasons = {item: _why_not(selection, query, item) for item in items}
        kept[query] = tuple(item for item in items if not reasons[item])
        left_out |= {item.path.name: reason for item, reason in reasons.items() if reason}
        if kept[query]:
            matched.add(("filter", query))
    ready_bold = [item for item in files.native if item.entities["role"] == "bold"]
    matched |= {("task", item.entities["task"]) for item in ready_bold if "task" in item.entities}
    reasons = {item: _why_not(selection, "bold", item) for item in ready_bold}
    native = tuple(item for item in files.native if not reasons.get(item))
    left_out |= {item.path.name: reason for item, reason in reasons.items() if reason}
    files = replace(files, raw=kept, native=native, left_out=left_out)
    labels = files.sessions()
    matched |= {("session", label) for label in labels if label}
    if selection.session_labels:
        labels &= set(selection.session_labels)
        if not labels:
            return []
    return [_unit(selection, subject, label, files) for label in sorted(labels or {None}, key=lambda item: item or "")]


def _unit(selection: Selection, subject: str, session: str | None, files: SubjectFiles) -> Session:
    """A unit with all that its sidecars say, or with the reason for which one of them cannot be read."""
    try:
        unit = _used(selection, subject, session, files)
        for item in unit.inputs:
            len(item.metadata)  # read now: this unit fails, with the file named, and no other
    except InputError as error:
        return Session(subject, session, error=str(error))
    return unit


def _used(selection: Selection, subject: str, session: str | None, files: SubjectFiles) -> Session:
    wanted = {need for modality in selection.modalities for need in MODALITIES[modality].queries}

    def own(items: Iterable[BidsFile]) -> tuple[BidsFile, ...]:
        return tuple(item for item in items if item.entities.get("session") in (session, None))

    raw = {query: own(items) if query in wanted else () for query, items in files.raw.items()}
    raw["epi"] = epi_of(raw["epi"], raw["dwi"])
    chosen = {item.entities["modality"]: item for item in own(files.maps)}
    unit = Session(
        subject,
        session,
        raw=raw,
        lesion=own(files.lesions),
        maps={modality: item for modality, item in chosen.items() if modality in selection.modalities},
        covariates=unit_covariates(selection.bids_dir, subject, session),
        left_out=files.left_out,
    )
    return choose_lesions(take_ready(unit, own(files.native), wanted), own(files.images))


def _why_not(selection: Selection, query: str, item: BidsFile) -> str:
    """Why a file is left out; empty if it is used."""
    for entity, wanted in selection.filters.get(query, {}).items():
        values = {str(value) for value in (wanted if isinstance(wanted, list) else [wanted])}
        if not _same_label(item.entities.get(entity), values):
            return f"--bids-filter-file asks for {entity} {', '.join(sorted(values))}"
    usual = QUERIES[query].task
    if usual is None or "task" in selection.filters.get(query, {}):
        return ""
    if selection.task_labels:
        return "" if item.entities.get("task") in selection.task_labels else "not among --task-label"
    if usual not in (EVERY_TASK, item.entities.get("task")):
        return f"task {item.entities.get('task')} is not {usual}; ask for it with --task-label"
    return ""


def _same_label(value: str | None, wanted: set[str]) -> bool:
    """Labels equal as text, or as numbers (run-01 is run 1)."""
    if value is None:
        return False
    return value in wanted or (value.isdecimal() and any(w.isdecimal() and int(w) == int(value) for w in wanted))
