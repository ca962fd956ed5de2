"""Cleaning of EEG: rhythms stay, mains go, the broken channel is found and interpolated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bids_stroke.core.errors import MissingModalityError
from bids_stroke.core.records import Session
from bids_stroke.core.settings_preprocess import EegEmgSettings
from bids_stroke.preprocess.eegemg.clean import Cleaned, clean
from bids_stroke.preprocess.eegemg.clock import Recording
from bids_stroke.preprocess.eegemg.step import window_table
from tests.helpers import dense_cap
from tests.helpers.eeg import SITES, parts, power_at, recording
from tests.helpers.recordings import EEG, RATE, planted, process, read, together, write_file

BROKEN = "P8"


@pytest.fixture(scope="module")
def done() -> Cleaned:
    signals = sum(parts().values())
    signals[SITES.index(BROKEN)] = 3e-4 * np.random.default_rng(9).standard_normal(signals.shape[1])
    return clean(recording(signals), EegEmgSettings(), 0)


def as_recorded(done: Cleaned, site: str) -> np.ndarray:
    return done.eeg.as_recorded[done.eeg.names.index(site)]


@pytest.mark.parametrize(("site", "frequency", "cause"), [("O1", 10, "alpha"), ("Pz", 10, "alpha"), ("C3", 22, "beta")])
def test_planted_rhythms_keep_their_power(done: Cleaned, site: str, frequency: float, cause: str) -> None:
    given = parts()
    truth = power_at(given[cause][SITES.index(site)] + given["noise"][SITES.index(site)], frequency)
    assert power_at(as_recorded(done, site), frequency) == pytest.approx(truth, rel=0.05)  # measured: 1.1 %


def test_mains_hum_falls_by_20_db(done: Cleaned) -> None:
    hum = parts()["hum"]
    for site in ("C3", "O1", "Fp1"):
        before = power_at(hum[SITES.index(site)], 50)
        assert 10 * np.log10(before / power_at(as_recorded(done, site), 50)) > 20


def test_the_broken_channel_and_no_other_is_found(done: Cleaned) -> None:
    assert done.eeg.interpolated == (BROKEN,)
    assert done.qc["n_bad_channels"] == 1


def test_every_component_that_went_is_named_with_its_reason(done: Cleaned) -> None:
    assert [item.kind for item in done.eeg.dropped] == ["ocular", "muscle"]
    assert (done.qc["n_ocular_components"], done.qc["n_muscle_components"]) == (1, 1)
    note = next(note for note in done.warnings if note.startswith("taken out of the EEG by ICA"))
    assert "(eyes, correlation 0.99)" in note
    assert "(muscle, " in note


def test_a_broken_channel_is_found(tmp_path: Path) -> None:
    signals = planted()
    signals.eeg[4] *= 40
    signals.eeg[9] = 0
    signals.emg[1] = 0
    report = process(together(tmp_path / "raw", signals), tmp_path / "out")
    assert report.qc["n_bad_channels"] == 3
    assert any("interpolated: C3, O2" in note for note in report.warnings)
    assert any("EMG channels left out as bad: biceps femoris" in note for note in report.warnings)
    assert read(report.outputs["eegemg"][2])[1] == ["rectus femoris", "vastus medialis"]


def test_emg_too_slow_for_its_high_pass_is_left_out(tmp_path: Path) -> None:
    report = process(together(tmp_path / "raw", planted(rate=80.0)), tmp_path / "out")
    assert len(report.outputs["eegemg"]) == 2
    assert "task-leg: EMG: 80 Hz is too slow for a high-pass of 20 Hz" in report.warnings


def test_few_channels_keep_their_reference(tmp_path: Path) -> None:
    item = write_file(tmp_path / "raw", "eeg", planted().eeg[:3], EEG[:3], RATE)
    report = process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "out")
    assert json.loads(report.outputs["eegemg"][1].with_suffix(".json").read_text())["EEGReference"] == "Cz"
    assert any("keeps its reference" in note for note in report.warnings)


def test_channels_that_are_always_negative_are_as_good_as_any(tmp_path: Path) -> None:
    signals, shifted = planted(), planted()
    shifted.eeg[3] -= 3e-4
    shifted.emg[1] -= 2e-3
    assert shifted.eeg[3].max() < 0
    assert shifted.emg[1].max() < 0
    reports = [process(together(tmp_path / name, item), tmp_path / f"out_{name}")
               for name, item in (("a", signals), ("b", shifted))]  # fmt: skip
    assert reports[1].qc["n_bad_channels"] == 0
    for first, second in zip(reports[0].outputs["eegemg"][1:], reports[1].outputs["eegemg"][1:], strict=True):
        one, two = read(first)[0], read(second)[0]
        np.testing.assert_allclose(one, two, atol=0.02 * one.std())  # 16 bits of a file with an offset


def test_eeg_that_is_the_same_everywhere_is_no_signal(tmp_path: Path) -> None:
    signals = planted()
    signals.eeg[:] = signals.eeg[0]
    with pytest.raises(MissingModalityError, match="flat") as caught:
        process(together(tmp_path / "raw", signals), tmp_path / "out")
    assert caught.value.reason == "no-good-window"


def test_a_dense_cap_of_two_minutes_keeps_its_windows() -> None:
    """With blinks left in, 2 of 12 windows have less than 100 uV at four fifths of the sites."""
    given = dense_cap.planted(1, 124.0)
    none = np.zeros((0, round(124 * dense_cap.RATE)))
    recording = Recording(dense_cap.RATE, sum(given.values()), none, none, dense_cap.SITES, (), frozenset(), 50.0)
    for limit in (100.0, 300.0):
        settings = EegEmgSettings(eeg_max_uv=limit)
        done = clean(recording, settings, 0)
        status = window_table(recording, done, settings)["status"]
        assert len(status) == 12
        assert (status == "good").sum() >= 8  # measured: 12
    assert any("27 strongest principal components" in note for note in done.warnings)
    assert done.qc["n_ocular_components"] == 1
