"""A separate EMG recorder whose clock starts elsewhere and drifts, seen from common events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.preprocess.eegemg.drift import match_clocks
from bids_stroke.preprocess.eegemg.signals import resampled
from tests.preprocess.eegemg.test_step import EMG, RATE, Planted, apart, planted, process, read, windows_of, write_scans


def events(onsets: np.ndarray, kinds: tuple[str, ...] = ("flexion", "extension")) -> pd.DataFrame:
    return pd.DataFrame({"onset": onsets.astype(str), "trial_type": [kinds[i % 2] for i in range(len(onsets))]})


def heard(ratio: float = 1.0, offset: float = 0.0, jitter: float = 0.001, n: int = 50) -> tuple[pd.DataFrame, ...]:
    """Events on the EEG's and on the EMG's clock, 10 s apart, with triggers that come a little late."""
    rng = np.random.default_rng(0)
    on_eeg = np.arange(n) * 10.0 + 20
    return events(on_eeg + jitter * rng.random(n)), events((on_eeg - offset) / ratio + jitter * rng.random(n))


@pytest.mark.parametrize(("ratio", "offset"), [(1.00008, 3.25), (0.99995, -1.5), (1.00003, 0.0)])
def test_offset_and_drift_are_found(ratio: float, offset: float) -> None:
    clock = match_clocks(*heard(ratio, offset), None)
    assert clock.offset == pytest.approx(offset, abs=2e-3)
    assert clock.ratio == pytest.approx(ratio, abs=1.5e-6)
    assert f"drift {clock.ppm:.0f} ppm (50 common events)" in clock.note


def test_equal_clocks_are_left_alone() -> None:
    clock = match_clocks(*heard(jitter=0.0), 0.0)
    assert (clock.offset, clock.ratio, clock.note) == (0.0, 1.0, "")
    assert match_clocks(*heard(jitter=0.004, n=6), 0.0).ratio == 1.0


def test_single_late_triggers_do_no_harm() -> None:
    eeg, emg = heard(1.0001, 2.0)
    emg.loc[10, "onset"] = str(float(emg["onset"][10]) + 3)
    clock = match_clocks(eeg, emg, None)
    assert clock.offset == pytest.approx(2.0, abs=3e-3)
    assert clock.ratio == pytest.approx(1.0001, abs=2e-6)


def test_without_common_events_the_drift_is_said_to_be_unknown() -> None:
    eeg, emg = heard()
    for other in (None, emg[:30], emg[:2], emg.assign(trial_type="rest")):
        clock = match_clocks(eeg, other, 1.5)
        assert (clock.offset, clock.ratio) == (1.5, 1.0)
        assert "drift of their clocks is not known" in clock.note
    assert "a common start is assumed" in match_clocks(None, None, None).note


def test_events_that_cannot_be_the_same_are_not_used() -> None:
    clock = match_clocks(*heard(1.05, 0.0), 1.5)
    assert (clock.offset, clock.ratio) == (1.5, 1.0)
    assert "do not fit together" in clock.note
    clock = match_clocks(*heard(offset=0.0), 3.5)
    assert clock.offset == 3.5
    assert "acq_time is used" in clock.note


def write_events(root: Path, kind: str, onsets: np.ndarray) -> None:
    rows = [f"{onset:.6f}\t1.0\t{('flexion', 'extension')[i % 2]}" for i, onset in enumerate(onsets)]
    path = root / "sub-01" / kind / "sub-01_task-leg_events.tsv"
    path.write_text("onset\tduration\ttrial_type\n" + "\n".join(rows) + "\n")


def test_the_emg_is_put_onto_the_clock_of_the_eeg(tmp_path: Path) -> None:
    """Bursts at known times of the EEG: at the end a clock slow by 500 ppm would have them 45 ms early."""
    ratio, offset, rate = 1.0005, 0.75, 500
    times = offset + ratio * np.arange(89 * rate) / rate
    centres = np.arange(5.0, 88.0, 5.0)
    envelope = sum(np.exp(-0.5 * ((times - centre) / 0.1) ** 2) for centre in centres)
    noise = np.random.default_rng(0).standard_normal((3, len(times)))
    emg = Planted(np.zeros((0, 0)), 1e-6 * noise + 1e-4 * envelope * np.sin(2 * np.pi * 45 * times), rate)
    session = apart(tmp_path / "raw", planted(92), emg)
    write_scans(tmp_path / "raw", "2000-01-01T12:00:01")  # whole seconds
    write_events(tmp_path / "raw", "eeg", np.append(centres, 200.0))
    write_events(tmp_path / "raw", "emg", (np.append(centres, 200.0) - offset) / ratio)
    report = process(session, tmp_path / "out")
    assert report.qc["emg_offset_s"] == pytest.approx(offset, abs=1e-3)
    assert report.qc["emg_drift_ppm"] == pytest.approx(500, abs=2)
    assert any("1 of 18 events begin outside the signal" in note for note in report.warnings)
    clean, _, found_rate = read(report.outputs["eegemg"][2])
    assert found_rate == RATE
    for centre in (centres[0], centres[-1]):
        on = slice(round((centre - offset - 0.5) * RATE), round((centre - offset + 0.5) * RATE))
        middle = np.average(np.arange(on.start, on.stop), weights=clean[0, on] ** 2) / RATE + offset
        assert middle == pytest.approx(centre, abs=5e-3)


def test_another_rate_and_start_give_the_same_windows(tmp_path: Path) -> None:
    """The same EMG, below 80 Hz, once at the EEG's rate and start and once at 500 Hz from 2 s earlier."""

    def muscle(times: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(3)
        tones = [(f, rng.uniform(0, 6.3), rng.normal()) for f in rng.uniform(25, 75, 60)]
        one = sum(size * np.sin(2 * np.pi * f * times + phase) for f, phase, size in tones)
        return 2e-5 * np.stack([one] * len(EMG))

    signals = planted(60)
    same = Planted(signals.eeg, muscle(np.arange(60 * RATE) / RATE), RATE)
    other = Planted(signals.eeg, muscle(np.arange(64 * 500) / 500 - 2), 500)
    reports = []
    for name, emg, start in (("a", same, "12:00:00"), ("b", other, "11:59:58")):
        session = apart(tmp_path / name, signals, emg)
        write_scans(tmp_path / name, f"2000-01-01T{start}")
        reports.append(process(session, tmp_path / f"out_{name}"))
    assert windows_of(reports[0]).equals(windows_of(reports[1]))
    inner = slice(round(2 * RATE), -round(2 * RATE))  # the filters' ends differ: one recording goes on there
    for first, second in zip(reports[0].outputs["eegemg"][1:], reports[1].outputs["eegemg"][1:], strict=True):
        one, two = read(first)[0][:, inner], read(second)[0][:, inner]
        np.testing.assert_allclose(one, two, atol=1e-3 * one.std())


@pytest.mark.parametrize("ratio", [0.4, 1.0003, 0.9998, 1000 / 1925.926, 2.0])
def test_resampling_keeps_waves_at_their_time(ratio: float) -> None:
    """At both ends as well: MNE shifts by up to half a sample."""
    wave = 0.6 * np.pi * min(1.0, ratio)  # 0.6 of the lower Nyquist frequency
    found = resampled(np.sin(wave * np.arange(4001))[None], ratio)[0]
    assert len(found) == pytest.approx(4001 * ratio, abs=1)
    inner = slice(100, -100)
    np.testing.assert_allclose(found[inner], np.sin(wave * np.arange(len(found)) / ratio)[inner], atol=3e-3)
