"""Confounds of BOLD runs: fMRIPrep's names, plain values, DVARS and slow cosines."""

from __future__ import annotations

import numpy as np
import pytest

from bids_stroke.preprocess.bold.confounds import MINIMUM_FREE, PARAMETERS, confound_table, dvars, nuisance_columns
from tests.helpers.bold import TR, table_of


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
