"""BOLD: cleaning, confounds and maps against plain reference implementations."""

from __future__ import annotations

import re

import nilearn.signal
import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.preprocess.bold.cleaning import clean, cosines_outside
from bids_stroke.preprocess.bold.confounds import MINIMUM_FREE, PARAMETERS, confound_table, dvars, nuisance_columns
from bids_stroke.preprocess.bold.maps import amplitudes, regional_homogeneity
from bids_stroke.preprocess.bold.seed_connectivity import connectivity

TR = 2.0
BAND = (0.01, 0.1)


def table_of(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    series = rng.normal(100, 1, (2, 2, 2, n)).astype(np.float32)
    masks = {"brain": np.ones((2, 2, 2), bool)}
    return confound_table(series, rng.standard_normal((n, 6)).cumsum(axis=0) * 0.02, masks, TR)


def test_alff_is_the_mean_amplitude_within_the_band() -> None:
    n = 100
    series = np.random.default_rng(0).standard_normal((n, 3))
    time = np.arange(n) * TR
    alff, falff = amplitudes(series, TR, BAND)
    for voxel in range(3):  # the plain definition: project on each sine and cosine
        sizes = {}
        for k in range(1, n // 2 + 1):
            angle = 2 * np.pi * k / (n * TR) * time
            sizes[k / (n * TR)] = 2 / n * np.hypot(series[:, voxel] @ np.cos(angle), series[:, voxel] @ np.sin(angle))
        inside = [size for frequency, size in sizes.items() if BAND[0] <= frequency <= BAND[1]]
        assert alff[voxel] == pytest.approx(np.mean(inside))
        assert falff[voxel] == pytest.approx(sum(inside) / sum(sizes.values()))


def test_alff_of_a_sine_is_its_amplitude_over_the_number_of_frequencies() -> None:
    n = 200  # frequencies 1/400 Hz apart: 4 to 40 are in the band
    time = np.arange(n)[:, None] * TR
    waves = np.hstack([7 * np.sin(2 * np.pi * 0.05 * time), 7 * np.sin(2 * np.pi * 0.2 * time), 0 * time])
    alff, falff = amplitudes(waves, TR, BAND)
    assert alff == pytest.approx([7 / 37, 0, 0], abs=1e-9)
    assert falff == pytest.approx([1, 0, 0], abs=1e-6)


def test_a_run_without_a_frequency_in_the_band_is_missing() -> None:
    with pytest.raises(MissingModalityError, match=r"a run of 8 s.*0\.01 to 0\.1 Hz") as error:
        amplitudes(np.zeros((20, 2)), 0.4, BAND)
    assert error.value.reason == "run-too-short"


def test_reho_equals_kendalls_w_written_out() -> None:
    rng = np.random.default_rng(1)
    mask = rng.random((6, 5, 7)) < 0.8
    series = rng.standard_normal((*mask.shape, 30)) + rng.standard_normal(30)
    result = np.full(mask.shape, np.nan)
    result[mask] = regional_homogeneity(series[mask].T, mask)
    for x, y, z in np.argwhere(mask):
        cube = tuple(slice(max(i - 1, 0), i + 2) for i in (x, y, z))
        ranks = [rankdata(voxel) for voxel in series[cube][mask[cube]]]
        total = np.sum(ranks, axis=0)
        expected = 12 * ((total - total.mean()) ** 2).sum() / (len(ranks) ** 2 * (30**3 - 30))
        assert result[x, y, z] == pytest.approx(expected if len(ranks) >= 7 else 0, rel=1e-5)


def test_reho_of_identical_neighbours_is_one_of_noise_small_and_of_a_lone_voxel_none() -> None:
    rng = np.random.default_rng(2)
    mask = np.ones((5, 5, 12), bool)
    mask[:, :, 9:] = False
    mask[2, 2, 11] = True
    series = rng.standard_normal((*mask.shape, 60))
    series[:, :, :5] = rng.standard_normal(60)
    result = np.zeros(mask.shape)
    result[mask] = regional_homogeneity(series[mask].T, mask)
    assert np.allclose(result[:, :, :4], 1)
    assert result[1:-1, 1:-1, 7].mean() == pytest.approx(1 / 27, abs=0.02)
    assert result[2, 2, 11] == 0


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


def test_confounds_have_fmriprep_names_and_plain_values() -> None:
    rng = np.random.default_rng(6)
    series = rng.normal(100, 1, (4, 4, 4, 12)).astype(np.float32)
    parameters = rng.normal(0, 0.1, (12, 6))
    masks = {"brain": np.ones((4, 4, 4), dtype=bool), "csf": np.zeros((4, 4, 4), dtype=bool)}
    masks["csf"][0] = True
    table = confound_table(series, parameters, masks, TR)
    ends = ("", "_derivative1", "_power2", "_derivative1_power2")
    names = {f"{name}{end}" for name in (*PARAMETERS, "global_signal", "csf") for end in ends}
    outliers = {f"motion_outlier{i:02d}" for i in range(int((table["framewise_displacement"] > 0.5).sum()))}
    assert outliers  # by a framewise displacement above 0.5 mm; DVARS is that of noise
    assert names | {"framewise_displacement", "dvars", "std_dvars"} | outliers == set(table)
    assert table[sorted(outliers)].sum(axis=1).tolist() == (table["framewise_displacement"] > 0.5).astype(int).tolist()
    assert table["trans_x_derivative1"][3] == pytest.approx(parameters[3, 0] - parameters[2, 0])
    assert table["rot_z_derivative1_power2"][3] == pytest.approx((parameters[3, 5] - parameters[2, 5]) ** 2)
    assert table["csf"][5] == pytest.approx(series[0, :, :, 5].mean(), rel=1e-6)
    change = (series[..., 4] - series[..., 3]).ravel().astype(np.float64)
    assert table["dvars"][4] == pytest.approx(np.sqrt((change**2).mean()), rel=1e-5)


def test_short_runs_use_fewer_confounds() -> None:
    table = table_of(40)
    assert len(nuisance_columns(table, 100)) == 24
    assert nuisance_columns(table, 12) == list(PARAMETERS)
    assert nuisance_columns(table, MINIMUM_FREE - 1) == []


def test_standardised_dvars_of_noise_is_1_and_sees_a_jump() -> None:
    rng = np.random.default_rng(8)
    noise = rng.standard_normal((400, 200))
    smooth = noise[:, 1:] + 0.6 * noise[:, :-1]  # autocorrelated, with another spread in each voxel
    series = 500 + smooth * rng.uniform(1, 30, (400, 1))
    series[:, 90] += 60.0
    plain, standardised = dvars(series)
    assert np.isnan([plain[0], standardised[0]]).all()
    still = np.delete(standardised[1:], [89, 90])
    assert np.median(still) == pytest.approx(1.0, abs=0.15)
    assert standardised[90] > 2 * still.max()


def test_slow_cosines_are_nilearns_for_128_s() -> None:
    table = table_of(150)  # 300 s: 2 * 300 / 128 = 4.7
    names = [name for name in table if name.startswith("cosine")]
    assert names == [f"cosine{i:02d}" for i in range(4)]
    crossings = [int((np.diff(np.sign(table[name])) != 0).sum()) for name in names]
    assert crossings == [1, 2, 3, 4]


def test_seeds_and_their_mirror() -> None:
    rng = np.random.default_rng(9)
    brain = np.ones((6, 5, 5), bool)
    shared, alone = rng.standard_normal((2, 150))
    seeds = {name: np.zeros(brain.shape, bool) for name in ("handL", "handR", "legL")}
    for name, x in (("handL", 0), ("handR", 3), ("legL", 5)):
        seeds[name][x] = True
    series = rng.standard_normal((*brain.shape, 150))
    series[:4] += 1.5 * shared
    series[5] += alone
    maps, mirrored = connectivity(series[brain].T, brain, seeds)
    left = series[0].reshape(-1, 150).mean(axis=0)
    expected = np.arctanh(np.corrcoef(left, series[2, 1, 4])[0, 1])
    index = int(np.flatnonzero((np.argwhere(brain) == (2, 1, 4)).all(axis=1))[0])
    assert maps["handL"][index] == pytest.approx(expected, abs=1e-9)
    right = series[3].reshape(-1, 150).mean(axis=0)
    assert mirrored == {"hand_left_right_z": pytest.approx(np.arctanh(np.corrcoef(left, right)[0, 1]), abs=1e-9)}
    assert np.isfinite(maps["legL"]).all()
