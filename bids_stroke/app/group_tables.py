"""The group level's table: predictions joined with outcomes, out-of-fold where the person was in training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bids_stroke.app.model import check_asked_outcome
from bids_stroke.bids.labels import participant_hash
from bids_stroke.bids.phenotype import check_labels, unit_outcome
from bids_stroke.bids.sessions import read_description
from bids_stroke.core.errors import InputError
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.records import Prediction, Session
from bids_stroke.derivatives.names import dataset_file, sidecar_of
from bids_stroke.derivatives.outputs import write_json, write_table
from bids_stroke.derivatives.predictions import prediction_row
from bids_stroke.ensemble.metadata import CHECKSUMS, bundle_digest
from bids_stroke.evaluation.files import write_evaluation

if TYPE_CHECKING:
    import pandas as pd

    from bids_stroke.app.request import Request
    from bids_stroke.ensemble.bundle import Bundle
    from bids_stroke.evaluation.evaluate import Evaluation


def prediction_table(
    request: Request,
    sessions: Sequence[Session],
    predictions: Mapping[str, Prediction],
    outcome: Outcome,
    stale: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """One row for each predicted unit, with its outcome where there is one: what evaluate.py takes.

    A person of the training set counts with the out-of-fold prediction that the bundle holds (column
    ``out_of_fold``), or is left out (column ``excluded``), never with the in-sample one.

    Parameters
    ----------
    request : Request
        OUTPUT_DIR, the dataset, and ``--model``.
    sessions, predictions : sequence of Session, mapping
        Units in the order of rows; prediction by unit, of those that have one.
    outcome : Outcome
        From `the_outcome`.
    stale : mapping
        Unit -> why its prediction is not current: it is left out (column ``excluded``).

    Raises
    ------
    InputError
        No unit has a prediction that is current.
    UsageError
        A person has two labels that are spelled differently.
    """
    import pandas as pd

    check_labels(
        request.selection.bids_dir, sorted({f"sub-{item.subject}" for item in sessions if item.prefix in predictions})
    )
    name = str(read_description(request.selection.bids_dir)["Name"])
    out_of_fold = cache(partial(_out_of_fold, request, name))
    rows: list[dict[str, Any]] = []
    for session in sessions:
        prediction = predictions.get(session.prefix)
        if prediction is None and session.prefix not in stale:
            continue
        score = unit_outcome(request.selection.bids_dir, outcome.column, session.subject, session.session)
        row = {
            "participant_id": f"sub-{session.subject}",
            "session_id": f"ses-{session.session}" if session.session else None,
            "score": score,
            "poor": None if score is None else float(outcome.is_poor(score)),
            "excluded": None,
            "out_of_fold": False,
        }
        if prediction is None:
            rows.append(row | {"excluded": f"not current: {stale[session.prefix]}", "prediction": "left-out"})
            continue
        row |= {"missing": " ".join(sorted(prediction.missing)) or None} | prediction_row(prediction)
        rows.append(_counted(row, out_of_fold(str(prediction.model["sha256"]))) if prediction.in_training_set else row)
    if not predictions:
        raise _no_prediction(request, stale)
    return pd.DataFrame(rows)


def _no_prediction(request: Request, stale: Mapping[str, str]) -> InputError:
    first = next(iter(stale.items()), None)
    old = f" {len(stale)} are not current, like that of {first[0]}: {first[1]}." if first else ""
    return InputError(
        f"{request.output_dir} holds no prediction of the selected units{' that is current' if first else ''}.{old}",
        "Run the participant level first, into the same OUTPUT_DIR.",
        "no-predictions",
    )


def the_outcome(request: Request, predictions: Mapping[str, Prediction]) -> Outcome:
    """The outcome that the predictions are of.

    Raises
    ------
    InputError
        They were made with different models.
    UsageError
        ``--outcome`` names another one.
    """
    models = {str(item.model["sha256"]): str(item.model["outcome"]) for item in predictions.values()}
    if len(models) > 1:
        raise InputError(
            f"The predictions in {request.output_dir} were made with {len(models)} models.",
            "Run the participant level again with one --model for all.",
            "several-models",
        )
    outcome = Outcome.parse(next(iter(models.values()), str(request.settings.outcome)))
    check_asked_outcome(request, outcome)
    return outcome


@dataclass(frozen=True, eq=False)
class _OutOfFold:
    """What a bundle holds of the people of its training set."""

    predictions: pd.DataFrame
    salt: str
    dataset: str

    def of(self, row: Mapping[str, Any]) -> pd.DataFrame:
        """The predictions of a person (of this session, where there are several), one for each repeat."""
        table = self.predictions
        mark = participant_hash(self.salt, self.dataset, row["participant_id"])
        here = table["session_id"].isna() | (table["session_id"] == row["session_id"])
        own: pd.DataFrame = table[(table["participant_hash"] == mark) & here]
        return own


def _out_of_fold(request: Request, dataset: str, sha256: str) -> _OutOfFold | None:
    """The out-of-fold predictions of the bundle that made the predictions; None where that is not at hand."""
    bundle = bundle_of(request, sha256)
    return _OutOfFold(bundle.out_of_fold(), bundle.salt, dataset) if bundle else None


def _counted(row: dict[str, Any], out_of_fold: _OutOfFold | None) -> dict[str, Any]:
    """The row of a person of the training set with what the bundle predicted of them out of fold."""
    own = out_of_fold.of(row) if out_of_fold else None
    if own is None or own.empty:
        return _left_out(row)
    values: pd.DataFrame = own[
        [column for column in own if column in row and column not in ("session_id", "poor", "score")]
    ]
    means = {str(name): mean for name, mean in values.select_dtypes("number").mean().items()}
    intervals = (f"{name}_{end}" for name in ("probability_poor", "predicted_score") for end in ("low", "high"))
    decision = _decision(list(own["prediction"]), means["probability_poor"])
    unknown = dict.fromkeys(name for name in intervals if name not in means)
    return row | means | unknown | {"prediction": decision, "out_of_fold": True}


def _decision(said: Sequence[str], probability: float) -> str:
    """The decision of most repeats of the cross-validation; ``abstain`` where there is no such.

    One that contradicts the mean probability of the repeats is none either, as the rule has it.
    """
    likely = "poor" if probability > 0.5 else "good" if probability < 0.5 else "abstain"
    return likely if said.count(likely) > len(said) / 2 else "abstain"


def _left_out(row: dict[str, Any]) -> dict[str, Any]:
    """The row without its numbers: an in-sample prediction is never shown as one."""
    kept = {"participant_id", "session_id", "score", "poor", "missing", "in_training_set", "model", "demonstration"}
    nothing = dict.fromkeys(key for key in row if key not in kept | {"out_of_fold"})
    return row | nothing | {"excluded": "in-training-set", "prediction": "left-out"}


def bundle_of(request: Request, sha256: str) -> Bundle | None:
    """The bundle that made the predictions, where it is at hand: ``--model``, or one of OUTPUT_DIR's own."""
    from bids_stroke.ensemble.bundle import load_bundle

    candidates = [request.model] if request.model else []
    candidates += sorted(dataset_file(request.output_dir, "models").glob("*"))
    for path in candidates:
        if (path / CHECKSUMS).is_file() and bundle_digest(path) == sha256:
            return load_bundle(path)
    return None


