"""Predictions of a cohort with a planted signal, and how to find a metric of their evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from bids_stroke.app.plan import EARLIER, covariates_digest
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.records import Prediction, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.predictions import prediction_json
from bids_stroke.evaluation.evaluate import Evaluation

QUICK = Settings(training=TrainingSettings(bootstrap=300, permutations=199))


def cohort(n: int = 80, seed: int = 0, signal: float = 2.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.uniform(2, 34, n).round()
    poor = (score <= 17).astype(int)
    latent = signal * (poor - 0.5)

    def probability(noise: float) -> np.ndarray:
        return 1 / (1 + np.exp(-(latent + rng.normal(0, noise, n))))

    return pd.DataFrame(
        {
            "participant_id": [f"sub-{i:03d}" for i in range(n)],
            "session_id": "n/a",
            "score": score,
            "poor": poor,
            "probability_poor": probability(1.0),
            "predicted_score": score + rng.normal(0, 4, n),
            "p_fa": probability(2.0),
            "p_eegemg": np.where(rng.random(n) < 0.8, rng.random(n), np.nan),
            "baseline_clinical": rng.random(n),
        }
    )


def value(evaluation: Evaluation, model: str, metric: str, column: str = "value") -> float:
    table = evaluation.metrics
    rows = table[(table["model"] == model) & (table["metric"] == metric)]
    assert len(rows) == 1
    return rows[column].item()


def leave_prediction(out: Path, session: Session, prediction: Prediction, dataset: str) -> Path:
    """Write a prediction as the participant level does, of a unit without any feature."""
    path = out / f"sub-{session.subject}" / f"{session.prefix}_desc-fmale_prediction.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(prediction_json(prediction)))
    outcome = str(prediction.model["outcome"])
    recipe = {
        "dataset": dataset,
        "covariates": covariates_digest(session, Outcome.parse(outcome).column),
        "model": prediction.model["sha256"],
        "outcome": outcome,
        "modalities": [],
        EARLIER: {},
    }
    done = manifest.make_manifest(out, recipe, [], [], StepReport(files={"prediction": path}))
    manifest.write_manifest(manifest.manifest_path(out, session.prefix, "prediction"), out, done)
    return path
