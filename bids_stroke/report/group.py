"""The page of the group: who was predicted what, and what the predictions are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from bids_stroke.core.records import StepReport, UnitStatus
from bids_stroke.derivatives.names import DATASET_FILES, dataset_file
from bids_stroke.derivatives.outputs import write_text
from bids_stroke.report import biomarkers, people, places, plots, quality, words
from bids_stroke.report.evaluation import evaluated_parts

if TYPE_CHECKING:
    from bids_stroke.evaluation.evaluate import Evaluation


@dataclass(frozen=True)
class GroupDetails:
    """What the page of the group may show besides predictions and their evaluation."""

    statuses: Sequence[UnitStatus] = ()
    steps: Mapping[str, Mapping[str, StepReport]] = field(default_factory=dict)
    """Reports by unit and step, for the quality overview."""
    biomarkers: Sequence[Mapping[str, float]] = ()
    """Established biomarkers of each unit that has any."""
    member_modality: Mapping[str, str] = field(default_factory=dict)
    """Modality of each member of the ensemble, where its name does not begin with it."""
    how: str = ""
    """How the predictions that were evaluated came about; told from the table of predictions if empty."""


def write_group_report(
    root: Path, evaluation: Evaluation | None, predictions: pd.DataFrame, details: GroupDetails | None = None
) -> Path:
    """Write the page of the group, one file in OUTPUT_DIR with its pictures inside.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    evaluation : Evaluation or None
        None (or one without participants) where no outcome is known; of several kinds of people from `evaluate_apart`.
    predictions : DataFrame
        A row per unit: ``participant_id``, ``probability_poor``, ``prediction``, and where there are any
        ``session_id``, ``probability_poor_low`` and ``_high``, ``predicted_score``, ``score``, ``poor``,
        ``excluded``, ``missing``, ``in_training_set``, ``out_of_fold`` (models that had not seen the person made
        the prediction, during training), ``demonstration``.
    details : GroupDetails, optional
        Failed units, quality numbers, origin of the predictions.
    """
    details = details or GroupDetails()
    flagged = quality.flagged_units(details.steps)
    looks = {row["unit"]: row["flag"] for row in flagged}
    rows, lacking = people.rows(predictions, looks, details.member_modality)
    page = words.render(
        "group.html",
        demonstration="demonstration" in predictions and predictions["demonstration"].isin(people.TRUE).any(),
        rows=rows,
        lacking=lacking,
        decision_in_words=people.DECISION,
        look_in_words=people.LOOK,
        has_sessions="session_id" in predictions and not predictions["session_id"].map(words.missing).all(),
        has_scores="predicted_score" in predictions and predictions["predicted_score"].notna().any(),
        has_out_of_fold="out_of_fold" in predictions and predictions["out_of_fold"].isin(people.TRUE).any(),
        has_outcomes="poor" in predictions and predictions["poor"].notna().any(),
        counts=_counts(predictions),
        failed=[status for status in details.statuses if not status.completed],
        unit_name=places.unit_name,
        page_of=places.page_of,
        named=places.named,
        how=details.how or origin_in_words(predictions),
        quality=quality.overview(details.steps),
        flagged=flagged,
        units=list(details.steps),
        quality_file=DATASET_FILES["group_quality"],
        biomarkers=biomarkers.overview(details.biomarkers),
        biomarkers_file=DATASET_FILES["group_biomarkers"],
        histogram=_histogram(predictions),
        **evaluated_parts(evaluation),
    )
    return write_text(dataset_file(root, "group_report"), page)


def _counts(predictions: pd.DataFrame) -> dict[str, int]:
    said = predictions["prediction"] if "prediction" in predictions else pd.Series(dtype=object)
    counts = {word: int((said == word).sum()) for word in ("poor", "good", "abstain")}
    counts["left_out"] = int((said == "left-out").sum())
    return counts | {"people": predictions["participant_id"].nunique(), "units": len(predictions)}


def origin_in_words(predictions: pd.DataFrame) -> str:
    """Say of how many people the model had seen the data in training.

    Parameters
    ----------
    predictions : DataFrame
        A row per unit: ``participant_id``, ``in_training_set`` (true, false, or NaN where nobody knows), and where
        there is one ``out_of_fold``.

    Returns
    -------
    str
        Sentences with counts of participants; empty without the column ``in_training_set``.
    """
    if "in_training_set" not in predictions:
        return ""
    seen = predictions["in_training_set"].isin(people.TRUE)
    unknown = predictions["in_training_set"].isna()
    unfolded = predictions["out_of_fold"].isin(people.TRUE) if "out_of_fold" in predictions else seen & False
    kinds = (
        (unknown, "People of whom nobody knows whether they were in the model's training data: {}."),
        (~seen & ~unknown, "People who were not in the model's training data: {}."),
        (
            seen & unfolded,
            "People who were in the model's training data, counted with what models that had not seen them predicted "
            "(out of fold): {}.",
        ),
        (
            seen & ~unfolded,
            "People who were in the model's training data, without an out-of-fold prediction, and so are not "
            "evaluated: {}.",
        ),
    )
    counts = [(predictions.loc[which, "participant_id"].nunique(), text) for which, text in kinds]
    return " ".join(text.format(count) for count, text in counts if count)


def _histogram(predictions: pd.DataFrame) -> str:
    known = pd.to_numeric(predictions["poor"]) if "poor" in predictions else None
    if predictions["probability_poor"].isna().all():
        return ""
    if known is None or known.isna().all():
        return plots.histogram_plot(predictions["probability_poor"], None)
    return plots.histogram_plot(predictions["probability_poor"], known)
