"""All numbers of a unit, from the files that the EEG/EMG step wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_stroke.core.biomarkers import BIOMARKERS, of_group
from bids_stroke.core.records import Session
from bids_stroke.preprocess.biomarkers.eegemg import numbers
from tests.helpers.paused import edf_d
from tests.helpers.recordings import EEG, EMG, Planted, planted, process, together, write_file, write_phases

SECONDS, RATE = 100.0, 250.0
OF_EEG = {"bsi", "pdbsi", "delta_alpha_ratio", "delta_theta_alpha_beta_ratio", "alpha_peak_hz"}
OF_EEG |= {"motor_coherence_alpha", "motor_coherence_beta"}
OF_BURSTS = {f"{phase}_burst_{what}" for phase in ("flexion", "extension") for what in ("delay_s", "share")}


def trial() -> Planted:
    """A person whose right hemisphere is quiet, with a rhythm of 9.5 Hz, and muscles that follow the events.

    Events of 2.5 s each 5 s, flexion first: the flexor is active from 0.5 to 1.5 s of it, the extensors from 0.3 to
    1.8 s of theirs. The biceps femoris beats with C3.
    """
    rng = np.random.default_rng(7)
    n = round(SECONDS * RATE)
    times = np.arange(n) / RATE
    eeg = 1e-5 * rng.standard_normal((len(EEG), n))
    eeg += np.array([[name[0] in "PO"] for name in EEG]) * 1e-5 * np.sin(2 * np.pi * 9.5 * times)
    eeg[[name[-1] in "2468" for name in EEG]] *= 0.5
    beat = np.sin(2 * np.pi * 20 * times + np.cumsum(rng.normal(0, 0.05, n)))
    eeg[EEG.index("C3")] += 1e-5 * beat
    cycle = times % 10
    flexor, extensor = (cycle >= 0.5) & (cycle < 1.5), (cycle >= 5.3) & (cycle < 6.8)
    emg = np.stack([(on + 0.03) * rng.standard_normal(n) for on in (extensor, flexor, extensor)])
    emg[EMG.index("biceps femoris")] *= 1 + 0.8 * beat
    return Planted(eeg, 1e-4 * emg, RATE)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    root = tmp_path_factory.mktemp("numbers")
    session = together(root / "raw", trial())
    write_phases(root / "raw", SECONDS)
    return numbers(process(session, root / "out").outputs["eegemg"])


def test_all_numbers_but_those_of_sides_are_there(found: dict[str, float]) -> None:
    assert list(found) == [name for name in of_group("eegemg") if name not in ("cmc_left", "cmc_right")]
    for name, value in found.items():
        low, high = BIOMARKERS[name].limits
        assert low <= value <= high


def test_they_are_what_was_planted(found: dict[str, float]) -> None:
    assert found["alpha_peak_hz"] == pytest.approx(9.5, abs=0.1)
    assert found["bsi"] > 0.4  # (1 - 1/4) / (1 + 1/4) but for the average reference
    assert found["cmc"] > 0.02
    assert found["co_contraction"] < 0.25
    assert found["emg_median_frequency_hz"] == pytest.approx((20 + 112.5) / 2, abs=5)
    # in a flexion one muscle of three is active, in an extension the two others
    assert found["flexion_burst_delay_s"] == pytest.approx(0.5, abs=0.03)
    assert found["extension_burst_delay_s"] == pytest.approx(0.3, abs=0.03)
    assert found["flexion_burst_share"] == pytest.approx(1.0 / 2.5 / 3, abs=0.03)
    assert found["extension_burst_share"] == pytest.approx(2 * 1.5 / 2.5 / 3, abs=0.03)


def muscles_alone(root: Path, names: tuple[str, ...], seconds: float = 30.0, rate: float = RATE) -> dict[str, float]:
    data = planted(seconds, rate=rate).emg[: len(names)]
    file = write_file(root / "raw", "emg", data, names, rate, types=["EMG"] * len(names))
    return numbers(process(Session("01", None, raw={"emg": (file,)}), root / "out").outputs["eegemg"])


def test_without_eeg_or_events_there_are_those_of_muscles_alone(tmp_path: Path) -> None:
    assert set(muscles_alone(tmp_path, EMG)) == {"co_contraction", "emg_median_frequency_hz"}


def test_without_antagonists_there_is_no_co_contraction(tmp_path: Path) -> None:
    names = ("RF L", "BF R", "VM L")
    assert set(muscles_alone(tmp_path, names)) == {"emg_median_frequency_hz"}


def test_a_slow_rate_has_no_median_frequency(tmp_path: Path) -> None:
    assert set(muscles_alone(tmp_path, EMG, rate=200.0)) == {"co_contraction"}


def test_muscles_of_the_arm_are_no_muscles_of_the_leg(tmp_path: Path) -> None:
    assert muscles_alone(tmp_path, ("biceps brachii", "triceps brachii")) == {}


def test_sides_are_told_where_names_tell_them(tmp_path: Path) -> None:
    """The biceps femoris, here of the right leg, beats with C3; the muscles of the left one do not."""
    names = ("RF L", "BF R", "VM L")
    signals = trial()
    data = np.concatenate([signals.eeg, signals.emg])
    types = ["EEG"] * len(EEG) + ["EMG"] * len(EMG)
    file = write_file(tmp_path / "raw", "eeg", data, EEG + names, RATE, types=types)
    found = numbers(process(Session("01", None, raw={"eeg": (file,)}), tmp_path / "out").outputs["eegemg"])
    assert found["cmc_right"] > 0.02
    assert found["cmc_left"] < 0.005
    assert found["cmc"] == pytest.approx(found["cmc_right"], abs=0.01)
    assert not OF_BURSTS & set(found)
    assert "co_contraction" not in found


def test_interpolated_sites_count_for_nothing(tmp_path: Path) -> None:
    session = together(tmp_path / "raw", planted(70.0), bad=("C3",))
    found = numbers(process(session, tmp_path / "out").outputs["eegemg"])
    assert OF_EEG - set(found) == {"motor_coherence_alpha", "motor_coherence_beta"}


def test_a_minute_is_needed_for_symmetry_and_coherence(tmp_path: Path) -> None:
    found = numbers(process(together(tmp_path / "raw", planted(59.0)), tmp_path / "out").outputs["eegemg"])
    assert OF_EEG & set(found) == {"delta_alpha_ratio", "delta_theta_alpha_beta_ratio", "alpha_peak_hz"}
    assert not {"cmc", "cmc_left", "cmc_right"} & set(found)


def test_a_narrow_band_has_no_numbers_of_the_eeg(tmp_path: Path) -> None:
    session = together(tmp_path / "raw", planted(70.0))
    found = numbers(process(session, tmp_path / "out", low_pass=25.0).outputs["eegemg"])
    assert not OF_EEG & set(found)


def test_numbers_are_the_mean_over_recordings(tmp_path: Path) -> None:
    files, alone = [], []
    for task, seed in (("a", 1), ("b", 2)):
        signals = planted(30.0, seed=seed, rate=RATE)
        row = signals.emg * np.linspace(1, seed, signals.emg.shape[1])
        files.append(write_file(tmp_path / "raw", "emg", row, EMG, RATE, task=task))
        session = Session("01", None, raw={"emg": (files[-1],)})
        alone.append(numbers(process(session, tmp_path / task).outputs["eegemg"]))
    both = numbers(process(Session("01", None, raw={"emg": tuple(files)}), tmp_path / "out").outputs["eegemg"])
    assert set(both) == {"co_contraction", "emg_median_frequency_hz"}
    for name, value in both.items():
        assert value == pytest.approx(np.mean([one[name] for one in alone]))
        assert alone[0][name] != alone[1][name]


def test_events_across_a_pause_are_no_events(tmp_path: Path) -> None:
    """Good windows lie on either side of the pause, side by side in the file."""
    file = edf_d(tmp_path / "raw")
    events = file.path.with_name("sub-01_task-leg_events.tsv")
    rows = [(onset, "flexion") for onset in (1.0, 6.0, 11.0)] + [(22.0, "extension")] * 3
    events.write_text("onset\tduration\ttrial_type\n" + "".join(f"{at:g}\t42\t{kind}\n" if at == 22 else
                      f"{at:g}\t3\t{kind}\n" for at, kind in rows))  # fmt: skip
    session = Session("01", None, raw={"eeg": (file,)})
    found = numbers(process(session, tmp_path / "out", window_seconds=1).outputs["eegemg"])
    assert OF_BURSTS & set(found) == {"flexion_burst_share", "flexion_burst_delay_s"}


def test_nothing_recorded_has_no_numbers() -> None:
    assert numbers([]) == {}


@pytest.mark.real
def test_healthy_people_have_plausible_numbers(real_data: Path, tmp_path: Path) -> None:
    from bids_stroke.bids.layout import Dataset

    dataset = Dataset.open(real_data / "bids_real_open", "raw")
    found = {}
    for subject in ("07", "08", "09"):
        files = dataset.raw_files(dataset.folders(subject))
        session = Session(subject, None, raw={"eeg": files["eeg"], "emg": files["emg"]})
        found[subject] = numbers(process(session, tmp_path / subject).outputs["eegemg"])
    brain = found["07"]
    assert set(brain) == OF_EEG
    assert 8 <= brain["alpha_peak_hz"] <= 12.5
    assert brain["bsi"] < brain["pdbsi"] < 0.3
    assert 0.2 < brain["delta_alpha_ratio"] < 3
    assert 0.2 < brain["delta_theta_alpha_beta_ratio"] < 3
    for subject in ("08", "09"):
        assert set(found[subject]) == {"co_contraction", "emg_median_frequency_hz"}
        assert 0.1 < found[subject]["co_contraction"] < 0.9
        assert 40 < found[subject]["emg_median_frequency_hz"] < 120


def test_the_example_has_numbers(example: Path, tmp_path: Path) -> None:
    from bids_stroke.bids.layout import Dataset

    dataset = Dataset.open(example, "raw")
    files = dataset.raw_files(dataset.folders("04"))
    session = Session("04", None, raw={"eeg": files["eeg"], "emg": files["emg"]})
    found = numbers(process(session, tmp_path).outputs["eegemg"])
    assert set(found) == set(of_group("eegemg")) - {"cmc_left", "cmc_right"}
    assert 8 <= found["alpha_peak_hz"] <= 12
