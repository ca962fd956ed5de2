"""The page of a training: who was trained on, what became of the members, what the model is worth, how it was made."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import write_text
from bids_stroke.evaluation.bootstrap import Draws, too_few, with_intervals
from bids_stroke.evaluation.metrics import classification_metrics, ranking_metrics
from bids_stroke.report import plots, words
from bids_stroke.report.evaluation import evaluated_parts

if TYPE_CHECKING:
    from bids_stroke.evaluation.evaluate import Evaluation

SHOWN = 12
"""Sets of members in the table, of the many that were tried."""
MOST_PAIRS = 12
PAIR_METRICS = ("accuracy", "recall", "f1", "precision", "auc")
COVARIATES = {"age": "age", "sex": "sex", "days_since_stroke": "time since stroke"}


@dataclass(frozen=True)
class MemberRow:
    """A member that was trained.

    Attributes
    ----------
    name, modality, network : str
        As in the bundle.
    weight : float or None
        In the fusion; None of one that is not kept.
    units : int or None
        Examinations that have its input.
    seconds : float
        Of its training in this run.
    """

    name: str
    modality: str
    network: str
    weight: float | None
    units: int | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Training:
    """What the page of a training tells beside its evaluation.

    Attributes
    ----------
    name : str
        Of the model, whose folder is ``models/<name>``.
    facts : mapping
        Of the bundle: people, folds, seed.
    members : sequence of MemberRow
        That were trained.
    left_out : mapping of str to str
        Members that are not in the model, and why.
    not_used : mapping of str to int
        Why examinations that were asked for were not trained on, and how many.
    out_of_fold, curves, subsets : DataFrame
        As in `training.ensemble.TrainedEnsemble`.
    seconds : float
        Of the whole training in this run.
    minutes : mapping of str to float
        Most that networks were estimated to take; empty where nothing was estimated.
    max_minutes : float or None
        Budget of these.
    settings, command : str
        All settings, as YAML; the command line.
    tripod : sequence of (str, str, str, str)
        Items of TRIPOD+AI: number, about, told, left to the authors.
    audits : mapping of str to sequence of str
        Of each network whose pictures of where it looks were tried: what speaks against believing them.
    demonstration : bool
        Whether the model is only one.
    """

    name: str
    facts: Mapping[str, Any]
    members: Sequence[MemberRow]
    left_out: Mapping[str, str]
    not_used: Mapping[str, int]
    out_of_fold: pd.DataFrame
    curves: pd.DataFrame
    subsets: pd.DataFrame
    seconds: float
    minutes: Mapping[str, float] = field(default_factory=dict)
    max_minutes: float | None = None
    settings: str = ""
    command: str = ""
    tripod: Sequence[tuple[str, str, str, str]] = ()
    audits: Mapping[str, Sequence[str]] = field(default_factory=dict)
    demonstration: bool = False


def write_train_report(root: Path, evaluation: Evaluation, training: Training) -> Path:
    """Write the page of a training, one file in OUTPUT_DIR with its pictures inside.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    evaluation : Evaluation
        Of the out-of-fold predictions.
    training : Training
        What else there is to tell.
    """
    facts = training.facts
    page = words.render(
        "train.html",
        training=training,
        facts=facts,
        demonstration=training.demonstration,
        how="Everybody is judged by models that had not seen him or her: predicted in the outer test part of "
        + ("the fixed split." if facts.get("split") == "fixed" else "the cross-validation."),
        modality=words.modality_in_words,
        known=[(COVARIATES.get(name, name), n) for name, n in facts.get("population", {}).get("known", {}).items()],
        silent=facts["units"] - _units(training.out_of_fold) if facts.get("split") == "nested" else 0,
        folds=fold_rows(training.out_of_fold),
        subsets=training.subsets.head(SHOWN).to_dict("records"),
        pairs=pair_rows(training, Draws(evaluation.procedure["bootstrap"], evaluation.procedure["seed"])),
        pair_metrics=[words.METRIC[name] for name in PAIR_METRICS],
        n_subsets=len(training.subsets) - 1,
        curves=_address(plots.curves_plot(training.curves)) if len(training.curves) else "",
        duration=duration,
        headline=headline(evaluation),
        retrained=evaluation.procedure.get("retrained"),
        card=f"models/{training.name}/docs/model_card.md",
        sheet=f"models/{training.name}/docs/tripod_ai.md",
        **evaluated_parts(evaluation),
    )
    return write_text(dataset_file(root, "train_report", name=training.name), page)


def _units(out_of_fold: pd.DataFrame) -> int:
    """How many examinations were predicted, in whatever repeat."""
    return len(out_of_fold[["dataset", "participant_id", "session_id"]].drop_duplicates())


def headline(evaluation: Evaluation) -> str:
    """The fusion's AUC with its interval, in a sentence; why there is none, where people are too few."""
    rows = {str(row["metric"]): row for row in evaluation.metrics.to_dict("records") if row["model"] == "fusion"}
    auc = rows["auc"]
    if words.missing(auc["value"]):
        return f"No figures: {auc['reason']}."
    return f"AUC of the fusion {words.number(auc['value'])} ({words.interval(auc)}), on people whom it had not seen."


