"""Where the networks of a prediction looked, for the page of a participant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bids_stroke.derivatives.explanations import FAILED, PASSED, NetworkExplanation
from bids_stroke.report import words

MATTERS = 0.05
"""Weight below which the page says that a network hardly matters, as `ensemble.explanation.of_unit` has it."""
VERDICTS = {
    PASSED: "Audit at the training: nothing was found against such pictures. That does not make them right.",
    FAILED: "Audit at the training: do not believe this picture.",
}
NOT_AUDITED = "Not audited: whether such pictures follow what the network has learned, nobody has looked."


@dataclass(frozen=True)
class Line:
    """One network on the page.

    Attributes
    ----------
    row : NetworkExplanation
        Its numbers.
    input : str
        What it reads, in words.
    heading, text : str
        Of its picture; the text also serves those who cannot see it.
    verdict : str
        The audit's, with its reasons.
    warns : bool
        Whether the verdict is against the picture.
    little : str
        That it hardly matters, where that is so.
    """

    row: NetworkExplanation
    input: str
    heading: str
    text: str
    verdict: str
    warns: bool
    little: str


def lines(rows: Sequence[NetworkExplanation]) -> list[Line]:
    """What the page says of each network, in the order of the table."""
    return [_line(row) for row in rows]


def _line(row: NetworkExplanation) -> Line:
    name = words.modality_in_words(row.modality)
    heading = f"{name[0].upper()}{name[1:]}: network {row.member}"
    weight = words.percent(row.weight)
    little = f"This network has {weight} of the weight: what it saw hardly matters for this prediction."
    verdict = " ".join([VERDICTS.get(row.audit, NOT_AUDITED), row.faults]).strip()
    return Line(row, name, heading, _text(row), verdict, row.audit == FAILED, little if row.weight < MATTERS else "")


def _text(row: NetworkExplanation) -> str:
    if not row.figure:
        return "Nothing in this image speaks for a poor outcome to this network: there is no picture."
    if row.method != "Grad-CAM":
        strongest = f" Most: {row.strongest}." if row.strongest else ""
        return (
            "What each channel adds in each band of frequencies, against a recording without any signal: red towards a "
            f"poor outcome, blue towards a good one; all cells add up to what the network says.{strongest}"
        )
    return (
        "The brighter the colour, the more evidence for a poor outcome there; green line: half of the largest. "
        "It is blurred because the network's own map has only a few places. Cyan line, where there is one: the lesion."
    )
