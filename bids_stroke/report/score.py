"""The predicted score on its scale: where it lies, how far it may be wrong, and where a poor outcome begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bids_stroke.core.errors import UsageError
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.records import Prediction
from bids_stroke.report import words

MARGIN = 0.1
"""Share of the range beside what is shown, on a scale whose ends nobody knows."""


@dataclass(frozen=True)
class Scale:
    """A predicted score with its range, and the cut of the outcome, on a scale.

    Attributes
    ----------
    name : str
        Of the score.
    first, last : float
        Ends of the scale.
    score, low, high, cut : float
        In the score's units.
    low_is_poor : bool
        Whether a poor outcome lies below the cut.
    """

    name: str
    first: float
    last: float
    score: float
    low: float
    high: float
    cut: float
    low_is_poor: bool

    def share(self, value: float) -> float:
        """Where a value lies on the scale, 0 to 1; what lies beyond an end lies there."""
        return min(max((value - self.first) / (self.last - self.first), 0.0), 1.0)


def score_scale(prediction: Prediction) -> Scale | None:
    """The scale of a prediction; None where it has no score with a range, or its rule cannot be read."""
    if prediction.predicted_score is None or prediction.predicted_score_interval is None:
        return None
    try:
        outcome = Outcome.parse(str(prediction.model.get("outcome", "")))
    except UsageError:
        return None
    low, high = prediction.predicted_score_interval
    shown = (low, high, prediction.predicted_score, outcome.threshold)
    first, last = _ends(outcome.column, shown)
    return Scale(
        words.score_scale(outcome.column)[0], first, last, prediction.predicted_score, low, high, outcome.threshold,
        outcome.operator.startswith("<"),
    )  # fmt: skip


def _ends(column: str, shown: Sequence[float]) -> tuple[float, float]:
    """Ends of a score's scale: those that are known, or what is shown with a margin."""
    if column in words.SCORES:
        _, first, last = words.SCORES[column]
        return first, last
    first, last = min(shown), max(shown)
    margin = MARGIN * (last - first) or 1.0
    return (first if first == 0 else first - margin), last + margin
