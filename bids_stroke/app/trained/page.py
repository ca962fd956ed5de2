"""What the page of a training shows, gathered from the training, its bundle and the run."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bids_stroke.app.request import Request
from bids_stroke.bids.phenotype import unit_outcome
from bids_stroke.core.json_files import read_json_object
from bids_stroke.core.records import Labelled, Session
from bids_stroke.core.settings import describe_settings
from bids_stroke.ensemble.metadata import METADATA

if TYPE_CHECKING:
    from bids_stroke.report.train import MemberRow, Training
    from bids_stroke.training.ensemble import TrainedEnsemble

NO_OUTCOME = "the outcome is not known"
NO_FEATURES = "no features that are current (run the level participant)"


def not_used(request: Request, sessions: Sequence[Session], cohort: Sequence[Labelled]) -> dict[str, int]:
    """Why examinations that were asked for are not in the cohort, and how many."""
    there = {(item.unit.subject, item.unit.session) for item in cohort}
    column = request.settings.outcome.column
    absent = [item for item in sessions if (item.subject, item.session) not in there]
    return dict(
        Counter(
            NO_OUTCOME
            if unit_outcome(request.selection.bids_dir, column, item.subject, item.session) is None
            else NO_FEATURES
            for item in absent
        )
    )


def page_content(
    request: Request, ensemble: TrainedEnsemble, bundle: Path, absent: dict[str, int], seconds: float
) -> Training:
    """Everything on the page but the evaluation.

    Parameters
    ----------
    request : Request
        Settings and command line.
    ensemble : TrainedEnsemble
        As trained.
    bundle : Path
        Its folder, written.
    absent : dict
        From `not_used`.
    seconds : float
        Of the whole training.
    """
    from bids_stroke.ensemble.card.tripod import tripod_items
    from bids_stroke.ensemble.explanation.verdict import audits_of
    from bids_stroke.report.train import Training
    from bids_stroke.training.participants import LEFT_OUT

    metadata = read_json_object(bundle / METADATA)
    facts = metadata["facts"]
    given = shlex.join(["bids_stroke", *request.command])
    return Training(
        name=bundle.name,
        facts=facts,
        members=_members(ensemble),
        left_out={**facts.get(LEFT_OUT, {}), **ensemble.not_trained},
        not_used=absent,
        out_of_fold=ensemble.out_of_fold,
        curves=ensemble.curves,
        subsets=ensemble.subsets,
        seconds=seconds,
        minutes=ensemble.minutes,
        max_minutes=request.settings.training.max_minutes,
        settings=describe_settings(request.settings),
        command="".join(letter if letter.isprintable() else "?" for letter in given),
        tripod=[(one.number, one.about, one.told, one.open) for one in tripod_items(metadata)],
        audits={name: one.faults for name, one in audits_of(metadata.get("explanation_audit", {})).items()},
        demonstration=bool(metadata["demonstration"]),
    )


def _members(ensemble: TrainedEnsemble) -> list[MemberRow]:
    """Those of the bundle, the early fusion among them, then those that were trained and are not kept."""
    from bids_stroke.ensemble.bundle import fitted
    from bids_stroke.report.train import MemberRow

    contents = ensemble.contents
    units = contents.facts["units_per_member"]
    kept = [
        MemberRow(
            own.name, own.modality, own.network, contents.fusion.weights[own.name], units[own.name],
            ensemble.seconds.get(own.name, 0.0),
        )
        for own in (entry.member for entry in fitted(contents))
    ]  # fmt: skip
    names = {row.name for row in kept}
    rest = [name for name in ensemble.seconds if name not in names]
    return kept + [
        MemberRow(name, ensemble.modality_of.get(name, ""), "", None, None, ensemble.seconds[name]) for name in rest
    ]
