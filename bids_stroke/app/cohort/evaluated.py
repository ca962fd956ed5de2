"""The group level's evaluation: predictions against outcomes, with who the people are and how they got there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bids_stroke.app.group_tables import bundle_of, promised_coverage
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.records import Prediction, Session, StepReport, UnitStatus

if TYPE_CHECKING:
    import pandas as pd

    from bids_stroke.app.request import Request
    from bids_stroke.evaluation.cohort.separation import TrainingFacts
    from bids_stroke.evaluation.evaluate import Evaluation

SITES = ("site", "site_id", "center", "centre", "hospital")
"""Columns of participants.tsv or sessions.tsv that tell where people come from; the first that is there counts."""
FEATURES_ONLY = "features-only"
"""Why a unit that was completed has no prediction: no model was asked."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """What the group level has read."""

    sessions: Sequence[Session]
    steps: Mapping[str, Mapping[str, StepReport]]
    """Reports by unit and step."""
    predictions: Mapping[str, Prediction]
    table: pd.DataFrame
    """From `group_tables.prediction_table`."""
    outcome: Outcome
    statuses: Sequence[UnitStatus]

    @property
    def modality_of(self) -> dict[str, str]:
        """Member -> modality."""
        members = (one.members.items() for one in self.predictions.values())
        return {name: member.modality for own in members for name, member in own}


def evaluated(request: Request, gathered: Gathered) -> Evaluation:
    """Evaluate each kind of people by itself, and describe them."""
    from dataclasses import replace

    from bids_stroke.evaluation.cohort.describe import described
    from bids_stroke.evaluation.cohort.flow import flow_table
    from bids_stroke.evaluation.cohort.separation import separation
    from bids_stroke.evaluation.evaluate import evaluate_apart

    table, modality_of = gathered.table, gathered.modality_of
    settings = request.settings.model_copy(update={"outcome": gathered.outcome})
    coverage = promised_coverage(request, gathered.predictions.values())
    found = evaluate_apart(table, settings, modality_of, coverage)
    background = background_table(gathered.sessions, gathered.steps, gathered.outcome.column)
    selected = [(f"sub-{item.subject}", f"ses-{item.session}" if item.session else None) for item in gathered.sessions]
    return replace(
        described(found, table, background, settings, modality_of),
        flow=flow_table(selected, _why_no_prediction(gathered.statuses), table),
        separation=separation(table, training_facts(request, gathered.predictions)),
    )


def background_table(
    sessions: Sequence[Session], steps: Mapping[str, Mapping[str, StepReport]], outcome_column: str
) -> pd.DataFrame:
    """What tables and lesion masks tell of each unit.

    Parameters
    ----------
    sessions : sequence of Session
        Units in the order of rows.
    steps : mapping
        Unit -> step -> report.
    outcome_column : str
        Its first value is that of ``<column>_baseline``.

    Returns
    -------
    DataFrame
        ``participant_id``, ``session_id``, and the columns of `evaluation.cohort.background`. A lesion's side is that
        of the mask, else of the column ``lesion_side``.
    """
    import pandas as pd

    from bids_stroke.evaluation.cohort.background import NUMBERS, WORDS

    rows = [_background(item, steps.get(item.prefix, {}), outcome_column) for item in sessions]
    table = pd.DataFrame(rows, columns=["participant_id", "session_id", *NUMBERS, *WORDS])
    return table.astype(dict.fromkeys(NUMBERS, float) | dict.fromkeys(WORDS, object))


def _background(session: Session, steps: Mapping[str, StepReport], outcome_column: str) -> dict[str, Any]:
    from bids_stroke.features.covariates import covariate_values, first_score_name
    from bids_stroke.report.participant import lesion_side

    names = ("age", "sex", "days_since_stroke", first_score_name(outcome_column))
    age, sex, days, first = covariate_values(session.covariates, names).tolist()
    lesion = steps["lesion"].qc if "lesion" in steps else {}
    told = {"l": "left", "r": "right"}.get(str(session.covariates.get("lesion_side", "")).strip().lower()[:1])
    site = next((session.covariates[name] for name in SITES if name in session.covariates), None)
    return {
        "participant_id": f"sub-{session.subject}",
        "session_id": f"ses-{session.session}" if session.session else None,
        "age": age,
        "days_since_stroke": days,
        "first_score": first,
        "lesion_volume_ml": lesion.get("lesion_volume_ml"),
        "sex": {0.0: "female", 1.0: "male"}.get(sex),
        "lesion_side": lesion_side(lesion) or told,
        "site": f"{site:g}" if isinstance(site, float) else site,
    }


def training_facts(request: Request, predictions: Mapping[str, Prediction]) -> TrainingFacts | None:
    """What the bundle that made the predictions tells of its training; None where that is not at hand."""
    from bids_stroke.evaluation.cohort.separation import TrainingFacts

    sha256 = next((str(one.model["sha256"]) for one in predictions.values()), "")
    bundle = bundle_of(request, sha256)
    if bundle is None:
        return None
    people, facts = bundle.out_of_fold(), bundle.facts
    mark, division = people["participant_hash"], [name for name in ("repeat",) if name in people]
    folds = people["fold"].groupby([mark, *(people[name] for name in division)]).nunique() if "fold" in people else None
    several = 0 if folds is None else folds[folds > 1].index.get_level_values(0).nunique()
    return TrainingFacts(
        people=sum(len(hashes) for hashes in bundle.participants.values()),
        split=str(facts.get("split", "")),
        outer_folds=int(facts.get("outer_folds", 0)),
        inner_folds=int(facts.get("inner_folds", 0)),
        repeats=int(facts.get("repeats", 1)),
        out_of_fold=int(mark.nunique()),
        in_several_folds=int(several),
    )


def _why_no_prediction(statuses: Sequence[UnitStatus]) -> dict[tuple[str, str | None], str]:
    """Unit -> code of the reason, for those whose status is known."""
    return {
        (f"sub-{one.subject}", f"ses-{one.session}" if one.session else None): one.reason
        or (FEATURES_ONLY if one.completed else one.status)
        for one in statuses
    }
