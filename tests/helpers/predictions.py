"""Predictions of a cohort with a planted signal, and how to find a metric of their evaluation."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_training import TrainingSettings
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
