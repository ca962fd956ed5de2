"""Cleaning of BOLD series: as nilearn's, and of less where a run is short."""

from __future__ import annotations

import re

import nilearn.signal
import numpy as np
import pytest

from bids_stroke.preprocess.bold.cleaning import clean, cosines_outside
from bids_stroke.preprocess.bold.confounds import MINIMUM_FREE
from tests.helpers.bold import TR, table_of

BAND = (0.01, 0.1)


def test_cleaning_equals_nilearns_with_the_cosines_as_confounds() -> None:
    n = 150
    signals = np.random.default_rng(3).standard_normal((n, 20)).cumsum(axis=0) + 500
    table = table_of(n)
    cleaned = clean(signals, table, TR, BAND)
    assert len(cleaned.confounds) == 24
    confounds = table[list(cleaned.confounds)].fillna(0.0).to_numpy()
    both = np.hstack([confounds, cosines_outside(n, TR, BAND)])
    for found, regressors in ((cleaned.broad, confounds), (cleaned.band, both)):
        # nilearn removes the trend from signals and confounds one after the other: the same space
        expected = nilearn.signal.clean(
            signals, detrend=True, standardize=None, standardize_confounds=True, filter=False, confounds=regressors
        )
        assert np.allclose(found, expected, atol=1e-6)
    assert cleaned.warnings == ()


def test_degrees_of_freedom_are_what_is_left_of_white_noise() -> None:
    n = 150
    cleaned = clean(np.random.default_rng(4).standard_normal((n, 4000)), table_of(n), TR, BAND)
    assert (cleaned.band**2).sum(axis=0).mean() == pytest.approx(cleaned.degrees_of_freedom, rel=0.02)


def test_frequencies_outside_the_band_and_confounds_are_gone_and_the_rest_stays() -> None:
    n = 300
    time = np.arange(n) * TR
    table = table_of(n)
    slow, fast = np.sin(2 * np.pi * 0.05 * time), np.sin(2 * np.pi * 0.2 * time)
    drift = 1000 + 0.1 * time
    signals = np.column_stack([slow, slow + 30 * table["trans_x"] + drift, fast])
    cleaned = clean(signals, table, TR, BAND)
    assert np.allclose(cleaned.band[:, 0], cleaned.band[:, 1], atol=1e-8)
    assert cleaned.band[:, 0] @ slow / (slow @ slow) > 0.7
    assert np.abs(cleaned.band[:, 2]).max() < 0.2
    assert cleaned.broad[:, 2] @ fast / (fast @ fast) > 0.7


@pytest.mark.parametrize(
    ("n", "confounds", "said"),
    [(150, 24, ""), (46, 6, "only trans_x"), (20, 6, "too short for a band-pass \\(20 volumes, 40 s\\)")],
)
def test_short_runs_are_cleaned_of_less_and_say_so(n: int, confounds: int, said: str) -> None:
    rng = np.random.default_rng(5)
    cleaned = clean(rng.standard_normal((n, 5)), table_of(n), TR, BAND)
    assert len(cleaned.confounds) == confounds
    assert cleaned.degrees_of_freedom >= MINIMUM_FREE
    assert bool(cleaned.warnings) == bool(said)
    if said:
        assert re.search(said, " ".join(cleaned.warnings))
