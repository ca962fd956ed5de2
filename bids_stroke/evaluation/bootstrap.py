"""Bootstrap over participants: percentile intervals of many metrics at once, and when there are too few for any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_stroke.evaluation.metrics import Array

MINIMUM_PARTICIPANTS = 10
MINIMUM_PER_CLASS = 5
DEFINED_DRAWS = 0.9
"""Share of bootstrap draws that must give a value before an interval is reported."""


@dataclass(frozen=True)
class Draws:
    """Bootstrap draws of participants: number and seed.

    The draws are the same for every set of n participants, so that one model does not move another's interval.
    """

    number: int
    seed: int

    def weights(self, n: int) -> Array:
        """How often each of n participants counts in each draw: (number, n), of which each row sums to n."""
        return _counts(self.number, self.seed, n).astype(float)

    def blocks(self, n: int) -> Iterator[Array]:
        """The rows of :meth:`weights`, some at a time, so that memory stays small whatever is made of them."""
        counts = _counts(self.number, self.seed, n)
        for block in np.array_split(counts, max(1, counts.size // 1_000_000)):
            yield block.astype(float)


@lru_cache(maxsize=8)
def _counts(number: int, seed: int, n: int) -> NDArray[np.unsignedinteger[Any]]:
    """The draws, in as few bytes as hold them; kept, because every model of the same participants asks for them."""
    rng = np.random.default_rng([seed, n])
    counts = np.zeros((number, n), dtype=np.min_scalar_type(n))
    for row in counts:  # to draw people and count them is five times as fast as a multinomial distribution
        row[:] = np.bincount(rng.integers(0, n, n), minlength=n)
    return counts


def too_few(poor: Array) -> str:
    """Say why some outcomes do not suffice for metrics; empty where they do.

    Parameters
    ----------
    poor : array
        (n,), 1 for a poor outcome, 0 for a good one.

    Examples
    --------
    >>> too_few(np.array([0.0, 1.0, 1.0]))
    'too few participants (3 of at least 10)'
    """
    n, n_poor = len(poor), int(poor.sum())
    if n_poor in (0, n):
        return f"only one kind of outcome ({n_poor} poor, {n - n_poor} good)"
    if n < MINIMUM_PARTICIPANTS:
        return f"too few participants ({n} of at least {MINIMUM_PARTICIPANTS})"
    if min(n_poor, n - n_poor) < MINIMUM_PER_CLASS:
        return f"too few of one outcome ({n_poor} poor, {n - n_poor} good; at least {MINIMUM_PER_CLASS} each)"
    return ""


def undefined(reason: str) -> dict[str, Any]:
    """A metric without a value and without an interval, for a reason."""
    return {"value": np.nan, "low": np.nan, "high": np.nan, "reason": reason}


def with_intervals(compute: Callable[[Array], Mapping[str, Array]], n: int, draws: Draws) -> dict[str, dict[str, Any]]:
    """Compute metrics with their 95 % percentile intervals; draws go in blocks, so that memory stays small.

    Parameters
    ----------
    compute : callable
        Takes weights (draws, n), how often each participant counts; gives each metric as (draws,).
    n : int
        Participants.
    draws : Draws
        Number and seed.

    Returns
    -------
    dict
        Metric -> ``value``, ``low``, ``high`` (NaN where there is none) and ``reason`` (empty where all are there).
    """
    points = compute(np.ones((1, n)))
    blocks = [compute(block) for block in draws.blocks(n)]
    return {
        metric: _interval(float(point[0]), np.concatenate([block[metric] for block in blocks]))
        for metric, point in points.items()
    }


def _interval(value: float, drawn: Array) -> dict[str, Any]:
    if not np.isfinite(value):
        return undefined(
            "predictions separate the outcomes completely" if np.isinf(value) else "not defined on these data"
        )
    defined = drawn[~np.isnan(drawn)]
    if len(defined) < DEFINED_DRAWS * len(drawn):
        return {**undefined("no interval: not defined in too many bootstrap draws"), "value": value}
    low, high = (float(x) for x in np.quantile(defined, (0.025, 0.975), method="inverted_cdf"))
    bounded = np.isfinite(low) and np.isfinite(high)
    return {
        "value": value,
        "low": low if np.isfinite(low) else np.nan,
        "high": high if np.isfinite(high) else np.nan,
        "reason": "" if bounded else "the interval is not bounded on one side",
    }
