"""From predictions and outcomes to metrics with intervals (pure: tables in, tables out).

The unit of every statistic is the participant. A poor outcome is the positive class, so recall is the share of poor
outcomes that were predicted, and precision the share of predictions "poor" that came true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from bids_stroke.core.settings import Settings
from bids_stroke.evaluation.agreement import agreement_table
from bids_stroke.evaluation.bootstrap import (
    MINIMUM_PARTICIPANTS,
    MINIMUM_PER_CLASS,
    Draws,
    too_few,
    undefined,
    with_intervals,
)
from bids_stroke.evaluation.comparisons import Compared, comparison_table
from bids_stroke.evaluation.decisions import confusion_table, decision_curve, decisions_of, threshold_table
from bids_stroke.evaluation.kinds import EXTERNAL, INTERNAL, apart
from bids_stroke.evaluation.metrics import (
    CLASSIFICATION,
    REGRESSION,
    classification_metrics,
    permutation_p,
    regression_metrics,
)
from bids_stroke.evaluation.missing_modalities import pattern_table
from bids_stroke.evaluation.participants import counted, reduce_to_participants, repeats_note
from bids_stroke.evaluation.recalibration import people_needed, recalibration_table
from bids_stroke.evaluation.validity import validity_table

OF_CALIBRATED = ("brier", "calibration_slope")
"""Metrics that judge probabilities as such."""
NOT_CALIBRATED = "its probabilities are not calibrated"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics of predictions against known outcomes, with the people, the rule and the procedure behind them."""

    metrics: pd.DataFrame
    """Long: model, kind (fusion, member, other fusion, baseline), metric, value, low, high, n, n_poor,
    reason."""
    comparisons: pd.DataFrame
    """Fusion against each other model, from `comparison_table`."""
    participants: pd.DataFrame
    """One row per evaluated participant, mean over sessions and repeats."""
    left_out: pd.DataFrame
    """participant_id (with its dataset where that is known), session_id, reason: rows that were not evaluated."""
    permutation_p: float | None
    """One-sided p-value of the fusion's AUC against shuffled outcomes; None where the AUC is null."""
    outcome: str
    """The rule of a poor outcome, ``fma_le<=17``."""
    notes: tuple[str, ...] = ()
    n: int = 0
    n_poor: int = 0
    patterns: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Fusion by pattern of missing modalities, from `pattern_table`."""
    validity: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Whether decisions, sets and intervals of the fusion were right as often as promised, from `validity_table`."""
    procedure: Mapping[str, Any] = field(default_factory=dict)
    """Numbers of draws and permutations, seed, minimum counts."""
    people: str = INTERNAL
    """Which of `kinds.KINDS` they are."""
    recalibration: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Of external people, from `recalibration_table`."""
    needed: Mapping[str, float] = field(default_factory=dict)
    """Of external people, from `people_needed`."""
    decision_curve: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Net benefit of the fusion, the strongest baselines, and of treating all or nobody, from `decision_curve`."""
    thresholds: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Right and wrong calls at fixed probabilities and at the model's own limits, from `threshold_table`."""
    confusion: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Counts of people by outcome and what was said, from `confusion_table`."""
    agreement: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Bias and limits of agreement of the predicted score, from `agreement_table`."""
    characteristics: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Who they are, by outcome, from `cohort.characteristics`; without rows where nothing but predictions is known."""
    subgroups: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The fusion by sex, age, site ..., from `cohort.subgroups`; without rows as above."""
    worst: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The people whose outcome was furthest from their probability, from `cohort.worst`."""
    flow: pd.DataFrame = field(default_factory=pd.DataFrame)
    """From the units selected to the people evaluated, of all kinds together, from `cohort.flow`."""
    separation: tuple[str, ...] = ()
    """Sentences on what was kept apart in this evaluation, of all kinds together, from `cohort.separation`."""
    others: tuple[Evaluation, ...] = ()
    """The same of the other kinds of people, which are never pooled with these."""

    @property
    def parts(self) -> tuple[Evaluation, ...]:
        """Itself and the others, each of one kind of people."""
        return (self, *self.others)


def evaluate_apart(
    table: pd.DataFrame, settings: Settings, modality_of: Mapping[str, str] | None = None, coverage: float | None = None
) -> Evaluation:
    """Evaluate each kind of people by itself: those of the training cohort, new ones, those of whom nobody knows.

    Parameters are those of `evaluate`, with ``in_training_set`` in the table. The first kind that is there is returned,
    with the other ones as its ``others``.
    """
    found = [evaluate(rows, settings, modality_of, coverage, kind) for kind, rows in apart(table).items()]
    return replace(found[0], others=tuple(found[1:]))


def evaluate(
    table: pd.DataFrame,
    settings: Settings,
    modality_of: Mapping[str, str] | None = None,
    coverage: float | None = None,
    people: str = INTERNAL,
) -> Evaluation:
    """Compute metrics of the fusion, its members and the baselines, each with a 95 % interval by participant.

    Parameters
    ----------
    table : DataFrame
        One row per unit: ``participant_id``, ``poor`` (0/1), ``probability_poor``, and where there are any
        ``dataset``, ``session_id``, ``score``, ``predicted_score``, ``p_<member>``, ``fusion_<name>`` (other ways to
        fuse), ``baseline_<name>``, ``excluded`` (a reason), and scores: ``s_<member>``, ``s_fusion_<name>``,
        ``s_baseline_<name>``.
    settings : Settings
        Outcome rule, seed, number of bootstrap draws and of permutations.
    modality_of : mapping, optional
        Member -> modality, for the patterns of missing ones; one that is not named stands for itself.
    coverage : float, optional
        What the model's sets promise: as it was trained, whatever the settings say now.
    people : str
        Which of `kinds.KINDS` they are: of external ones recalibrations are judged, too.

    Raises
    ------
    InputError
        A column is missing, or a probability is not between 0 and 1.

    Notes
    -----
    Percentile bootstrap over participants (draws that hold one class only are left out). Where fewer than
    MINIMUM_PARTICIPANTS participants, or fewer than MINIMUM_PER_CLASS of a class, have a value, metrics are null
    with the reason. So are the Brier score and the calibration slope of members, and of what is a mean of them:
    members are fitted with balanced classes, and only their fusion is calibrated. The permutation test shuffles
    outcomes against the given predictions; it does not train again.
    """
    participants, left_out, notes = reduce_to_participants(table, settings)
    draws = Draws(settings.training.bootstrap, settings.seed)
    models = _models(participants)
    rows = [row for name, kind, column in models for row in _model_rows(participants, name, kind, column, draws)]
    rows += _score_rows(participants, models, draws)
    found = Evaluation(
        metrics=pd.DataFrame(rows, columns=[*_KEYS, "metric", "value", "low", "high", "n", "n_poor", "reason"]),
        comparisons=comparison_table(participants, counted(table), [_compared(*model) for model in models[1:]], draws),
        participants=participants,
        left_out=left_out,
        permutation_p=_against_chance(participants, settings),
        outcome=str(settings.outcome),
        notes=notes + repeats_note(table, settings),
        n=len(participants),
        n_poor=int(participants["poor"].sum()),
        patterns=pattern_table(participants, modality_of or {}, draws),
        validity=validity_table(counted(table), coverage, draws, modality_of or {}),
        procedure=_procedure(settings),
        people=people,
    )
    found = _with_decisions(found, counted(table), draws)
    return _with_recalibration(found, draws) if people == EXTERNAL and found.n else found


def _with_decisions(found: Evaluation, rows: pd.DataFrame, draws: Draws) -> Evaluation:
    people, decided = found.participants, decisions_of(rows, found.participants)
    baselines = [column for _, kind, column in _models(people) if kind == "baseline"]
    return replace(
        found,
        decision_curve=decision_curve(people, baselines, draws),
        thresholds=threshold_table(people, decided, draws),
        confusion=confusion_table(people, decided),
        agreement=agreement_table(people, draws),
    )


def _with_recalibration(found: Evaluation, draws: Draws) -> Evaluation:
    poor, said = (found.participants[name].to_numpy(float) for name in ("poor", "probability_poor"))
    return replace(
        found, recalibration=recalibration_table(found.participants, draws), needed=people_needed(poor, said)
    )


def _procedure(settings: Settings) -> dict[str, Any]:
    return {
        "bootstrap": settings.training.bootstrap,
        "permutations": settings.training.permutations,
        "seed": settings.seed,
        "minimum_participants": MINIMUM_PARTICIPANTS,
        "minimum_per_class": MINIMUM_PER_CLASS,
    }


def _against_chance(participants: pd.DataFrame, settings: Settings) -> float | None:
    """One-sided p-value of the fusion's AUC against shuffled outcomes; None where there are too few."""
    poor, fusion = participants["poor"].to_numpy(float), participants["probability_poor"].to_numpy(float)
    if too_few(poor):
        return None
    return permutation_p(poor, fusion, settings.training.permutations, np.random.default_rng([settings.seed, 1]))


