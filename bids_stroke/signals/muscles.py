"""What two muscles do at the same time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from bids_stroke.signals.segments import Array


def co_contraction(envelopes: Array) -> Array:
    """Twice the common area of two muscles' mean rectified EMG over the sum of their areas: (n_muscles, n_muscles).

    Parameters
    ----------
    envelopes : (n_segments, n_muscles, n_samples) float64
        Rectified; averaged over tenths of a segment, each muscle scaled to its own largest value.

    Notes
    -----
    Falconer and Winter 1985, "Quantitative assessment of co-contraction at the ankle joint in walking".
    """
    n_samples = envelopes.shape[2]
    edges = np.linspace(0, n_samples, 11).round().astype(int)
    smooth = np.stack([envelopes[..., a:b].mean(axis=2) for a, b in pairwise(edges)], axis=2)
    course = smooth.transpose(1, 0, 2).reshape(smooth.shape[1], smooth.shape[0] * smooth.shape[2])
    largest = course.max(axis=1, keepdims=True)
    scaled = np.divide(course, largest, out=np.zeros_like(course), where=largest > 0)
    common = np.minimum(scaled[:, None], scaled[None]).sum(axis=2)
    total = scaled.sum(axis=1)[:, None] + scaled.sum(axis=1)[None]
    return np.asarray(np.divide(2.0 * common, total, out=np.zeros_like(common), where=total > 0))
