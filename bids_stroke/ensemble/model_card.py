"""The model card of a bundle, written from its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bids_stroke.ensemble.card.words import known, measured, short
from bids_stroke.ensemble.explanation.verdict import audits_of

APART = ("settings", "population", "performance", "recalibration")
"""Facts that have a section of their own, or none."""


def model_card(metadata: Mapping[str, Any]) -> str:
    """Markdown text: what the model is, what it was trained on, how it was judged, what it must not be used for."""
    facts = metadata["facts"]
    lines = [
        f"# {metadata['name']} {metadata['version']}",
        "",
        "**Research use only: not a medical device, not for decisions about patients.**",
        "",
    ]
    if metadata["demonstration"]:
        lines += [
            "**Demonstration ensemble: it shows that the app runs. Its predictions mean nothing for patients.**",
            "",
        ]
    lines += [
        f"- Outcome: poor means `{metadata['outcome']}`.",
        f"- {metadata['description']}",
        f"- Made by bids_stroke {metadata['required_packages_version']['bids_stroke']}, "
        f"torch {metadata['pytorch_version']}.",
        f"- Feature maps in {metadata['space']}, preprocessing version {metadata['preprocessing_version']}.",
        "",
        "## Use",
        "",
        *_use(metadata),
        "",
        "## Members",
        "",
        "| member | modality | network | input options | fusion weight |",
        "|---|---|---|---|---|",
    ]
    early = metadata.get("early_fusion")
    for entry in [*metadata["members"], *([early] if early else [])]:
        member = entry["member"]
        options = ", ".join(f"{key} {short(value)}" for key, value in member["inputs"].items())
        weight = metadata["fusion_weights"][member["name"]]
        lines.append(f"| {member['name']} | {member['modality']} | {member['network']} | {options} | {weight:.3f} |")
    lines += ["", "## Training", ""]
    lines += [f"- {key.replace('_', ' ')}: {short(value)}" for key, value in facts.items() if key not in APART]
    for title, section in (
        ("Population", _population(metadata)),
        ("Performance", measured(facts.get("performance", {}))),
        ("Recalibration", _recalibration(facts.get("recalibration"))),
    ):
        lines += ["", f"## {title}", "", *section] if section else []
    lines += ["", "## Distribution of the outcome", "", *_distribution(metadata["distribution"])]
    lines += ["- Missing modalities are left out; nothing is filled in."]
    if metadata["distribution"]:
        lines += [
            "- These weights and this distribution are of people who lack nothing. Whoever lacks something has those "
            "of a fusion of the other members, fitted on the same people (`evidence.tsv`)."
        ]
    lines += _explanations(metadata)
    lines += ["", "## Limits", ""]
    lines += [f"- {text}" for text in _limits(metadata)]
    return "\n".join([*lines, ""])


def _use(metadata: Mapping[str, Any]) -> list[str]:
    """For what the model is, and for what not."""
    return [
        f"- Meant for research on recovery after stroke: to tell, of groups of people, what `{metadata['outcome']}` "
        "can be foretold from, and to be held against other models on new people.",
        "- Meant for data that this app has preprocessed, by the same version of preprocessing; a person unlike those "
        "of the training is warned of in the prediction.",
        "- Not meant for decisions on care, rehabilitation or discharge, nor for telling a person what to expect.",
        "- Not meant for children, for other diseases, or for an outcome at another time than that of the training.",
        "- Not meant as evidence of what causes an outcome: what goes together here goes together in this cohort.",
    ]


def _population(metadata: Mapping[str, Any]) -> list[str]:
    """Table of the training people: counts, and quantiles in which many of them have a part."""
    told = metadata["facts"].get("population")
    ranges = (metadata["applicability"] or {}).get("ranges", ())
    if not told and not ranges:
        return []
    return [
        "| | median | 5 % to 95 % of the people | known of |",
        "|---|---|---|---|",
        *known(told or {}, ranges, metadata["facts"].get("participants")),
        "",
        "Quantiles are weighted means of many people's values (Harrell and Davis 1982), with three digits; nothing is "
        "given where fewer than 20 people are known, nor groups of fewer than 5.",
    ]


def _recalibration(known: Mapping[str, Any] | None) -> list[str]:
    """What was learned anew of a parent's model; nothing of a model that has none."""
    if known is None:
        return []
    how = "level" if known["method"] == "intercept" else "level and spread"
    return [
        f"- Made of the model {known['parent']} {known['parent_version']} (sha256 {known['parent_sha256']}); networks, "
        "weights and all figures of the training are those of that model, before recalibration.",
        f"- The {how} of its probabilities was learned anew from {known['participants']} people of "
        f"{', '.join(known['datasets'])}, {known['poor']} of them with a poor outcome: logit = {known['level']:.3f} + "
        f"{known['slope']:.3f} x logit before. They are among the participants whom this model has seen.",
        "- The same change applies to every limit of the score's distribution, so that probability, expected score and "
        "range are of one distribution. It was learned from the classes alone: that the score's range holds 90 % of "
        "the people there was not learned anew.",
        "- Whoever got a decision before gets it now, unless its probability has become too unsure for one.",
        "",
        "Before, on these people:",
        "",
        *measured(known["before"]),
        "",
        "After, nobody judged by what was fitted on them (cross-validation):",
        "",
        *measured(known["judged"]),
    ]


def _distribution(known: Mapping[str, Any] | None) -> list[str]:
    if known is None:
        return [
            "- None: there are no out-of-fold predictions to fit it on. The probability is the members' weighted mean.",
            "- poor or good: whichever is more likely. No interval, and no choice to abstain.",
        ]
    good, poor = known["decided"]
    found = [
        "- One distribution of the outcome for each person, fitted on out-of-fold predictions: the probability of a "
        "poor outcome is its share beyond the cut, the predicted score its mean, the range its middle part.",
        f"- Decided: good below a probability of {good:.1%}, poor above {poor:.1%}, otherwise nothing, so that at most "
        f"{1 - known['coverage']:.0%} of the people with either outcome get the other decision.",
    ]
    if levels := known["levels"]:
        ends = sorted(levels if known["direction"] > 0 else [1 - level for level in levels])
        found += [f"- Range of the score: from {ends[0]:.1%} to {ends[1]:.1%} of the distribution; meant to hold 90 %."]
    return found


def _explanations(metadata: Mapping[str, Any]) -> list[str]:
    """What the audit found of pictures of where the networks look; nothing of a model without one."""
    audits = audits_of(metadata.get("explanation_audit", {}))
    lines = [
        f"- {name}: " + ("nothing found against it." if a.passed else " ".join(a.faults)) for name, a in audits.items()
    ]
    if not lines:
        return []
    return ["", "## Whether the pictures of where the networks looked can be believed", "", *lines]


def _limits(metadata: Mapping[str, Any]) -> list[str]:
    if not metadata["participants"]:
        return [
            "Nobody can tell who the training participants were: `in_training_set` is null in every prediction. Do not "
            "judge the model on people who may have been among them.",
            "Another scanner, protocol or population may give other results.",
        ]
    return [
        "Out-of-fold figures describe the training cohort; another scanner, protocol or population may differ.",
        "A participant of the training cohort is recognised by a salted hash and marked `in_training_set`.",
    ]