def promised_coverage(request: Request, predictions: Iterable[Prediction]) -> float | None:
    """What the sets of outcomes of the model promise; None where its bundle is not at hand, or promises nothing."""
    for sha256 in {str(item.model["sha256"]) for item in predictions}:
        bundle = bundle_of(request, sha256)
        if bundle is not None and bundle.fusion.distribution is not None:
            return bundle.fusion.distribution.coverage
    return None


def write_group_tables(root: Path, table: pd.DataFrame, evaluation: Evaluation) -> None:
    """Write the predictions, one row a participant and one row a unit, and the evaluation."""
    import pandas as pd

    people = table.groupby("participant_id", sort=True)
    numbers = ["probability_poor", "predicted_score"]
    people_numbers = table[numbers].apply(pd.to_numeric).groupby(table["participant_id"], sort=True)
    wide = people_numbers.mean().reset_index()
    wide["n_sessions"] = people.size().to_numpy()
    wide["prediction"] = (
        people["prediction"].agg(lambda words: words.iloc[0] if words.nunique() == 1 else "differs").to_numpy()
    )
    wide["in_training_set"] = people["in_training_set"].agg(_ever).to_numpy()
    wide["demonstration"] = people["demonstration"].any().to_numpy()
    path = write_table(dataset_file(root, "participant_predictions"), wide)
    write_json(sidecar_of(path), PREDICTION_COLUMNS)
    write_table(dataset_file(root, "group_predictions"), table)
    write_evaluation(root, "group", evaluation)


def _ever(seen: pd.Series[Any]) -> bool | None:
    """Whether it is true of any session; None where it is not known of any."""
    return None if seen.isna().all() else bool(seen.eq(True).any())


PREDICTION_COLUMNS: dict[str, Any] = {
    "MeasurementToolMetadata": {
        "Description": "Prediction of a poor motor outcome by bids_stroke. Research use only, not for care."
    },
    "participant_id": {"Description": "Participant"},
    "probability_poor": {"Description": "Calibrated probability of a poor outcome (0-1), mean over sessions"},
    "predicted_score": {"Description": "Predicted score in the outcome's units, mean over sessions"},
    "n_sessions": {"Description": "Sessions with a prediction"},
    "prediction": {
        "Description": "poor, good or abstain; differs: not the same in all sessions; left-out: was in the training "
        "set, and what models that had not seen the person said is not known; or the data, the dataset's name or the "
        "model have changed since"
    },
    "in_training_set": {
        "Description": "Was in the model's training set; probability and prediction are then the out-of-fold ones, "
        "where known; n/a: nobody knows who the model was trained on"
    },
    "demonstration": {"Description": "Made with a demonstration model, which knows nothing about real patients"},
}