def fold_rows(out_of_fold: pd.DataFrame) -> list[dict[str, Any]]:
    """Number of people and AUC of the fusion in each outer fold.

    Parameters
    ----------
    out_of_fold : DataFrame
        A row per unit and repeat: ``dataset``, ``participant_id``, ``repeat``, ``fold``, ``poor``,
        ``probability_poor``.

    Returns
    -------
    list of dict
        ``repeat`` and ``fold`` from 1, ``n``, ``n_poor``, ``auc``: over people, by their mean over sessions; NaN
        where the fold has one outcome only.
    """
    found = []
    for _, rows in out_of_fold.groupby(["repeat", "fold"], sort=True):
        people = rows.groupby(["dataset", "participant_id"], sort=True)[["poor", "probability_poor"]].mean()
        poor = (people["poor"].to_numpy(float) >= 0.5).astype(float)
        said, area = people["probability_poor"].to_numpy(float), float("nan")
        if 0 < poor.sum() < len(poor):
            area = float(ranking_metrics(poor, said, np.ones((1, len(poor))))["auc"][0])
        repeat, fold = (int(rows[name].iloc[0]) + 1 for name in ("repeat", "fold"))
        found.append({"repeat": repeat, "fold": fold, "n": len(poor), "n_poor": int(poor.sum()), "auc": area})
    return found


def pair_rows(training: Training, draws: Draws) -> list[dict[str, Any]]:
    """The mean of each two members that read different things, on the people who have both.

    Parameters
    ----------
    training : Training
        With members and their probabilities out of fold.
    draws : Draws
        Of the bootstrap over people.

    Returns
    -------
    list of dict
        ``name``, ``n``, ``n_poor``, ``cells``: value and interval of each of PAIR_METRICS. Empty where there are more
        than MOST_PAIRS, which nobody would read; without those of which people are too few.
    """
    there = [row for row in training.members if f"p_{row.name}" in training.out_of_fold]
    pairs = [(a, b) for a, b in combinations(there, 2) if a.modality != b.modality]
    found = []
    for a, b in pairs if len(pairs) <= MOST_PAIRS else []:
        columns = [f"p_{a.name}", f"p_{b.name}"]
        people = training.out_of_fold.groupby(["dataset", "participant_id"], sort=True)[["poor", *columns]].mean()
        both = people.dropna()
        poor, said = (both["poor"].to_numpy(float) >= 0.5).astype(float), both[columns].mean(axis=1).to_numpy(float)
        if too_few(poor):
            continue
        values = with_intervals(partial(classification_metrics, poor, said, slope=False), len(poor), draws)
        cells = [(words.number(values[name]["value"]), words.interval(values[name])) for name in PAIR_METRICS]
        found.append({"name": f"{a.name} + {b.name}", "n": len(poor), "n_poor": int(poor.sum()), "cells": cells})
    return found


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(4.2), duration(150), duration(7260)
    ('4 s', '2.5 min', '2 h 1 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.1f} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"


def _address(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
