"""Signals swapped between the sides keep every sample and take the other side's names: all of a kind, or none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.app.unit.step import run_and_mirror
from bids_stroke.core.records import Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives.names import beside, sidecar_of
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.preprocess.eegemg.clean import Cleaned, Signals
from bids_stroke.preprocess.eegemg.clock import Recording
from bids_stroke.preprocess.eegemg.signals import Band
from bids_stroke.preprocess.eegemg.swap_sides import with_sides_swapped
from bids_stroke.preprocess.registry import STEPS, StepContext
from tests.helpers.recordings import EEG, RATE, planted, write_file


def swapped(eeg: tuple[str, ...], emg: tuple[str, ...]) -> tuple[Recording, Cleaned]:
    """Channels whose samples are their numbers, after swapping."""
    data = [np.arange(3.0 * len(names)).reshape(-1, 3) for names in (eeg, emg)]
    signals = Signals("eeg", data[0], eeg, Band(1, 40)), Signals("emg", data[1], emg, Band(20, 90))
    recording = Recording(250.0, *data, np.zeros((0, 3)), eeg, emg, frozenset(), 50.0)
    return with_sides_swapped(recording, Cleaned(250.0, 50.0, *signals, data[0], {}, ()))


def test_signals_keep_every_sample_and_take_the_other_names() -> None:
    recording, cleaned = swapped(("C3", "Cz", "F4"), ("LRF", "RRF", "R TA", "RTA"))
    assert cleaned.eeg.names == recording.eeg_names == ("C4", "Cz", "F3")
    assert cleaned.emg.names == recording.emg_names == ("RRF", "LRF", "L TA", "LTA")
    np.testing.assert_array_equal(cleaned.emg.data, recording.emg)
    assert (cleaned.eeg.sides_swapped, cleaned.emg.sides_swapped, cleaned.warnings) == (True, True, ())
    back, again = with_sides_swapped(recording, replace(cleaned, eeg=replace(cleaned.eeg, interpolated=("C4",))))
    assert (back.eeg_names, again.emg.names) == (("C3", "Cz", "F4"), ("LRF", "RRF", "R TA", "RTA"))
    assert again.eeg.interpolated == ("C3",)


def test_what_tells_no_side_stays_and_is_said() -> None:
    """Numbered electrodes: A1 to A16 were swapped with their neighbours once."""
    cap = tuple(f"{bundle}{number}" for bundle in "ABC" for number in range(1, 17))
    _, cleaned = swapped(cap, ("rectus femoris", "VL"))
    assert (cleaned.eeg.names, cleaned.emg.names) == (cap, ("rectus femoris", "VL"))
    assert (cleaned.eeg.sides_swapped, cleaned.emg.sides_swapped) == (False, False)
    assert cleaned.warnings == (f"EEG channels whose names tell no side were not swapped: {', '.join(cap)}.",)


def test_half_a_recording_is_never_swapped() -> None:
    _, cleaned = swapped(("C3", "E7", "Cz", "O2"), ("TA_L", "sensor 2", "VL", "sol re"))
    assert (cleaned.eeg.names, cleaned.emg.names) == (("C4", "Cz", "O1"), ("TA_R", "VL", "sol li"))
    np.testing.assert_array_equal(cleaned.eeg.data[:, 0], [0, 6, 9])
    np.testing.assert_array_equal(cleaned.emg.data[:, 0], [0, 6, 9])
    assert cleaned.warnings == (
        "EEG channels whose names tell no side are left out, because the others were swapped: E7.",
        "EMG channels whose names tell no side are left out, because the others were swapped: sensor 2.",
        "EMG channels of muscles without a side keep their names, the others were swapped: VL.",
    )
    assert cleaned.qc == {"n_eeg_channels": 3.0, "n_emg_channels": 3.0}


def done(root: Path, emg: tuple[str, ...], side: str = "R") -> StepReport:
    given = planted(12)
    data = np.concatenate([given.eeg, given.emg])
    item = write_file(root / "raw", "eeg", data, (*EEG, *emg), RATE, types=["EEG"] * len(EEG) + ["EMG"] * len(emg))
    session = Session("01", None, raw={"eeg": (item,)}, covariates={"lesion_side": side})
    outputs, settings = Outputs(root / "out", "01"), Settings(lesion_side="normalise")
    return run_and_mirror(STEPS["eegemg"], StepContext(session, outputs, settings, {}, root / "work"))


@pytest.mark.parametrize(
    ("emg", "names", "truth"),
    [(("LRF", "RRF", "RTA"), ["RRF", "LRF", "LTA"], True), (("RF", "VL", "TA"), ["RF", "VL", "TA"], False)],
)
def test_every_sidecar_tells_the_truth(tmp_path: Path, emg: tuple[str, ...], names: list[str], truth: bool) -> None:
    report = done(tmp_path, emg)
    _, eeg, muscles = report.outputs["eegemg"]
    assert pd.read_csv(beside(muscles, "channels"), sep="\t")["name"].tolist() == names
    for path, told in ((eeg, True), (muscles, truth)):
        for file in (path, beside(path, "channels")):
            assert json.loads(sidecar_of(file).read_text())["ChannelSidesSwapped"] is told
    for role in ("features", "spectrum"):
        table = Outputs(tmp_path / "out", "01").path(role, "eeg", task="leg")
        sidecar = json.loads(sidecar_of(table).read_text())
        assert (sidecar["EEGChannelSidesSwapped"], sidecar["EMGChannelSidesSwapped"]) == (True, truth)
    assert report.qc["mirrored"] == 1.0


def test_who_is_affected_on_the_left_has_nothing_swapped(tmp_path: Path) -> None:
    report = done(tmp_path, ("LRF", "RRF", "RTA"), "L")
    assert "SidesSwapped" not in sidecar_of(report.outputs["eegemg"][1]).read_text()
    assert report.qc["mirrored"] == 0.0
