from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import mne
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from mne_bids import BIDSPath, read_raw_bids
from scipy.signal import coherence

from bids_stroke.core.errors import OutputError
from bids_stroke.simulate.cohort import simulate_cohort
from bids_stroke.simulate.eegemg import EEG_SITES, EMG_CHANNELS, TASK, simulate_recording
from bids_stroke.simulate.options import RESOLUTIONS, CohortOptions, Weights

OPTIONS = CohortOptions(
    n_subjects=4, seed=3, emg_layout="mixed", two_sessions=0.25, missing_rate={"dwi": 0.25, "lesion": 0.5}
)
SIZES = RESOLUTIONS["coarse"]


def hashes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def validate(folder):
    """What the BIDS validator calls errors."""
    binary = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent)) or "bids-validator-deno"
    result = subprocess.run([binary, "--format", "json", str(folder)], capture_output=True, text=True, check=False)
    issues = json.loads(result.stdout)["issues"]["issues"]
    return [issue for issue in issues if issue["severity"] == "error"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    out = tmp_path_factory.mktemp("cohort") / "bids"
    done = []
    simulate_cohort(out, OPTIONS, done.append)
    assert done == ["sub-01", "sub-02", "sub-03", "sub-04"]
    return out


def test_validator_has_nothing_against_the_dataset(cohort):
    assert validate(cohort) == []


def test_validator_has_nothing_against_the_lesion_masks(cohort):
    assert validate(cohort / "derivatives" / "lesions") == []


def test_validator_would_find_an_error(cohort, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(cohort, broken)
    next(broken.rglob("*_dwi.bval")).unlink()
    assert validate(broken) != []


def test_same_options_give_the_same_bytes(cohort, tmp_path):
    simulate_cohort(tmp_path / "again", OPTIONS)
    assert hashes(tmp_path / "again") == hashes(cohort)


def test_another_seed_gives_other_images(cohort, tmp_path):
    simulate_cohort(tmp_path / "other", CohortOptions(n_subjects=1, seed=4))
    one, other = (
        nib.load(next((root / "sub-01").rglob("*_T1w.nii.gz"))).get_fdata() for root in (cohort, tmp_path / "other")
    )
    assert not np.array_equal(one, other)


def test_dropping_a_modality_leaves_the_others_alone(tmp_path):
    simulate_cohort(tmp_path / "full", CohortOptions(n_subjects=1, seed=3))
    simulate_cohort(tmp_path / "less", CohortOptions(n_subjects=1, seed=3, missing_rate={"dwi": 1, "eegemg": 1}))
    full, less = (hashes(tmp_path / name / "sub-01") for name in ("full", "less"))
    assert not (tmp_path / "less" / "sub-01" / "dwi").exists()
    assert not (tmp_path / "less" / "sub-01" / "eeg").exists()
    assert less == {name: full[name] for name in less}


def test_no_folder_with_content_is_written_into(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="not an empty folder"):
        simulate_cohort(tmp_path, OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_missing_modalities_and_masks_are_counted(cohort):
    lacking_dwi = [sub for sub in cohort.glob("sub-*") if not list(sub.rglob("*_dwi.nii.gz"))]
    with_mask = list((cohort / "derivatives" / "lesions").glob("sub-*"))
    assert len(lacking_dwi) == 1
    assert len(with_mask) == 2


def test_one_person_has_two_sessions_three_months_apart(cohort):
    (table,) = cohort.glob("sub-*/sub-*_sessions.tsv")
    sessions = pd.read_csv(table, sep="\t")
    assert sessions["session_id"].tolist() == ["ses-01", "ses-02"]
    assert np.diff(sessions["days_since_stroke"]).tolist() == [90]
    assert sorted(path.name for path in table.parent.glob("ses-*")) == ["ses-01", "ses-02"]
    others = [sub for sub in cohort.glob("sub-*") if sub != table.parent]
    assert not any(list(sub.glob("ses-*")) for sub in others)


def test_participants_are_described(cohort):
    table = pd.read_csv(cohort / "participants.tsv", sep="\t")
    described = json.loads((cohort / "participants.json").read_text())
    assert set(table.columns) - set(described) == {"participant_id"}
    assert table["participant_id"].tolist() == ["sub-01", "sub-02", "sub-03", "sub-04"]
    assert table["fma_le"].between(0, 34).all()
    assert (table["lesion_side"] != table["affected_limb"]).all()


def test_no_cause_of_the_outcome_is_among_the_covariates(cohort):
    truth = pd.read_csv(cohort / "sourcedata" / "truth.tsv", sep="\t")
    participants = pd.read_csv(cohort / "participants.tsv", sep="\t")
    assert set(truth.columns) & set(participants.columns) == {"participant_id"}
    assert truth["tract_load"].between(0, 1).all()


def test_masks_lie_on_the_grid_of_their_t1w_and_on_the_stated_side(cohort):
    sides = pd.read_csv(cohort / "participants.tsv", sep="\t", index_col="participant_id")["lesion_side"]
    masks = list((cohort / "derivatives" / "lesions").rglob("*_mask.nii.gz"))
    assert masks
    for path in masks:
        mask = nib.load(path)
        sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        t1w = nib.load(cohort / sidecar["Sources"][0].removeprefix("bids:raw:"))
        np.testing.assert_array_equal(mask.affine, t1w.affine)
        voxels = np.array(np.nonzero(mask.get_fdata())).T
        x = nib.affines.apply_affine(mask.affine, voxels)[:, 0].mean()
        assert x > 0 if sides[path.name[:6]] == "R" else x < 0


def test_gradient_files_fit_their_images(cohort):
    determinants = set()
    for path in cohort.rglob("*_dwi.nii.gz"):
        image = nib.load(path)
        stem = str(path).removesuffix(".nii.gz")
        bvals, bvecs = np.loadtxt(f"{stem}.bval"), np.loadtxt(f"{stem}.bvec")
        assert bvecs.shape == (3, image.shape[3]) == (3, len(bvals))
        np.testing.assert_allclose(np.linalg.norm(bvecs, axis=0), bvals > 0, atol=1e-5)
        determinants.add(bool(np.linalg.det(image.affine) > 0))
    assert determinants == {True, False}, "both storage orders occur"


def test_images_carry_the_same_affine_in_both_forms(cohort):
    for path in cohort.rglob("*.nii.gz"):
        header = nib.load(path).header
        assert (int(header["qform_code"]), int(header["sform_code"])) == (1, 1)
        np.testing.assert_allclose(header.get_qform(), header.get_sform(), atol=1e-3)


def read(cohort, subject, datatype):
    session = "01" if list(cohort.glob(f"sub-{subject}/ses-*")) else None
    path = BIDSPath(
        root=cohort, subject=subject, session=session, task=TASK, datatype=datatype, suffix=datatype,
        extension=".vhdr" if datatype == "eeg" else ".bdf",
    )  # fmt: skip
    return read_raw_bids(path, verbose="error")


def test_emg_within_the_eeg_file(cohort):
    raw = read(cohort, "01", "eeg")
    types = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    assert types == dict.fromkeys(EEG_SITES, "eeg") | dict.fromkeys(EMG_CHANNELS, "emg")
    assert raw.info["line_freq"] == 50
    assert raw.info["sfreq"] == SIZES.sampling_rate
    assert raw.n_times == SIZES.duration * SIZES.sampling_rate
    assert not (cohort / "sub-01" / "emg").exists()


def test_emg_apart_has_the_clock_and_events_of_the_eeg(cohort):
    eeg, emg = read(cohort, "02", "eeg"), read(cohort, "02", "emg")
    assert eeg.ch_names == list(EEG_SITES)
    assert emg.ch_names == list(EMG_CHANNELS)
    assert set(emg.get_channel_types()) == {"emg"}
    assert eeg.info["meas_date"] == emg.info["meas_date"]
    assert eeg.n_times == emg.n_times
    np.testing.assert_allclose(eeg.annotations.onset, emg.annotations.onset)
    scans = pd.read_csv(next((cohort / "sub-02").rglob("*_scans.tsv")), sep="\t")
    assert scans["acq_time"].nunique() == 1
    assert set(scans["filename"].str[:3]) == {"eeg", "emg"}


@pytest.mark.parametrize(("subject", "datatype"), [("01", "eeg"), ("02", "emg")])
def test_signals_survive_writing(cohort, subject, datatype):
    emg = read(cohort, subject, datatype).get_data(picks="emg") * 1e6
    assert 5 < emg.std() < 100
    if datatype == "eeg":
        eeg = read(cohort, subject, datatype).get_data(picks="eeg") * 1e6
        assert 5 < eeg.std() < 40


def test_muscles_are_named_in_full(cohort):
    channels = pd.read_csv(next((cohort / "sub-02" / "emg").glob("*_channels.tsv")), sep="\t")
    assert channels["description"].tolist() == list(EMG_CHANNELS.values())
    assert max(map(len, EMG_CHANNELS)) <= 16


@pytest.fixture(scope="module")
def recording():
    return simulate_recording(RESOLUTIONS["example"], 0.8, "L", np.random.default_rng(0))


def power(signal, low, high, rate=250.0):
    spectrum, frequency = mne.time_frequency.psd_array_welch(
        signal, rate, n_fft=1000, average="median", verbose="error"
    )
    return spectrum[..., (frequency >= low) & (frequency <= high)].mean(axis=-1)


def test_alpha_is_posterior_blinks_frontal_and_mains_everywhere(recording):
    index = {name: i for i, name in enumerate(EEG_SITES)}
    alpha = power(recording.eeg, 9, 11) / power(recording.eeg, 5, 7)
    assert alpha[index["P3"]] > 3 * alpha[index["F3"]]
    peaks = np.abs(recording.eeg * 1e6).max(axis=1)
    assert peaks[index["F3"]] > 80
    assert peaks[index["F3"]] > 1.5 * peaks[index["CP1"]]
    assert np.all(power(recording.eeg, 49.8, 50.2) > 3 * power(recording.eeg, 43, 47))


def test_flexors_and_extensors_take_turns(recording):
    rate, channels = recording.sampling_rate, list(EMG_CHANNELS)

    def strength(muscle, first_trial):
        starts = (recording.onsets[first_trial::2] * rate).astype(int)
        return np.mean([recording.emg[channels.index(muscle), s : s + int(2.5 * rate)].std() for s in starts])

    assert strength("semitendinosus", 0) > 2 * strength("semitendinosus", 1)
    assert strength("rectus femoris", 1) > 2 * strength("rectus femoris", 0)
    rest = recording.emg[:, : int(0.9 * rate)].std()
    assert strength("rectus femoris", 1) > 3 * rest


@pytest.mark.parametrize(("leg", "site", "other"), [("L", "C2", "C1"), ("R", "C1", "C2")])
def test_coupling_is_causal_and_contralateral(leg, site, other):
    def beta_coherence(coupling, name):
        made = simulate_recording(RESOLUTIONS["example"], coupling, leg, np.random.default_rng(3))
        emg = made.emg[list(EMG_CHANNELS).index("rectus femoris")]
        frequency, values = coherence(made.eeg[EEG_SITES.index(name)], emg, fs=250.0, nperseg=250)
        return values[(frequency >= 14) & (frequency <= 26)].mean()

    none, strong = beta_coherence(0.0, site), beta_coherence(1.0, site)
    assert strong > 3 * none
    assert strong > 2 * beta_coherence(1.0, other)


def test_readme_names_the_command_with_its_weights(tmp_path):
    options = CohortOptions(1, weights=Weights(0, 0, 0), missing_rate={"dwi": 1, "bold": 1, "eegemg": 1})
    simulate_cohort(tmp_path / "bids", options)
    readme = (tmp_path / "bids" / "README").read_text()
    assert "synthetic" in readme
    assert "--lesion-weight 0 --age-weight 0 --coupling-weight 0 --missing-rate dwi=1" in readme
