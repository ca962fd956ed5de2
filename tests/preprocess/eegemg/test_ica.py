"""Eyes and muscles are taken out of the EEG by ICA; brain rhythms and the amplifier's noise are not."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.preprocess.eegemg.ica import Sampling, remove_artefacts
from bids_stroke.preprocess.eegemg.signals import Band, clean_band
from tests.helpers.eeg import BETA, CENTRAL_SITES, RATE, SITES, filtered, parts, power_at, spread

DEPTH = {"F3": 1.0, "F4": 1.0, "FC5": 0.5, "FC6": 0.5, "FC1": 0.45, "FC2": 0.45}
"""How strongly a blink reaches a site."""


@pytest.mark.parametrize("seed", [1, 2])
def test_blinks_fall_by_20_db_and_bursts_of_muscle_by_12(seed: int) -> None:
    given = {cause: filtered(signals) for cause, signals in parts(seed).items()}
    whole = sum(given.values())
    removal = remove_artefacts(whole, SITES, whole[:0], Sampling(RATE), 0)
    left = removal.eeg - (whole - given["blinks"] - given["muscle"])
    front, temple = SITES.index("Fp1"), SITES.index("T7")
    slow, fast = Band(0.5, 8), Band(20, 110)

    def fall(cause: str, row: int, band: Band) -> float:
        before, after = (clean_band(item[row : row + 1], RATE, band) for item in (given[cause], left))
        return float(20 * np.log10(before.std() / after.std()))

    assert fall("blinks", front, slow) > 20  # measured: 23.4 to 24.5
    assert fall("muscle", temple, fast) > 12  # measured: 15 to 20
    for site, frequency in (("O1", 10), ("C3", 22)):
        row = SITES.index(site)
        truth = (given["noise"] + given["alpha"] + given["beta"])[row]
        assert power_at(removal.eeg[row], frequency) == pytest.approx(power_at(truth, frequency), rel=0.05)


def test_noise_of_the_amplifier_is_not_taken_for_muscle() -> None:
    flat = 1e-5 * np.random.default_rng(0).standard_normal((len(SITES), round(60 * RATE)))
    removal = remove_artefacts(flat, SITES, flat[:0], Sampling(RATE), 0)
    assert removal.dropped == ()


def test_a_strong_beta_rhythm_is_not_taken_for_muscle() -> None:
    given = parts(3)
    rng = np.random.default_rng(3)
    wide = clean_band(rng.standard_normal((1, given["noise"].shape[1])), RATE, Band(15, 28))
    removal = remove_artefacts(
        filtered(given["noise"] + 2e-5 * spread(BETA) * wide), SITES, wide[:0], Sampling(RATE), 0
    )
    assert removal.count("muscle") == 0


def with_blinks(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    times = np.arange(round(60 * RATE)) / RATE
    blinks = sum(1.5e-4 * np.exp(-0.5 * ((times - at) / 0.07) ** 2) for at in np.arange(2, 59, 3.7))
    mixing = rng.standard_normal((16, 16)) / 4
    sources = clean_band(rng.laplace(size=(16, len(times))), RATE, Band(1, 40)) * 1e-5
    depth = np.array([[DEPTH.get(site, 0.05)] for site in CENTRAL_SITES])
    return mixing @ sources, depth * blinks, blinks


def test_blinks_are_removed_and_the_rest_stays() -> None:
    brain, artefact, blinks = with_blinks()
    removal = remove_artefacts(brain + artefact, CENTRAL_SITES, np.zeros((0, brain.shape[1])), Sampling(RATE), 0)
    cleaned = removal.eeg
    assert ([item.kind for item in removal.dropped], removal.skipped) == (["ocular"], "")
    front = CENTRAL_SITES.index("F3")
    during = blinks > 5e-5
    assert np.abs(cleaned[front] - brain[front])[during].mean() < 0.15 * artefact[front][during].mean()
    back = CENTRAL_SITES.index("P3")
    assert np.corrcoef(cleaned[back], brain[back])[0, 1] > 0.98
    again = remove_artefacts(brain + artefact, CENTRAL_SITES, np.zeros((0, brain.shape[1])), Sampling(RATE), 0)
    np.testing.assert_array_equal(again.eeg, cleaned)


def test_an_eog_channel_shows_blinks_where_no_frontal_site_was_recorded() -> None:
    brain, artefact, blinks = with_blinks()
    names = [f"X{i}" for i in range(16)]
    assert remove_artefacts(brain + artefact, names, blinks[None], Sampling(RATE), 0).count("ocular") == 1
    assert "neither an EOG nor a frontal" in remove_artefacts(brain, names, blinks[None][:0], Sampling(RATE), 0).skipped


def test_eeg_without_blinks_keeps_every_component() -> None:
    brain, _, _ = with_blinks()
    removal = remove_artefacts(brain, CENTRAL_SITES, np.zeros((0, brain.shape[1])), Sampling(RATE), 0)
    assert (removal.dropped, removal.skipped) == ((), "")
    np.testing.assert_allclose(removal.eeg, brain, atol=1e-10)


@pytest.mark.parametrize(("n_channels", "seconds", "words"), [(5, 60, "too few"), (16, 10, "needs 41 s")])
def test_ica_is_left_out_where_it_cannot_work(n_channels: int, seconds: int, words: str) -> None:
    brain, artefact, _ = with_blinks()
    data = (brain + artefact)[:n_channels, : round(seconds * RATE)]
    removal = remove_artefacts(data, CENTRAL_SITES[:n_channels], data[:0], Sampling(RATE), 0)
    assert removal.dropped == ()
    assert words in removal.skipped
    np.testing.assert_array_equal(removal.eeg, data)