_KEYS = ("model", "kind")
_SCORE_PREFIX = {"member": "s_", "other fusion": "s_fusion_", "baseline": "s_baseline_"}


def _models(participants: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(name, kind, column) of everything that predicts."""
    found = [("fusion", "fusion", "probability_poor")]
    for prefix, kind in (("p_", "member"), ("fusion_", "other fusion"), ("baseline_", "baseline")):
        columns = [str(name) for name in participants.columns if str(name).startswith(prefix)]
        found += [(name.removeprefix(prefix), kind, name) for name in columns]
    return found


def _calibrated(name: str, kind: str) -> bool:
    """Whether a model's probabilities are meant as such: stacking, too, is a regression of its own."""
    return kind in ("fusion", "baseline") or name == "stacking"


def _compared(name: str, kind: str, column: str) -> Compared:
    return Compared(name, kind, column, _SCORE_PREFIX[kind] + name, _calibrated(name, kind))


def _model_rows(people: pd.DataFrame, name: str, kind: str, column: str, draws: Draws) -> list[dict[str, Any]]:
    given = people.dropna(subset=[column])
    poor, probability = given["poor"].to_numpy(float), given[column].to_numpy(float)
    reason = too_few(poor)
    head = {"model": name, "kind": kind, "n": len(poor), "n_poor": int(poor.sum())}
    if reason:
        return [{**head, **undefined(reason), "metric": metric} for metric in CLASSIFICATION]
    calibrated = _calibrated(name, kind)
    values = with_intervals(
        lambda weights: classification_metrics(poor, probability, weights, slope=calibrated), len(poor), draws
    )
    if not calibrated:
        values |= dict.fromkeys(OF_CALIBRATED, undefined(NOT_CALIBRATED))
    return [{**head, "metric": metric, **values[metric]} for metric in CLASSIFICATION]


def _score_rows(people: pd.DataFrame, models: Sequence[tuple[str, str, str]], draws: Draws) -> list[dict[str, Any]]:
    """R2 and mean absolute error of each predicted score: of the fusions, the members and the baselines."""
    if "score" not in people.columns:
        return []
    found = [("fusion", "fusion", "predicted_score")]
    found += [(name, kind, _SCORE_PREFIX[kind] + name) for name, kind, _ in models if kind in _SCORE_PREFIX]
    there = [model for model in found if model[2] in people.columns]
    return [row for model in there for row in _score_rows_of(people.dropna(subset=["score", model[2]]), model, draws)]


def _score_rows_of(given: pd.DataFrame, model: tuple[str, str, str], draws: Draws) -> list[dict[str, Any]]:
    name, kind, column = model
    if given.empty:
        return []
    score, predicted = given["score"].to_numpy(float), given[column].to_numpy(float)
    head = {"model": name, "kind": kind, "n": len(given), "n_poor": int(given["poor"].sum())}
    if len(given) < MINIMUM_PARTICIPANTS:
        reason = f"too few participants ({len(given)} of at least {MINIMUM_PARTICIPANTS})"
        return [{**head, **undefined(reason), "metric": metric} for metric in REGRESSION]
    values = with_intervals(lambda weights: regression_metrics(score, predicted, weights), len(given), draws)
    return [{**head, "metric": metric, **values[metric]} for metric in REGRESSION]
