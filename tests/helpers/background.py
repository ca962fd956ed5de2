"""What is known of people beside their predictions, drawn by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd


def background_of(table: pd.DataFrame, seed: int = 1, site: str = "Ulm") -> pd.DataFrame:
    """A row for each row of a table of predictions; of some people something is missing."""
    rng, n = np.random.default_rng(seed), len(table)
    some = rng.random((3, n)) < 0.9
    return pd.DataFrame(
        {
            "participant_id": table["participant_id"],
            "session_id": table["session_id"],
            "age": np.where(some[0], rng.normal(66, 12, n).round(), np.nan),
            "days_since_stroke": rng.choice([3.0, 14.0, 30.0, 100.0, 400.0], n),
            "first_score": np.where(some[1], rng.integers(0, 30, n), np.nan),
            "lesion_volume_ml": np.where(some[2], rng.lognormal(2.5, 1, n), np.nan),
            "sex": rng.choice(np.array(["female", "male", None], dtype=object), n, p=[0.45, 0.45, 0.1]),
            "lesion_side": rng.choice(np.array(["left", "right", "both sides"], dtype=object), n),
            "site": rng.choice(np.array(["Bern", site], dtype=object), n),
        }
    )
