"""Features of EEG and EMG: what was planted is found where it was planted, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.preprocess.eegemg.features import coherence_threshold
from bids_stroke.signals.spectra import coherence
from tests.helpers.recordings import EEG, EMG, RATE, Planted, planted, process, together, write_phases

SITE, MUSCLE = "C3", "biceps femoris"


def coupled(seconds: float = 100.0) -> Planted:
    """A 20 Hz rhythm of wandering phase in C3, and 20 ms later in one muscle."""
    signals = planted(seconds, seed=4)
    rng = np.random.default_rng(5)
    n = signals.eeg.shape[1]
    phase = 2 * np.pi * 20 * np.arange(n) / RATE + np.cumsum(rng.normal(0, 0.05, n))
    eeg, emg = signals.eeg.copy(), signals.emg.copy()
    eeg[EEG.index(SITE)] += 6e-6 * np.sin(phase)
    emg[EMG.index(MUSCLE)] += 4e-5 * np.roll(np.sin(phase), round(0.02 * RATE))
    return replace(signals, eeg=eeg, emg=emg)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, dict[str, float]]:
    root = tmp_path_factory.mktemp("features")
    session = together(root / "raw", coupled())
    write_phases(root / "raw", 100.0)
    report = process(session, root / "out")
    path = Outputs(root / "out", "01").path("features", "eeg", task="leg")
    assert path.with_suffix(".json").is_file()
    return pd.read_csv(path, sep="\t", na_values="n/a"), dict(report.qc)


def test_coherence_is_found_at_its_pair_and_nowhere_else(done: tuple[pd.DataFrame, dict[str, float]]) -> None:
    table, qc = done
    whole = table[(table["phase"] == "all") & table["feature"].str.startswith("coherence")]
    assert len(whole) == 2 * len(EEG) * len(EMG)
    found = whole[whole["value"] > whole["threshold"]]
    assert set(zip(found["channel"], found["other_channel"], strict=True)) == {(SITE, MUSCLE)}
    best = found.sort_values("value").iloc[-1]
    assert best["frequency"] == pytest.approx(20, abs=1)
    assert best["feature"] == "coherence"  # it rides on the EMG; it does not scale the bursts
    assert qc["n_coherent_pairs"] == len(found)
    assert qc["coherence_largest"] == pytest.approx(best["value"])


def test_phases_are_counted_by_their_events(done: tuple[pd.DataFrame, dict[str, float]]) -> None:
    table, _ = done
    assert set(table["phase"]) == {"all", "flexion", "extension"}
    n = table.groupby("phase")["n_segments"].first()
    # 10 flexions and 9 extensions of 2.5 s give two segments of 1 s each
    assert (n["flexion"], n["extension"]) == (20, 18)
    assert n["all"] == 100


def test_band_power_sees_the_rhythm_of_the_back(done: tuple[pd.DataFrame, dict[str, float]]) -> None:
    table, qc = done
    power = table[(table["phase"] == "all") & (table["feature"] == "relative-power")]
    alpha = power[power["band"] == "alpha"].set_index("channel")["value"]
    assert alpha["O1"] > 0.8
    assert alpha["O1"] > alpha["Fp1"] + 0.05  # to which the average reference carries it
    assert power.groupby("channel")["value"].sum().to_numpy() == pytest.approx(1.0)
    assert qc["eeg_alpha_relative_power"] == pytest.approx(alpha.mean())


def test_emg_of_noise_has_its_median_in_the_middle_of_the_band(done: tuple[pd.DataFrame, dict[str, float]]) -> None:
    table, _ = done
    rows = table[(table["phase"] == "all") & (table["feature"] == "median-frequency")].set_index("channel")
    assert rows["value"]["rectus femoris"] == pytest.approx((20 + 90) / 2, abs=6)
    level = table[(table["phase"] == "all") & (table["feature"] == "rms")].set_index("channel")["value"]
    # white noise of 50 uV in half of the time (and 10 % in the rest), of which 20 to 90 of 100 Hz are kept
    assert level["rectus femoris"] == pytest.approx(50 * np.sqrt(0.7 * (1.1**2 + 0.1**2) / 2), rel=0.08)


def test_independent_signals_exceed_the_threshold_as_seldom_as_it_says() -> None:
    rng = np.random.default_rng(1)
    n_segments, n_tests = 30, 0
    above = 0
    for _ in range(300):
        values = coherence(*rng.standard_normal((2, n_segments, 2, 32)))[:, :, 1:-1]
        n_tests = values.size
        above += bool((values > coherence_threshold(n_segments, n_tests)).any())
    assert 3 <= above <= 27  # 15 expected at 0.05; Bonferroni is a little strict
