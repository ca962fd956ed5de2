"""Power and coherence of segments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import coherence as scipy_coherence

from bids_stroke.signals.spectra import coherence


def test_coherence_is_scipys_for_segments_side_by_side() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 40, 100))
    second += 0.7 * first
    ours = coherence(first[:, None], second[:, None])[0, 0]
    _, theirs = scipy_coherence(first.ravel(), second.ravel(), nperseg=100, noverlap=0, window="hann")
    assert ours == pytest.approx(theirs, abs=1e-10)
