"""A separate EMG recording is put onto the clock of the EEG, by acq_time and by common events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_stroke.core.errors import BidsStrokeError, DataError
from tests.helpers.recordings import EMG, RATE, Planted, apart, planted, process, read, windows_of, write_scans


def test_emg_of_another_rate_and_start_is_put_on_the_clock_of_the_eeg(tmp_path: Path) -> None:
    times = np.arange(45 * 1000) / 1000
    carrier = np.sin(2 * np.pi * 40 * times)
    on = (np.abs(times - 20) < 0.5) * 1e-4  # 20 s after the start of the EMG
    emg = Planted(
        np.zeros((0, 0)), np.tile(on * carrier, (3, 1)) + 1e-6 * np.random.default_rng(0).normal(size=45000), 1000
    )
    session = apart(tmp_path / "raw", planted(50), emg)
    write_scans(tmp_path / "raw", "2000-01-01T12:00:03.500")
    report = process(session, tmp_path / "out")
    eeg, _, _ = read(report.outputs["eegemg"][1])
    clean, _, rate = read(report.outputs["eegemg"][2])
    assert rate == RATE
    assert clean.shape[1] == eeg.shape[1] == 45 * RATE
    centre = np.average(np.arange(clean.shape[1]), weights=clean[0] ** 2 * (np.abs(clean[0]) > 2e-5)) / RATE
    assert centre == pytest.approx(20, abs=0.01)
    assert any("the EMG starts 3.5 s after the EEG (acq_time)" in note for note in report.warnings)
    assert any("EMG resampled from 1000 to 200 Hz" in note for note in report.warnings)
    # the EEG is cut to the same span: its rhythm is that of 3.5 s later
    truth = planted(50).eeg[:, round(3.5 * RATE) :][:, : eeg.shape[1]]
    truth = truth - truth.mean(axis=0)
    assert np.corrcoef(eeg[8, 1000:-1000], truth[8, 1000:-1000])[0, 1] > 0.95


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_times_in_a_table_of_another_encoding(tmp_path: Path, encoding: str) -> None:
    session = apart(tmp_path / "raw", planted(30), planted(30))
    write_scans(tmp_path / "raw", "2000-01-01T12:00:03.500")
    table = tmp_path / "raw" / "sub-01" / "sub-01_scans.tsv"
    head, *rows = table.read_text(encoding="utf-8").splitlines()
    text = "\n".join([f"{head}\toperator", *(f'{row}\tMüller "' for row in rows)])
    table.write_bytes(text.encode(encoding))
    report = process(session, tmp_path / "out")
    assert any("the EMG starts 3.5 s after the EEG (acq_time)" in note for note in report.warnings)


@pytest.mark.parametrize("content", [b"filename\tacq_time\n\x00\x00", b"filename\n" + b"a" * 200_000])
def test_a_table_of_times_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    session = apart(tmp_path / "raw", planted(), planted())
    (tmp_path / "raw" / "sub-01" / "sub-01_scans.tsv").write_bytes(content)
    with pytest.raises(BidsStrokeError, match=r"sub-01_scans\.tsv") as caught:
        process(session, tmp_path / "out")
    assert caught.value.reason != "internal-error"


def test_without_acq_time_a_common_start_is_assumed_and_said(tmp_path: Path) -> None:
    report = process(apart(tmp_path / "raw", planted(), planted()), tmp_path / "out")
    assert any("a common start is assumed" in note for note in report.warnings)


def test_emg_at_another_time_is_not_mixed_in(tmp_path: Path) -> None:
    session = apart(tmp_path / "raw", planted(), planted())
    write_scans(tmp_path / "raw", "2000-01-01T13:00:00")
    report = process(session, tmp_path / "out")
    assert [path.name.rsplit("_", 1)[1] for path in report.outputs["eegemg"]] == ["events.tsv", "eeg.edf"]
    assert any("do not overlap" in note for note in report.warnings)


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


def test_acq_time_that_is_no_time_fails(tmp_path: Path) -> None:
    session = apart(tmp_path / "raw", planted(12), planted(12))
    write_scans(tmp_path / "raw", "noon")
    with pytest.raises(DataError, match=r"scans\.tsv: acq_time 'noon'"):
        process(session, tmp_path / "out")
