"""Text files with one row a sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def samples(n: int = 12000, n_channels: int = 22) -> np.ndarray:
    """Microvolts, (n, n_channels)."""
    return np.round(20 * np.random.default_rng(0).standard_normal((n, n_channels)), 3)


def write(path: Path, values: np.ndarray, names: tuple[str, ...] = (), separator: str = "\t") -> Path:
    rows = [separator.join(names)] if names else []
    rows += [separator.join(f"{value:.3f}" for value in row) for row in values]
    path.write_text("\n".join(rows) + "\n")
    return path
