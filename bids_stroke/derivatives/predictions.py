"""A prediction as files hold it: JSON (DESIGN section 3), and a row of a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from bids_stroke.core.errors import InputError
from bids_stroke.core.modalities import record_of
from bids_stroke.core.records import Contribution, MemberPrediction, Prediction, Session
from bids_stroke.derivatives import manifest

INTERVAL_METHOD = (
    "90 %, normal on the logit scale: how far the probability would move with other people to learn from (fusion and "
    "distribution: jackknife over people; members: between their trainings in the folds)"
)
DECISION_RULE = (
    "good below the first probability of a poor outcome, poor above the second, otherwise abstain: of people with "
    "either outcome no more than training.coverage leaves (10 % of .9) are to get the other decision, and nobody whose "
    "other outcome has twice that probability"
)


def prediction_json(prediction: Prediction) -> dict[str, Any]:
    """A prediction as its JSON file holds it (DESIGN section 3)."""
    interval, scores = prediction.probability_poor_interval, prediction.predicted_score_interval
    return {
        "ResearchUseOnly": "Not a medical device; not for decisions about patients.",
        "probability_poor": prediction.probability_poor,
        "probability_poor_interval": list(interval) if interval else None,
        "probability_poor_interval_method": INTERVAL_METHOD if interval else "none: the model is not calibrated",
        "prediction": prediction.prediction,
        "decided_beyond": list(prediction.decided_beyond) if prediction.decided_beyond else None,
        "decision_rule": DECISION_RULE if prediction.decided_beyond else "the more likely outcome",
        "predicted_score": prediction.predicted_score,
        "predicted_score_interval": list(scores) if scores else None,
        "members": {name: _member_json(member) for name, member in prediction.members.items()},
        "early_fusion": _member_json(prediction.early_fusion) if prediction.early_fusion else None,
        "baselines": {
            name: {"probability_poor": probability, "predicted_score": score}
            for name, (probability, score) in prediction.baselines.items()
        },
        "rules": [{**rule, "missing": list(rule["missing"])} for rule in prediction.rules],
        "index": prediction.index,
        "contributions": [asdict(one) for one in prediction.contributions],
        "missing": dict(prediction.missing),
        "model": dict(prediction.model),
        "in_training_set": prediction.in_training_set,
        "applicability": dict(prediction.applicability) if prediction.applicability else None,
        "warnings": list(prediction.warnings),
    }


def _member_json(member: MemberPrediction) -> dict[str, Any]:
    counted_as = record_of(member.modality).counted_as
    return asdict(member) | ({counted_as: member.n_samples} if counted_as else {})


def prediction_row(prediction: Prediction) -> dict[str, Any]:
    """The prediction as a row of a table: the numbers, those of the members, the early fusion and the baselines.

    Probabilities are ``p_<member>``, ``fusion_early`` and ``baseline_<name>``, scores have ``s_`` before these names;
    ``rule_<name>`` is what a rule of the clinic says.
    """
    low, high = prediction.probability_poor_interval or (None, None)
    lowest, highest = prediction.predicted_score_interval or (None, None)
    row: dict[str, Any] = {
        "probability_poor": prediction.probability_poor,
        "probability_poor_low": low,
        "probability_poor_high": high,
        "prediction": prediction.prediction,
        "predicted_score": prediction.predicted_score,
        "predicted_score_low": lowest,
        "predicted_score_high": highest,
        "in_training_set": prediction.in_training_set,
        "model": prediction.model["name"],
        "demonstration": prediction.model["demonstration"],
    }
    row |= {f"p_{name}": member.probability for name, member in prediction.members.items()}
    row |= {f"s_{name}": member.score for name, member in prediction.members.items() if member.score is not None}
    if early := prediction.early_fusion:
        row |= {"fusion_early": early.probability, "s_fusion_early": early.score}
    for name, (probability, score) in prediction.baselines.items():
        row |= {f"baseline_{name}": probability, f"s_baseline_{name}": score}
    return row | {f"rule_{rule['rule'].replace(' ', '_')}": rule["says"] or None for rule in prediction.rules}


def read_prediction(path: Path, *, contributions: bool = True) -> Prediction:
    """A prediction from its JSON file.

    Parameters
    ----------
    path : Path
        The file.
    contributions : bool
        Also what each number moves: some hundred of a person, which a cohort does without.

    Raises
    ------
    InputError
        The file is not such a file.
    """
    try:
        content = json.loads(path.read_text())
        interval, scores = content["probability_poor_interval"], content.get("predicted_score_interval")
        return Prediction(
            probability_poor=content["probability_poor"],
            probability_poor_interval=None if interval is None else _pair(interval),
            prediction=content["prediction"],
            predicted_score=content["predicted_score"],
            members={name: _member(member) for name, member in content["members"].items()},
            missing=content["missing"],
            model=content["model"],
            in_training_set=content["in_training_set"],
            warnings=tuple(content["warnings"]),
            predicted_score_interval=None if scores is None else _pair(scores),
            early_fusion=_member(found) if (found := content.get("early_fusion")) else None,
            baselines={
                name: (one["probability_poor"], one["predicted_score"])
                for name, one in content.get("baselines", {}).items()
            },
            rules=tuple({**rule, "missing": tuple(rule["missing"])} for rule in content.get("rules", [])),
            index=content.get("index"),
            contributions=tuple(Contribution(**one) for one in content.get("contributions", []) if contributions),
            decided_beyond=_pair(limits) if (limits := content.get("decided_beyond")) else None,
            applicability=content.get("applicability"),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no prediction of bids_stroke: {error}.", "Run the participant level again."
        ) from error


def _pair(interval: list[float]) -> tuple[float, float]:
    low, high = interval
    return low, high


def _member(content: dict[str, Any]) -> MemberPrediction:
    return MemberPrediction(**{field.name: content[field.name] for field in fields(MemberPrediction)})


def read_predictions(root: Path, sessions: Sequence[Session], *, contributions: bool = True) -> dict[str, Prediction]:
    """Predictions of the units that have one, by unit; see `read_prediction`."""
    found = {}
    for session in sessions:
        done = manifest.read_manifest(manifest.manifest_path(root, session.prefix, "prediction"), root)
        if done is not None and done.report.files["prediction"].is_file():
            found[session.prefix] = read_prediction(done.report.files["prediction"], contributions=contributions)
    return found
