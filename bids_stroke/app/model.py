"""Which model predicts, and whether it fits what was asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bids_stroke.app.request import Request
from bids_stroke.core.errors import UsageError
from bids_stroke.core.outcome import Outcome
from bids_stroke.ensemble.metadata import bundle_digest, bundle_lesion_side, bundle_outcome, verify_bundle

DEMONSTRATION = Path(__file__).parents[1] / "data" / "demonstration"
FEATURES_ONLY = Path("none")
"""What ``--features-only`` stands for: no prediction. Scripts that carry ``--model none`` mean the same."""


@dataclass(frozen=True)
class Model:
    """The bundle that predicts: where it is and what it holds, known without loading it."""

    path: Path
    sha256: str


def check_asked_outcome(request: Request, outcome: Outcome) -> None:
    """UsageError where ``--outcome`` is given and is not what the model predicts."""
    if request.outcome_given and request.settings.outcome != outcome:
        raise UsageError(
            f"--outcome {request.settings.outcome}: the model predicts {outcome}.",
            "Leave it out, or give another --model.",
        )


def check_model(request: Request) -> None:
    """Check a model before anything else is done: whole, of this version, and fit for what was asked.

    Raises
    ------
    ModelError
        From `verify_bundle`.
    UsageError
        The model predicts another outcome, or was trained on maps of another ``lesion_side``.
    """
    predicts = request.level == "participant"
    path = request.model or (DEMONSTRATION if predicts else FEATURES_ONLY)
    if path != FEATURES_ONLY:
        verify_bundle(path)
    if predicts:
        with_model(request)


def with_model(request: Request) -> tuple[Request, Model | None]:
    """The model (None for features only), and the settings with the outcome that it predicts."""
    if request.model == FEATURES_ONLY:
        return request, None
    path = request.model or DEMONSTRATION
    model = Model(path.resolve(), bundle_digest(path))
    outcome = Outcome.parse(bundle_outcome(path))
    check_asked_outcome(request, outcome)
    check_lesion_side(path, request.settings.lesion_side)
    return replace(request, settings=request.settings.model_copy(update={"outcome": outcome})), model


def check_lesion_side(model: Path, wanted: str) -> None:
    """UsageError where the model knows maps that are mirrored and this run does not make them so, or the reverse."""
    known = bundle_lesion_side(model)
    if known != wanted:
        raise UsageError(
            f"Setting lesion_side is {wanted}, but the model {model} was trained on maps made with {known}.",
            f"Set lesion_side: {known} in --config, or give a model trained with {wanted} (or --features-only).",
        )
