"""The model card of a bundle, written from its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bids_stroke.ensemble.explanation.verdict import audits_of


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
        "## Members",
        "",
        "| member | modality | network | input options | fusion weight |",
        "|---|---|---|---|---|",
    ]
    early = metadata.get("early_fusion")
    for entry in [*metadata["members"], *([early] if early else [])]:
        member = entry["member"]
        options = ", ".join(f"{key} {_short(value)}" for key, value in member["inputs"].items())
        weight = metadata["fusion_weights"][member["name"]]
        lines.append(f"| {member['name']} | {member['modality']} | {member['network']} | {options} | {weight:.3f} |")
    lines += ["", "## Training", ""]
    lines += [f"- {key.replace('_', ' ')}: {_short(value)}" for key, value in facts.items() if key != "settings"]
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


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return " ".join(str(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
