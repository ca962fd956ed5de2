"""What was kept apart in an evaluation, in sentences that are made of counts, so that a reader can check each."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bids_stroke.evaluation.kinds import INTERNAL, UNKNOWN, apart
from bids_stroke.evaluation.participants import counted, reasons


@dataclass(frozen=True)
class TrainingFacts:
    """What the bundle that made the predictions tells of its training.

    Attributes
    ----------
    people : int
        In its ledger of hashed names; 0 where nobody knows whom it was trained on.
    split : str
        ``nested`` or ``fixed``; empty for a model that was not trained by this app.
    outer_folds, inner_folds, repeats : int
        Of the nested cross-validation.
    out_of_fold : int
        People of whom it holds out-of-fold predictions.
    in_several_folds : int
        Of these, people who stand in more than one fold of a repeat: 0 in a sound bundle.
    """

    people: int
    split: str
    outer_folds: int
    inner_folds: int
    repeats: int
    out_of_fold: int
    in_several_folds: int


def separation(table: pd.DataFrame, facts: TrainingFacts | None) -> tuple[str, ...]:
    """Say what was kept apart.

    Parameters
    ----------
    table : DataFrame
        The rows of predictions that `evaluate_apart` takes.
    facts : TrainingFacts or None
        None where the bundle is not at hand.

    Returns
    -------
    tuple of str
        Sentences, of what there is only. What is no fact of this run, but how the app was written, is told as that.
    """
    found = [text for kind, rows in apart(table).items() if (text := _of_kind(kind, counted(rows), facts))]
    excluded = table.loc[reasons(table) == "in-training-set", "participant_id"].nunique()
    if excluded:
        found.append(
            f"Without an out-of-fold prediction at hand, and so counted nowhere: {_people(excluded)} of the training "
            "cohort. What a model says of people whom it learned from is no test of it."
        )
    return (*found, *_of_folds(facts))


def _of_kind(kind: str, rows: pd.DataFrame, facts: TrainingFacts | None) -> str:
    n = rows["participant_id"].nunique()
    if n == 0:
        return ""
    if kind == INTERNAL:
        unseen = int(rows["out_of_fold"].eq(True).sum()) if "out_of_fold" in rows else 0
        return (
            f"{_people(n)} of the training cohort, evaluated with what models said that had not seen them: "
            f"{unseen} of their {len(rows)} predictions are out of fold."
        )
    if kind == UNKNOWN:
        return f"Of {_people(n)} nobody knows whether the model was trained on them: they are evaluated by themselves."
    ledger = f"that the model keeps of its {facts.people} training people" if facts else "of the model"
    return (
        f"{_people(n)} new to the model: none of them stands in the ledger {ledger} (salted hashes of the dataset's "
        "name and the person's label). A person who comes again under another label or dataset is not recognised."
    )


def _of_folds(facts: TrainingFacts | None) -> tuple[str, ...]:
    if facts is None:
        return ("The model is not at hand here, so its folds cannot be told.",)
    if facts.split == "fixed":
        return (
            "The model's people were divided once, by participant, into training, validation and test: settings were "
            f"chosen on the validation people, and the {_people(facts.out_of_fold)} of the test were not learned from.",
        )
    if facts.split != "nested":
        return ("The model was not trained by this app: nothing is known of folds.",)
    repeats = f", {facts.repeats} times" if facts.repeats > 1 else ""
    return (
        f"The training had {facts.outer_folds} folds by participant{repeats}: {facts.in_several_folds} of "
        f"{_people(facts.out_of_fold)} stand in two folds of one division, so sessions of a person were never on both "
        "sides."
        if facts.in_several_folds == 0
        else f"The folds of this model are not sound: {_people(facts.in_several_folds)} of {facts.out_of_fold} stand "
        "in more than one fold of a division.",
        f"Within each fold, scaling, early stopping, the fusion's weights, the calibration, the limits of the decision "
        f"and the baselines were found on its training people alone, by {facts.inner_folds} inner folds by participant "
        "(so the program is written; the folds above are counted).",
    )


def _people(n: int) -> str:
    return "1 person" if n == 1 else f"{n} people"
