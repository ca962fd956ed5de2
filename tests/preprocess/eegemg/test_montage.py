"""Names of sites, their interpolation from neighbours, and the average reference."""

from __future__ import annotations

import numpy as np

from bids_stroke.preprocess.eegemg.montage import average_reference, has_site, interpolate, standard_names
from tests.helpers.eeg import CENTRAL_SITES, noise


def test_names_become_those_of_the_10_20_system() -> None:
    found = standard_names(["EEG FP1-REF", "cz", "EEG c3", "T3", "O1.", "ECG", "Cz"])
    assert found == ["Fp1", "cz", "C3", "T7", "O1", "ECG", "Cz"]
    assert has_site(found).tolist() == [True, False, True, True, True, False, True]


def test_a_bad_site_is_restored_from_its_neighbours() -> None:
    truth = np.zeros((16, 500))
    rng = np.random.default_rng(1)
    for neighbours in (["C1", "C3", "FC1", "CP1"], ["C2", "C4", "FC2", "CP2"], ["P3", "CP5"], ["F4", "FC6"]):
        truth += np.array([[site in neighbours] for site in CENTRAL_SITES]) * rng.standard_normal(500)
    bad = np.array([site == "C1" for site in CENTRAL_SITES])
    broken = np.where(bad[:, None], 50 * rng.standard_normal(500), truth)
    restored = interpolate(broken, CENTRAL_SITES, bad)
    assert np.corrcoef(restored[bad][0], truth[bad][0])[0, 1] > 0.9
    np.testing.assert_array_equal(restored[~bad], truth[~bad])


def test_average_reference_sums_to_zero() -> None:
    data = noise(16)
    referred = average_reference(data)
    np.testing.assert_allclose(referred.sum(axis=0), 0, atol=1e-18)
    np.testing.assert_allclose(referred[0] - referred[1], data[0] - data[1])
