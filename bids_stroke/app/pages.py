"""The pages of participants: which of them still say what there is, and new ones for the others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

import bids_stroke
from bids_stroke.app.plan import step_reports
from bids_stroke.bids.choice.unread import in_lines
from bids_stroke.core.digest import code_digest, digest
from bids_stroke.core.modalities import EARLY
from bids_stroke.core.records import Prediction, Session, StepReport, UnitStatus
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.explanations import NetworkExplanation, read_explanations
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.derivatives.predictions import read_predictions
from bids_stroke.derivatives.provenance import read_run
from bids_stroke.derivatives.recipes import Recipe
from bids_stroke.ensemble.metadata import bundle_modalities, bundle_network_of
from bids_stroke.preprocess.registry import STEPS
from bids_stroke.quality.judge import write_unit_table

if TYPE_CHECKING:
    from bids_stroke.report.provenance import Made

STAGES = (*(step.name for step in STEPS.values()), "prediction", "figures")
"""Stages of a unit whose manifests tell what its page shows."""
MOST_PAGES = 10
"""Addresses of pages that are told at the end of a run."""


@dataclass(frozen=True)
class Predicts:
    """What pages tell of the members of an ensemble, by name: what they read, and which network they are."""

    modality: Mapping[str, str] = field(default_factory=dict)
    network: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Path | None) -> Predicts:
        """From a bundle; nothing without one.

        Raises
        ------
        ModelError
            Its metadata cannot be read.
        """
        return cls(bundle_modalities(model), bundle_network_of(model)) if model else cls()


@dataclass(frozen=True)
class _Page:
    """All that decides what stands on the page of a participant."""

    root: Path
    subject: str
    units: tuple[tuple[Session, UnitStatus], ...]
    predicts: Predicts
    neighbours: tuple[str, str]
    """Labels of the people before and after; empty where there is none."""

    @property
    def path(self) -> Path:
        """The participant's page."""
        return dataset_file(self.root, "participant_report", subject=self.subject)

    @property
    def manifest_path(self) -> Path:
        """Where it is written what the page was made of."""
        return manifest.manifest_path(self.root, f"sub-{self.subject}", "page")

    @property
    def inputs(self) -> list[Path]:
        """Manifests of the stages that have run."""
        prefixes = [session.prefix for session, _ in self.units]
        paths = [manifest.manifest_path(self.root, prefix, stage) for prefix in prefixes for stage in STAGES]
        return [path for path in paths if path.is_file()]

    @property
    def recipe(self) -> Recipe:
        """What else decides it: code, version, failures, files that were not used."""
        told = [
            [unit.session, dict(unit.left_out), unit.notes, dict(unit.covariates), *_failure(status)]
            for unit, status in self.units
        ]
        members = [dict(self.predicts.modality), dict(self.predicts.network)]
        text = json.dumps([told, members, self.neighbours], sort_keys=True)
        return {"code": digest(bids_stroke.__version__, _code()), "units": digest(text)}

    def is_current(self) -> bool:
        """Whether the page need not be written anew."""
        done = manifest.read_manifest(self.manifest_path, self.root)
        return done is not None and not done.why_stale(self.root, self.recipe, self.inputs)


def write_pages(
    root: Path, sessions: Iterable[Session], statuses: Iterable[UnitStatus], predicts: Predicts
) -> list[Path]:
    """Bring the page of each participant up to date, and the table of quality numbers of each session.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    sessions : iterable of Session
        All sessions of the participants; those of one participant stand together.
    statuses : iterable of UnitStatus
        Of all units; a session without one has never run and is not on the page. People who have one are the
        neighbours to whose pages a page leads.
    predicts : Predicts
        The members of the ensemble.

    Returns
    -------
    list of Path
        The pages, also those that were up to date.
    """
    ended = {(status.subject, status.session): status for status in statuses}
    people = sorted({status.subject for status in ended.values()})
    place = {subject: number for number, subject in enumerate(people)}
    paths = []
    for subject, own in groupby(sessions, key=lambda session: session.subject):
        known = [(session, ended.get((session.subject, session.session))) for session in own]
        units = tuple((session, status) for session, status in known if status is not None)
        if units:
            here = place[subject]
            beside = ("".join(people[here - 1 : here]) if here else "", "".join(people[here + 1 : here + 2]))
            page = _Page(root, subject, units, predicts, beside)
            if not page.is_current():
                _write_page(page)
            paths.append(page.path)
    return paths


