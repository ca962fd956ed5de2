"""Made-up people in numbers: skewed, bounded, mostly zero, related to each other, and missing in groups."""

from __future__ import annotations

import numpy as np

NAMES = tuple(f"x{i}" for i in range(30))
SKEWED = tuple(i < 6 for i in range(30))


def people_in_numbers(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 30): volumes and ratios, loads of which half are 0, shares, and normal ones; a sixth of some are missing."""
    how = np.random.default_rng(7).normal(size=(30, 3))
    values = (rng.normal(size=(n, 3)) @ how.T + rng.normal(size=(n, 30))) / np.sqrt((how**2).sum(axis=1) + 1)
    values[:, :6] = 15 * np.exp(1.3 * values[:, :6])
    values[:, 6:12] = 0.2 * np.maximum(0, values[:, 6:12])
    values[:, 12:16] = 1 / (1 + np.exp(-2 * values[:, 12:16] - 2))
    for start in (8, 16, 22):
        values[rng.random(n) < 1 / 6, start : start + 6] = np.nan
    return values
