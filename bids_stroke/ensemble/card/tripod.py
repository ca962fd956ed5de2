"""What a report of a training must tell, item by item, filled in as far as a bundle knows it.

The items are those of the TRIPOD+AI statement (Collins et al. 2024, BMJ 385:e078378) by their numbers; what each is
about is said here in our own few words, and the statement itself has to be read beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bids_stroke.ensemble.card.words import QUANTITIES, short

TO_DO = "to do by the authors"
FILE = "docs/tripod_ai.md"


@dataclass(frozen=True)
class Item:
    """One row of the sheet.

    Attributes
    ----------
    number, about : str
        As in the statement; what it is about, in few words.
    told : str
        What the bundle knows of it; empty where it knows nothing.
    open : str
        What is left to the authors; empty where nothing is.
    """

    number: str
    about: str
    told: str = ""
    open: str = TO_DO


def tripod_items(metadata: Mapping[str, Any]) -> tuple[Item, ...]:
    """Every item, in order, of the bundle with these metadata (as in ``configs/metadata.json``)."""
    facts = metadata["facts"]
    return (*_front(metadata), *_methods(metadata, facts), *_science(), *_results(metadata, facts), *_end())


def tripod_sheet(metadata: Mapping[str, Any]) -> str:
    """The items as a table in Markdown."""
    lines = [
        f"# TRIPOD+AI: {metadata['name']} {metadata['version']}",
        "",
        "Items of Collins et al. 2024, BMJ 385:e078378, by number; read the statement beside this sheet. What the "
        f'training knows is filled in; "{TO_DO}" is what it cannot know.',
        "",
        "| item | about | told by the training | left |",
        "|---|---|---|---|",
        *(f"| {' | '.join(map(_cell, (i.number, i.about, i.told, i.open)))} |" for i in tripod_items(metadata)),
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def _front(metadata: Mapping[str, Any]) -> list[Item]:
    what = f"development and internal validation of a model that predicts {metadata['outcome']} after stroke"
    return [
        Item("1", "title: development or evaluation, whom, which outcome", what),
        Item("2", "abstract (by the statement's own list)"),
        Item("3a", "medical context, reason for the model, models that there are"),
        Item(
            "3b", "for whom and for which step of care, and who would use it", "research use only: docs/model_card.md"
        ),
        Item("3c", "known inequalities between groups of people"),
        Item("4", "aims", what),
    ]


def _methods(metadata: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Item]:
    settings = facts.get("settings", {})
    training = settings.get("training", {})
    members = [entry["member"] for entry in metadata["members"]]
    inputs = ", ".join(dict.fromkeys(member["modality"] for member in members))
    balance = f"{facts.get('units_with_poor_outcome')} of {facts.get('units')} examinations have a poor outcome"
    known = short(facts.get("population", {}).get("known", {}))
    return [
        Item("5a", "where the data come from, and how well they stand for the people meant",
             f"dataset {', '.join(facts.get('datasets', ()))}", "source, representativeness"),
        Item("5b", "dates of the data"),
        Item("6a", "setting: places, kinds of hospital"),
        Item("6b", "who was eligible", "whoever has features and an outcome in the dataset", "rules of the study"),
        Item("6c", "treatments, and how they were dealt with", "not known to the model"),
        Item("7", "preparation of the data, and its checks, over groups of people",
             f"preprocessing version {metadata['preprocessing_version']} in {metadata['space']}, lesion_side "
             f"{settings.get('lesion_side', 'as-is')}; steps in words in logs/CITATION.md", ""),
        Item("8a", "outcome: what, when, how measured", f"poor means {metadata['outcome']}", "when and how measured"),
        Item("8b", "who judged the outcome, where that takes judgement"),
        Item("8c", "whether these were blind to the predictors", "an outcome is never a predictor here"),
        Item("9a", "how predictors were chosen", f"{inputs}; the early fusion and weights choose in inner folds", ""),
        Item("9b", "each predictor: what, how and when measured",
             "inputs of each member: configs/metadata.json; biomarkers with definition and source: *_biomarkers.json",
             "when measured"),
        Item("9c", "who judged predictors, where that takes judgement", "", "who drew lesion masks, if there are any"),
        Item("10", "how the number of people was decided",
             f"{facts.get('participants')} participants, {balance}", "reason for this number"),
        Item("11", "missing data", f"nothing is filled in; people of whom covariates are known: {known or 'not told'}; "
             f"examinations of each member: {short(facts.get('units_per_member', {}))}", "why data are missing"),
        *_analysis(facts, training),
        Item("13", "unequal classes", f"{balance}; networks and linear members weigh both classes equally, and the "
             "distribution of the outcome gives the real share back", ""),
        Item("14", "fairness between groups of people", "performance with and without each modality is told", TO_DO),
        Item("15", "what the model gives, and how limits were chosen",
             "probability, expected score with range, decision; limits so that at most "
             f"{1 - float(training.get('coverage', 0.9)):.0%} of either class get the other decision", ""),
        Item("16", "differences between people of training and evaluation",
             "none in kind: the same cohort, out of fold; new people stand apart on the page of the group", ""),
        Item("17", "ethical approval"),
    ]  # fmt: skip


def _analysis(facts: Mapping[str, Any], training: Mapping[str, Any]) -> list[Item]:
    if facts.get("split") == "fixed":
        how = "one fixed split by participant (70, 15, 15 %)"
    else:
        how = (
            f"nested cross-validation by participant: {facts.get('outer_folds')} outer and {facts.get('inner_folds')} "
            f"inner folds, {facts.get('repeats')} repeats; seed {facts.get('seed')}"
        )
    recalibrated = facts.get("recalibration")
    updated = f"on {recalibrated['participants']} new people ({recalibrated['method']})" if recalibrated else "none"
    return [
        Item("12a", "how data were used for training and for evaluation", how, ""),
        Item("12b", "how predictors enter: form, scale", "standardised on the training part of each fold; missing "
             "covariates by an indicator", ""),
        Item("12c", "kind of model, its building, tuning, internal validation",
             "members, of which inner folds choose no more than the number of epochs or the step of a path; weights "
             f"that sum to 1; a cumulative logistic distribution ({how})", "reason for the choice"),
        Item("12d", "differences between clusters (hospitals, countries)", "", TO_DO),
        Item("12e", "measures of performance, and their plots", "AUC, Brier score, calibration, decisions, score; 95 % "
             f"intervals by {training.get('bootstrap')} bootstrap draws of participants", ""),
        Item("12f", "updating of the model", updated, ""),
        Item("12g", "how predictions were computed for the evaluation", "out of the outer folds, by the same code as "
             "for new people", ""),
    ]  # fmt: skip


def _science() -> list[Item]:
    return [
        Item("18a", "money and its role"),
        Item("18b", "conflicts of interest"),
        Item("18c", "protocol"),
        Item("18d", "registration"),
        Item("18e", "whether data can be had", "people are in the bundle as salted hashes only"),
        Item("18f", "whether code can be had", "bids_stroke, its version and settings are in the bundle", ""),
        Item("19", "part that patients and the public had"),
    ]


def _results(metadata: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Item]:
    quantities = facts.get("performance", {}).get("quantities", {})
    told = "; ".join(_measured(name, values) for name, values in quantities.items())
    ranges = (metadata.get("applicability") or {}).get("ranges", ())
    recalibrated = facts.get("recalibration")
    return [
        Item("20a", "flow of people, with and without the outcome", "the page of the training, in OUTPUT_DIR",
             "people before they were in the dataset, follow-up"),
        Item("20b", "who they are: numbers, predictors, missing values",
             f"docs/model_card.md, population ({len(ranges)} numbers)", ""),
        Item("20c", "people of the evaluation beside those of the training, for important predictors",
             "the same people, out of fold", ""),
        Item("21", "people and outcomes in each analysis",
             f"{facts.get('participants')} participants; examinations of each member: as in item 11", ""),
        Item("22", "the whole model, so that others can predict with it",
             f"this bundle: weights of {len(metadata['members'])} members, fusion, distribution", ""),
        Item("23a", "performance with intervals, also in groups of people", told or "too few people for any figure",
             "important groups of people"),
        Item("23b", "performance in clusters, where they were looked at", "", TO_DO),
        Item("24", "results of an update", short(recalibrated["judged"]["quantities"]) if recalibrated else "no update",
             ""),
    ]  # fmt: skip


def _measured(name: str, values: Iterable[float | None]) -> str:
    value, low, high = values
    ends = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    return f"{QUANTITIES.get(name, name)} {value:.3f}{ends}"


def _end() -> list[Item]:
    return [
        Item("25", "what the results mean, beside other studies"),
        Item("26", "limits", "those of docs/model_card.md and docs/limits.md", "those of the study"),
        Item("27a", "what to do with inputs that are poor or missing",
             "members without input are left out and a fusion of the rest is used; quality is judged; people unlike "
             "the training are warned of", ""),
        Item("27b", "what users have to do and to know", "a BIDS dataset and one command; reading the page: "
             "docs/reading.md", "skill needed where it is used"),
        Item("27c", "what comes next, and whether it holds elsewhere", "the level group on new people tells", TO_DO),
    ]  # fmt: skip