def _write_page(page: _Page) -> None:
    from bids_stroke.report.participant import Around, UnitReport, write_participant_report
    from bids_stroke.report.provenance import stages_that_ran

    written, units, inputs = [], [], page.inputs  # what is there now: a parallel job may write while this one reads
    predictions = read_predictions(page.root, [session for session, status in page.units if status.has_told])
    for session, status in page.units:
        steps = step_reports(page.root, session.prefix)
        outputs = Outputs(page.root, session.subject, session.session)
        table = write_unit_table(outputs.path("quality"), steps) if steps else None
        written += [table, table.with_suffix(".json")] if table else []
        drawn = manifest.read_manifest(manifest.manifest_path(page.root, session.prefix, "figures"), page.root)
        units.append(
            UnitReport(
                session.subject,
                session.session,
                prediction=predictions.get(session.prefix),
                steps=steps,
                figures=tuple(drawn.report.files.values()) if drawn else (),
                status=status,
                member_modality=page.predicts.modality,
                person=person_facts(session, predictions.get(session.prefix)),
                explanations=_explanations(page.root, session) if session.prefix in predictions else (),
                figure_folder=outputs.path("figure", desc="x").parent,
                unused=in_lines(session.left_out),
                notes=session.notes,
                quality_file=table,
                ran=stages_that_ran(page.root, session.prefix, session.subject, STAGES),
            )
        )
    around = Around(*page.neighbours, _made(page, predictions.values()))
    path = write_participant_report(page.root, page.subject, units, around)
    done = manifest.make_manifest(page.root, page.recipe, inputs, written, StepReport(files={"page": path}))
    manifest.write_manifest(page.manifest_path, page.root, done)


def tell_pages(console: Console, pages: Sequence[Path]) -> None:
    """Say where the pages of people are; of many only the first."""
    few = len(pages) <= MOST_PAGES
    for path in pages[: MOST_PAGES if few else 1]:
        console.print(f"Report: {path}" if few else f"Reports: {len(pages)} pages, the first is {path}", soft_wrap=True)


def _made(page: _Page, predictions: Iterable[Prediction]) -> Made:
    """How the page came about: the last run, and the methods of the steps and networks of this person."""
    from bids_stroke.report.provenance import made

    members = {name for item in predictions for name in (*item.members, *([EARLY] if item.early_fusion else []))}
    networks = {page.predicts.network[name] for name in members if name in page.predicts.network}
    own: dict[str, Any] = {}
    steps = set()
    for session, _ in page.units:
        for step in STEPS.values():
            done = manifest.read_manifest(manifest.manifest_path(page.root, session.prefix, step.name), page.root)
            if done is not None:
                steps.add(step.name)
                own |= {step.settings: done.recipe["settings"]} if step.settings and "settings" in done.recipe else {}
    try:
        settings = Settings.model_validate(own)
    except ValueError:  # of another version, whose settings were others
        settings = Settings()
    return made(read_run(page.root, "participant"), steps, networks, settings)


def _explanations(root: Path, session: Session) -> tuple[NetworkExplanation, ...]:
    """Where the networks of a unit's prediction looked; nothing where it was made without."""
    done = manifest.read_manifest(manifest.manifest_path(root, session.prefix, "prediction"), root)
    table = done.report.files.get("explanation") if done is not None else None
    return read_explanations(table) if table is not None and table.is_file() else ()


def person_facts(session: Session, prediction: Prediction | None) -> tuple[tuple[str, str], ...]:
    """What the tables tell of a person at an examination, in words: label and value, what is missing said as that."""
    from bids_stroke.features.covariates import covariate_values, first_score_name

    column = str(prediction.model.get("outcome", "")).partition("<")[0].partition(">")[0] if prediction else ""
    age, sex, days, first = covariate_values(
        session.covariates, ("age", "sex", "days_since_stroke", first_score_name(column) if column else "-")
    ).tolist()
    side = {"l": "left", "r": "right"}.get(str(session.covariates.get("lesion_side", "")).strip().lower()[:1], "")
    facts = (
        ("Age", f"{age:.0f} years" if isfinite(age) else "not known"),
        ("Sex", ("female", "male")[int(sex)] if isfinite(sex) else "not known"),
        ("Since stroke", f"{days:g} days" if isfinite(days) else "not known"),
        ("Side, by the table", side),
        (f"First {column}", f"{first:g}" if isfinite(first) else ""),
    )
    return tuple((label, value) for label, value in facts if value)


def _failure(status: UnitStatus) -> tuple[str, ...]:
    """What the page says of a unit that was not completed; nothing of the others."""
    return () if status.completed else (status.status, status.reason, status.detail)


@cache
def _code() -> str:
    """Digest of the code and the templates that write pages."""
    templates = sorted((Path(__file__).parents[1] / "report" / "templates").iterdir())
    code = code_digest("bids_stroke.report.participant", "bids_stroke.quality.judge")
    return digest(code, *(path.read_text() for path in templates))
