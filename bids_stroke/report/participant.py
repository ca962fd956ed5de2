"""The page of a participant: predictions, the data that they rest on, and the pictures to check these by."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from bids_stroke.core.modalities import BIOMARKERS, EARLY
from bids_stroke.core.records import MemberPrediction, Prediction, StepReport, UnitStatus
from bids_stroke.derivatives.explanations import NetworkExplanation
from bids_stroke.derivatives.names import DATASET_FILES, dataset_file
from bids_stroke.derivatives.outputs import write_text
from bids_stroke.report import biomarkers, explanation, looked, places, quality, words
from bids_stroke.report.figures.unit import caption, rank
from bids_stroke.report.plots import trend_plot
from bids_stroke.report.provenance import Made, Ran
from bids_stroke.report.score import score_scale

BILATERAL = (0.4, 0.6)
"""Shares of a lesion on the left within which it is called one of both sides, as `preprocess.hemisphere` has it."""
MADE_BY = {
    "Command line and settings of the last run": DATASET_FILES["settings"].format(level="participant"),
    "Methods in words, with references": DATASET_FILES["methods"],
    "How each examination stands": DATASET_FILES["status_table"],
}
"""What tells how the page was made -> its file in OUTPUT_DIR."""
LARGEST_PAGE = 5_500_000
"""Bytes of pictures in a page; those of earlier sessions that it does not hold are files beside it."""


@dataclass(frozen=True)
class UnitReport:
    """What is known of a unit (a session of a participant) when the participant's page is written."""

    subject: str
    session: str | None
    prediction: Prediction | None = None
    steps: Mapping[str, StepReport] = field(default_factory=dict)
    """Reports by step, in the order in which they ran."""
    figures: tuple[Path, ...] = ()
    status: UnitStatus | None = None
    member_modality: Mapping[str, str] = field(default_factory=dict)
    """Modality of each member of the ensemble, where its name does not begin with it."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """Files that were found and not used -> why."""
    notes: tuple[str, ...] = ()
    """What should be said of the tables and sidecars that were read."""
    quality_file: Path | None = None
    """The unit's table of quality numbers."""
    explanations: tuple[NetworkExplanation, ...] = ()
    """Where networks looked; their pictures lie in `figure_folder`."""
    figure_folder: Path = Path()
    person: tuple[tuple[str, str], ...] = ()
    """What is known of the person at this examination, in words: label and value."""
    ran: tuple[Ran, ...] = ()
    """Stages that ran, with what they read."""


@dataclass(frozen=True)
class Around:
    """What is no examination's on a page: whose pages come before and after it (labels), and how it was made."""

    before: str = ""
    after: str = ""
    made: Made = field(default_factory=Made)


def write_participant_report(
    root: Path, subject: str, units: Sequence[UnitReport], around: Around | None = None
) -> Path:
    """Write the page of a participant, one file in OUTPUT_DIR.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR; figures are referenced relative to it.
    subject : str
        Label without ``sub-``.
    units : sequence of UnitReport
        One for each session, in order.
    around : Around, optional
        Neighbours of the page, and how it was made.
    """
    around = around or Around()
    contents = [_content(root, unit) for unit in units]
    for content, unit in zip(contents, units, strict=True):
        content["latest"] = unit is units[-1]
    _inline(root, contents)
    page = words.render(
        "participant.html",
        subject=subject,
        units=contents[::-1],
        trend=_trend(units),
        made_by=MADE_BY,
        around=around,
        group_page=DATASET_FILES["group_report"],
        page_of=places.page_of,
    )
    return write_text(dataset_file(root, "participant_report", subject=subject), page)


def _content(root: Path, unit: UnitReport) -> dict[str, Any]:
    """The values of one session's part of the page."""
    prediction = unit.prediction
    status = unit.status
    return {
        "title": f"Session {unit.session}" if unit.session else "Examination",
        "anchor": places.anchor(unit.session),
        "failed": status if status is not None and not status.completed else None,
        "prediction": prediction,
        "word": words.PREDICTION.get(prediction.prediction, prediction.prediction) if prediction else "",
        "outcome": str(prediction.model.get("outcome", "")) if prediction else "",
        "score": _score(prediction) if prediction else None,
        "scale": score_scale(prediction) if prediction else None,
        "person": (*unit.person, *_lesion(unit.steps)),
        "contributions": explanation.by_modality(prediction) if prediction and prediction.contributions else [],
        "numbers": explanation.by_number(prediction) if prediction and prediction.contributions else [],
        "by_modality": explanation.weights_by_modality(prediction) if prediction else [],
        "members": _members(unit) if prediction else [],
        "missing": _missing(unit),
        "unused": unit.unused,
        "notes": [note for note in unit.notes if not prediction or note not in prediction.warnings],
        "warnings": _warnings(unit.steps),
        "flagged": quality.flagged(unit.steps),
        "quality": [(step, list(own)) for step, own in groupby(quality.lines(unit.steps), key=lambda item: item.step)],
        "biomarkers": biomarkers.lines(biomarkers.values(unit.steps)),
        "quality_file": unit.quality_file.relative_to(root).as_posix() if unit.quality_file else "",
        "mirrored": any(report.qc.get("mirrored") for report in unit.steps.values()),
        "ran": unit.ran,
        "inputs": dict(sorted({name: mark for stage in unit.ran for name, mark in stage.inputs.items()}.items())),
        "looked": _looked(root, unit),
        "sides": any(row.ipsilesional is not None for row in unit.explanations),
        "figures": [(path.relative_to(root).as_posix(), *caption(path)) for path in sorted(unit.figures, key=rank)],
    }


