"""Eyes and muscles are taken out of the EEG by ICA; brain rhythms and the amplifier's noise are not."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.preprocess.eegemg.ica import Sampling, remove_artefacts
from bids_stroke.preprocess.eegemg.signals import Band, clean_band
from tests.helpers import dense_cap
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
    assert ([item.kind for item in removal.dropped], removal.notes) == (["ocular"], ())
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
    (note,) = remove_artefacts(brain, names, blinks[None][:0], Sampling(RATE), 0).notes
    assert "neither an EOG nor a frontal" in note


def test_eeg_without_blinks_keeps_every_component() -> None:
    brain, _, _ = with_blinks()
    removal = remove_artefacts(brain, CENTRAL_SITES, np.zeros((0, brain.shape[1])), Sampling(RATE), 0)
    assert (removal.dropped, removal.notes) == ((), ())
    np.testing.assert_allclose(removal.eeg, brain, atol=1e-10)


@pytest.mark.parametrize(
    ("n_channels", "seconds", "words"),
    [(5, 60, "5 EEG channels are too few for ICA, and there is neither"), (16, 10, "needs 41 s; there are no blinks")],
)
def test_what_cannot_be_done_is_said(n_channels: int, seconds: int, words: str) -> None:
    """The first has no frontal site, the second no blinks."""
    brain, artefact, _ = with_blinks()
    data = (brain + artefact * (n_channels == 5))[:n_channels, : round(seconds * RATE)]
    removal = remove_artefacts(data, CENTRAL_SITES[:n_channels], data[:0], Sampling(RATE), 0)
    assert removal.dropped == ()
    assert words in removal.notes[0]
    np.testing.assert_array_equal(removal.eeg, data)


def fallen(site: str, given: dict[str, np.ndarray], left: np.ndarray) -> float:
    """By how many dB the blinks of a dense cap fell at a site."""
    row = [dense_cap.SITES.index(site)]
    before, after = (clean_band(item[row], RATE, Band(0.5, 8)) for item in (given["blinks"], left))
    return float(20 * np.log10(before.std() / after.std()))


@pytest.mark.inputs(
    "ICA takes eyes and muscles out of the EEG, on as many principal components as the recording is long enough for "
    "(20 samples at 100 Hz a weight): 27 of 64 channels in 124 s.",
    "Where that is less than 8, or the EEG has fewer channels, blinks are taken out by regression on EOG or frontal "
    "sites, from 0.5 to 7 Hz; slow frontal activity goes with them, which is said.",
)
@pytest.mark.parametrize(
    ("seconds", "least", "words"),
    [
        (124, 15.0, "ICA of 64 channels needs 655 s: it was done on the 27 strongest principal components"),
        (10, 10.0, "blinks were taken out of the EEG by regression on the eyes' 0.5 to 7 Hz"),
    ],
)
def test_blinks_go_from_a_dense_cap_however_short(seconds: int, least: float, words: str) -> None:
    given = {cause: clean_band(item, RATE, Band(0.5, 112.5)) for cause, item in dense_cap.planted(1, seconds).items()}
    brain, whole = given["noise"] + given["alpha"], sum(given.values())
    removal = remove_artefacts(whole, dense_cap.SITES, whole[:0], Sampling(RATE), 0)
    assert words in removal.notes[0]
    for site in ("Fp1", "Fp2", "Fz"):  # measured: 20 dB by ICA, 12 to 14 by regression
        assert fallen(site, given, removal.eeg - brain) > least
    for site in ("O1", "O2"):
        row = dense_cap.SITES.index(site)
        assert power_at(removal.eeg[row], 10) == pytest.approx(power_at(brain[row], 10), rel=0.02)  # measured: .4 %
        assert np.corrcoef(removal.eeg[row], brain[row])[0, 1] > 0.98
    again = remove_artefacts(whole, dense_cap.SITES, whole[:0], Sampling(RATE), 0)
    np.testing.assert_array_equal(again.eeg, removal.eeg)


def test_a_few_sites_lose_their_blinks_by_an_eog_channel() -> None:
    brain, artefact, blinks = with_blinks()
    data = (brain + artefact)[9:14]  # F3 and its neighbours
    removal = remove_artefacts(data, [f"X{i}" for i in range(5)], blinks[None], Sampling(RATE), 0)
    assert "5 EEG channels are too few for ICA" in removal.notes[0]
    during = blinks > 5e-5
    assert np.abs(removal.eeg[0] - brain[9])[during].mean() < 0.15 * artefact[9][during].mean()


def test_channels_that_are_sums_of_others_are_unmixed_all_the_same() -> None:
    """Ten sources over 64 channels: fewer components than the length allows."""
    given = dense_cap.planted(1, 60)
    mixing = np.random.default_rng(0).standard_normal((64, 10))
    rows = [dense_cap.SITES.index(site) for site in ("Fp1", "C3", "C4", "Cz", "P3", "P4", "O1", "O2", "T7")]
    sources = np.concatenate([given["noise"][rows], given["blinks"][rows[:1]]])
    whole = clean_band(mixing @ sources, RATE, Band(0.5, 112.5))
    removal = remove_artefacts(whole, dense_cap.SITES, given["blinks"][rows[:1]], Sampling(RATE), 0)
    assert "10 strongest principal components" in removal.notes[0]
    assert removal.count("ocular") == 1
