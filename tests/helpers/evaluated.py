"""A cohort of predictions with outcomes, and settings with which its evaluation is quick."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_training import TrainingSettings

QUICK = Settings(training=TrainingSettings(bootstrap=200, permutations=199))


def cohort(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    score = rng.uniform(2, 34, n).round()
    poor = (score <= 17).astype(float)
    probability = 1 / (1 + np.exp(-(3 * poor - 1.5 + rng.normal(size=n))))
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{i:03d}" for i in range(n)],
            "score": score,
            "poor": poor,
            "probability_poor": probability,
            "prediction": np.where(probability > 0.6, "poor", np.where(probability < 0.4, "good", "abstain")),
            "predicted_score": score + (error := rng.normal(0, 3, n)),
            "predicted_score_low": score + error - 5,
            "predicted_score_high": score + error + 5,
            "p_fa": rng.random(n),
            "baseline_clinical": rng.random(n),
        }
    )