def _looked(root: Path, unit: UnitReport) -> list[tuple[str, str, looked.Line]]:
    """Each network's picture (no name where there is none), its text for those who do not see it, and its line."""
    folder = unit.figure_folder.relative_to(root) if unit.figure_folder.is_absolute() else unit.figure_folder
    return [
        ((folder / line.row.figure).as_posix() if line.row.figure else "", f"{line.heading}. {line.text}", line)
        for line in looked.lines(unit.explanations)
    ]


def _trend(units: Sequence[UnitReport]) -> str:
    """A plot of the predictions from session to session; empty where there are fewer than two."""
    known = [(unit.session or "", unit.prediction) for unit in units if unit.prediction is not None]
    return trend_plot(known) if len(known) > 1 else ""


def _inline(root: Path, contents: Sequence[dict[str, Any]]) -> None:
    """Put the pictures into the page, those of the latest session first, as far as LARGEST_PAGE allows."""
    left = LARGEST_PAGE
    for content in contents[::-1]:
        for part in ("figures", "looked"):
            found = []
            for name, *rest in content[part]:
                data = (root / name).read_bytes() if (root / name).is_file() else b""
                left -= len(data) * 4 // 3
                inside = f"data:image/png;base64,{b64encode(data).decode()}" if data and left > 0 else name
                found.append((inside, *rest))
            content[part] = found


def _lesion(steps: Mapping[str, StepReport]) -> tuple[tuple[str, str], ...]:
    """Volume and side of the lesion, where there is a mask."""
    numbers = steps["lesion"].qc if "lesion" in steps else {}
    if "lesion_volume_ml" not in numbers:
        return ()
    side = lesion_side(numbers) or "both sides"
    return (("Lesion", f"{words.significant(numbers['lesion_volume_ml'], 2)} ml, {side}"),)


def lesion_side(numbers: Mapping[str, float]) -> str:
    """The side of a lesion by the numbers of its step; empty where they do not tell.

    >>> lesion_side({"lesion_side_left_fraction": 0.97})
    'left'
    """
    left = numbers.get("lesion_side_left_fraction")
    if left is None:
        return ""
    return "both sides" if BILATERAL[0] <= left <= BILATERAL[1] else "left" if left > 0.5 else "right"


def _warnings(steps: Mapping[str, StepReport]) -> list[tuple[str, str]]:
    """Warnings of the steps, each with the steps that gave it; a text of several steps stands once."""
    said: dict[str, list[str]] = {}
    for name, report in steps.items():
        for text in report.warnings:
            said.setdefault(text, []).append(words.step_in_words(name))
    return [(", ".join(dict.fromkeys(names)), text) for text, names in said.items()]


def _score(prediction: Prediction) -> str | None:
    """The predicted score with its scale, in words."""
    if prediction.predicted_score is None:
        return None
    name, highest = words.score_scale(str(prediction.model.get("outcome", "score")))
    scale = f" of {highest:g}" if highest is not None else ""
    ends = [words.number(end, 1) for end in prediction.predicted_score_interval or ()]
    interval = f" (90 % interval {' to '.join(ends)})" if ends else ""
    return f"{words.number(prediction.predicted_score, 1)}{scale}{interval}, {name}"


def _members(unit: UnitReport) -> list[dict[str, Any]]:
    assert unit.prediction is not None
    rows = []
    for name, member in unit.prediction.members.items():
        modality = unit.member_modality.get(name, name.split("_")[0])
        rows.append(_member(name, modality, member))
    if early := unit.prediction.early_fusion:
        rows.append(_member("early fusion", EARLY, early))
    return rows


def _member(name: str, modality: str, member: MemberPrediction) -> dict[str, Any]:
    samples = words.samples_in_words(modality, member.n_samples)
    return {"name": name, "modality": words.modality_in_words(modality), "member": member, "samples": samples}


def _missing(unit: UnitReport) -> list[tuple[str, str]]:
    """What this unit lacks and why: modalities that steps could not give, and members left without input."""
    found = {
        words.modality_in_words(modality): reason
        for report in unit.steps.values()
        for modality, reason in report.missing.items()
    }
    if unit.prediction is not None:
        for name, reason in unit.prediction.missing.items():
            modality = unit.member_modality.get(name, name.split("_")[0])
            if name == EARLY or modality == BIOMARKERS:  # what it lacks, something else lacks
                continue
            found.setdefault(words.modality_in_words(modality), reason)
    return [(name, words.reason_in_words(reason)) for name, reason in found.items()]
