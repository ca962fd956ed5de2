"""channels.tsv at odds with the recording: named, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.errors import DataError, MissingModalityError
from bids_stroke.core.records import BidsFile, Session
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.features.recordings import read_windows
from bids_stroke.preprocess.eegemg.channels import set_types
from bids_stroke.preprocess.eegemg.read import read_source
from tests.helpers.paused import beside, edf_d, eeglab, write_set
from tests.helpers.recordings import EEG, EMG, RATE, planted, process, read, together, write_file


def change_channels(session: Session, change: Callable[[list[str]], list[str]]) -> None:
    """Change the rows of channels.tsv, the first of which holds the names of the columns."""
    path = session.files("eeg")[0].path.with_name("sub-01_task-leg_channels.tsv")
    path.write_text("".join(f"{row}\n" for row in change(path.read_text().splitlines())))


@pytest.mark.inputs(
    "A `channels.tsv` that names other channels than the file, or in another order, is refused; channels at the end "
    "that it lacks are left out, and rows too many are named.",
)
@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        (
            lambda rows: [row.replace("C3", "X9") for row in rows],
            "channels-mismatch",
            r"channels\.tsv is at odds with .*: only in the table: X9; only in the file: C3\.",
        ),
        (
            lambda rows: [rows[0], rows[2], rows[1], *rows[3:]],
            "channels-mismatch",
            r"the order differs, first in row 1 \(Fp2 instead of Fp1\)",
        ),
        (lambda rows: [row.split("\t")[0] for row in rows], "bad-channels-table", "has no column type"),
        (lambda rows: [], "bad-channels-table", r"channels\.tsv is no table"),
    ],
)
def test_channels_at_odds_with_the_file_fail(
    tmp_path: Path, change: Callable[[list[str]], list[str]], reason: str, words: str
) -> None:
    session = together(tmp_path / "raw", planted(12))
    change_channels(session, change)
    with pytest.raises(DataError, match=words) as caught:
        process(session, tmp_path / "out")
    assert caught.value.reason == reason


def test_rows_too_few_or_too_many_and_unknown_types_are_named(tmp_path: Path) -> None:
    session = together(tmp_path / "raw", planted(12))
    change_channels(session, lambda rows: [row.replace("O2\tEEG", "O2\tSPLEEN") for row in rows[:-1]])
    report = process(session, tmp_path / "a")
    assert any("without a row in channels.tsv and left out: vastus medialis" in note for note in report.warnings)
    assert any("a type that is not of BIDS are left out (SPLEEN)" in note for note in report.warnings)
    assert (report.qc["n_eeg_channels"], report.qc["n_emg_channels"]) == (9, 2)
    change_channels(session, lambda rows: [*rows, "vastus medialis\tEMG\tuV\tgood", "soleus\tEMG\tuV\tgood"])
    report = process(session, tmp_path / "b")
    assert any("names channels that are not in sub-01_task-leg_eeg.edf: soleus" in note for note in report.warnings)
    assert report.qc["n_emg_channels"] == 3


@pytest.mark.inputs(
    "Without `channels.tsv`, or where it has no type (`n/a`) for a channel, the name tells: sites of the 10-20 system "
    "are EEG, muscles of leg and arm by name or usual abbreviation, with or without a side, and `EMG...` are EMG.",
)
@pytest.mark.parametrize("table", ["none", "n/a", "blank"])
def test_muscles_are_known_by_name(tmp_path: Path, table: str) -> None:
    """The same features as with the types in channels.tsv, and an average reference of the sites alone."""
    told = process(together(tmp_path / "told", planted(12)), tmp_path / "a")
    session = together(tmp_path / "raw", planted(12))
    if table == "none":
        session.files("eeg")[0].path.with_name("sub-01_task-leg_channels.tsv").unlink()
    else:
        word = {"n/a": "n/a", "blank": ""}[table]
        change_channels(session, lambda rows: [re.sub("\tE[EM]G", f"\t{word}", row) for row in rows])
    report = process(session, tmp_path / "b")
    features = [Outputs(tmp_path / out, "01").path("features", "eeg", task="leg").read_bytes() for out in ("a", "b")]
    assert features[0] == features[1]
    eeg, names, _ = read(report.outputs["eegemg"][1])
    assert names == list(EEG)
    assert np.abs(eeg.mean(axis=0)).max() < 1e-8
    assert report.qc["n_emg_channels"] == told.qc["n_emg_channels"] == len(EMG)
    assert any("by their names 10 channels are EEG; EMG: rectus femoris" in note for note in report.warnings)


@pytest.mark.inputs(
    "What is no site (eyes, heart, triggers, acceleration, skin conductance, breathing, names that tell nothing) is in "
    "neither, stays out of the average reference, and is named.",
)
@pytest.mark.parametrize("form", ["edf", "set", "emg"])
def test_what_is_no_site_stays_out(tmp_path: Path, form: str) -> None:
    names = ("Fp1", "EEG C3-Ref", "Cz", "TA_L", "RSOL", "vEOG", "EKG", "Status", "ACC x", "GSR", "Photo", "X7", "A1")
    kinds = ["eeg"] * 3 + ["emg"] * 2 + ["eog", "ecg", "misc", "misc", "misc", "misc", "misc", "misc"]
    if form == "set":
        path = eeglab(tmp_path).path
        write_set(path, names, [("go", 1001.0, 0.0)])
        item = beside(path)
    else:
        kind = "eeg" if form == "edf" else "emg"
        item = write_file(tmp_path, kind, np.ones((len(names), 2400)), names, RATE)
    item.path.with_name("sub-01_task-leg_channels.tsv").unlink()
    source = read_source(item)
    kinds[7] = "stim" if form != "set" else "misc"  # mne knows it in EDF
    kinds[11] = "emg" if form == "emg" else "misc"  # nothing is known of it: what the file is for
    assert source.raw.get_channel_types() == kinds
    said = next(note for note in source.warnings if "no channels.tsv" in note)
    assert "EMG: TA_L, RSOL" in said
    assert "ACC x, GSR, Photo, A1" in said
    assert form == "emg" or "not known and left out: X7 (give their types in channels.tsv)" in said


def test_an_emg_without_types_is_emg_but_for_what_is_known_to_be_else(tmp_path: Path) -> None:
    names = ("Sensor 1", "L_TA", "Trigger", "GyroX")
    item = write_file(tmp_path, "emg", np.random.default_rng(0).normal(0, 1e-5, (4, 2400)), names, RATE)
    table = item.path.with_name("sub-01_task-leg_channels.tsv")
    pd.read_csv(table, sep="\t").assign(type="n/a").to_csv(table, sep="\t", index=False)
    assert read_source(item).raw.get_channel_types() == ["emg", "emg", "misc", "misc"]


def test_numbered_electrodes_are_not_ears(tmp_path: Path) -> None:
    """A1 to A32 of a BioSemi cap: A1 and A2 alone would be taken for earlobes."""
    names = [f"A{number}" for number in range(1, 33)]
    item = write_file(tmp_path, "eeg", np.zeros((32, 2400)), tuple(names), RATE)
    item.path.with_name("sub-01_task-leg_channels.tsv").unlink()
    with pytest.raises(MissingModalityError, match="no channel of type EEG or EMG") as caught:
        process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "out")
    assert caught.value.reason == "no-eeg-or-emg-channels"


@pytest.mark.inputs(
    "Ears (A1, A2, M1, M2) are no sites of the brain: they are left out and named, whatever their type; of a cap that "
    "goes on to A3 they are electrodes.",
    "Muscles, eyes and heart that channels.tsv has as EEG, as mne-bids writes it of EDF where nobody gives types, are "
    "what their names say, which is said.",
)
def test_ears_and_muscles_stay_out_of_the_reference(tmp_path: Path) -> None:
    """Loud ones: the average would be theirs."""
    given = planted(12)
    truth = process(together(tmp_path / "raw", given), tmp_path / "out")
    loud = 1e-4 * np.random.default_rng(1).standard_normal((3, given.eeg.shape[1]))
    names = (*EEG, "A1", "M2", "TA_L", *EMG)
    data = np.concatenate([given.eeg, loud, given.emg])
    types = ["EEG"] * 13 + ["EMG"] * 3
    item = write_file(tmp_path / "more", "eeg", data, names, RATE, types=types)
    report = process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "more_out")
    (eeg, found, _), (expected, _, _) = (read(done.outputs["eegemg"][1]) for done in (report, truth))
    assert found == list(EEG)
    np.testing.assert_allclose(eeg, expected, atol=2e-8)
    assert read(report.outputs["eegemg"][2])[1] == ["TA_L", *EMG]
    assert any("ears are no sites of the brain and left out: A1, M2" in note for note in report.warnings)
    assert any("told to be EEG, and taken as what their names say: TA_L (EMG)" in note for note in report.warnings)


@pytest.mark.inputs(
    "Electrodes that a cap numbers by bundles (BioSemi's A1 to A32, B1 to B32, ...) are at no site of the 10-20 "
    "system: a bad C4 of it is left out, not filled in from the neighbours of the 10-20 system's C4."
)
def test_numbered_electrodes_are_at_no_site(tmp_path: Path) -> None:
    names = tuple(f"{bundle}{number}" for bundle in "ABC" for number in range(1, 9))
    data = 1e-5 * np.random.default_rng(0).standard_normal((24, 2400))
    item = write_file(tmp_path, "eeg", data, names, RATE, bad=("C4",))
    report = process(Session("01", None, raw={"eeg": (item,)}), tmp_path / "out")
    assert report.qc["n_interpolated_channels"] == 0
    assert any("EEG channels left out as bad: C4" in note for note in report.warnings)
    assert read(report.outputs["eegemg"][1])[1] == [name for name in names if name != "C4"]
    item.path.with_name("sub-01_task-leg_channels.tsv").unlink()
    assert set(read_source(item).raw.get_channel_types()) == {"misc"}


def with_columns(item: BidsFile, **columns: list[str]) -> None:
    path = item.path.with_name("sub-01_task-leg_channels.tsv")
    pd.read_csv(path, sep="\t", dtype=str).assign(**columns).to_csv(path, sep="\t", index=False)


@pytest.mark.inputs(
    "An EMG channel is the muscle that `target_muscle` of channels.tsv tells, else `name`, else `description` where "
    "the name tells no muscle; a side that only the name tells is kept.",
    "Muscles that several channels would share leave them their names, which is said.",
)
def test_muscles_are_what_channels_tsv_tells(tmp_path: Path) -> None:
    names = ("EMG1", "RF_L", "RVM", "Ch4", "gmax", "S1", "S2", "EMG8")
    item = write_file(tmp_path, "emg", np.ones((8, 2400)), names, RATE, types=["EMG"] * 8, bad=("EMG1",))
    target = ["Biceps femoris (right)", "Rectus femoris", "n/a", "", "Semitendinosus", "soleus", "soleus", "n/a"]
    described = [
        "x",
        "x",
        "biceps femoris",
        "Prox. rectus fem",
        "n/a",
        "n/a",
        "n/a",
        "over the left soleus",
    ]
    with_columns(item, target_muscle=target, description=described)
    source = read_source(item)
    assert source.raw.ch_names == [
        "Biceps femoris (right)", "left Rectus femoris", "RVM", "Prox. rectus fem", "Semitendinosus", "S1", "S2",
        "over the left soleus",
    ]  # fmt: skip
    assert source.raw.info["bads"] == ["Biceps femoris (right)"]
    said = (
        "EMG1 is Biceps femoris (right), Ch4 is Prox. rectus fem, gmax is Semitendinosus, EMG8 is over the left soleus"
    )
    assert any(said in note for note in source.warnings)
    assert any("more than one channel of soleus: they keep their names" in note for note in source.warnings)
    with_columns(item, target_muscle=["n/a"] * 8, description=["soleus " * 8] * 8)
    assert read_source(item).raw.ch_names == list(names)


def test_models_read_target_muscles_whatever_the_names(tmp_path: Path) -> None:
    """The names in full: EDF would cut them to 'left Rectus femo' and 'Vastus medialis '."""
    given = planted(12)
    item = write_file(tmp_path, "emg", given.emg, ("EMG1", "EMG2_L", "x"), RATE, types=["EMG"] * 3)
    muscles = ["left Rectus femoris", "Biceps femoris, long head", "Vastus medialis obliquus"]
    with_columns(item, target_muscle=muscles)
    found = process(Session("01", None, raw={"emg": (item,)}), tmp_path / "out").outputs["eegemg"]
    windows, _ = read_windows(found, {"channels": list(EMG), "rate": RATE, "seconds": 10.0, "max_interpolated": 0})
    signals, labels, _ = read(found[1])
    assert max(map(len, labels)) <= 16
    assert windows.shape == (1, round(10 * RATE), 3)
    for index in range(3):
        assert np.corrcoef(windows[0, :, index], signals[index, : round(10 * RATE)])[0, 1] > 0.999
    features = pd.read_csv(Outputs(tmp_path / "out", "01").path("features", "emg", task="leg"), sep="\t")
    assert set(features["channel"]) == set(muscles)


def test_types_and_places_in_the_file_stay(tmp_path: Path) -> None:
    """EEGLAB keeps both: an electrode with a place is of the cap, whatever its name."""
    info = mne.create_info(["E1", "E2", "M7"], RATE, ["eeg", "eeg", "emg"])
    raw = mne.io.RawArray(np.zeros((3, 100)), info, verbose="error")
    raw.set_montage(mne.channels.make_dig_montage({"E1": [0.01, 0.02, 0.09]}), on_missing="ignore", verbose="error")
    path = edf_d(tmp_path).path
    path.with_name("sub-01_task-leg_channels.tsv").unlink()
    set_types(path, raw)
    assert raw.get_channel_types() == ["eeg", "misc", "emg"]
