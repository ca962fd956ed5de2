"""Names of EEG sites and leg muscles, whatever their spelling."""

from __future__ import annotations

import mne
import pytest

from bids_stroke.core.channels import (
    CHANNELS,
    EMG_MUSCLES,
    MONTAGE,
    MONTAGE_SITES,
    canonical_name,
    ears,
    is_site,
    kind_of,
    numbered_electrodes,
)

BIOSEMI = [f"{bundle}{number}" for bundle in "ABCD" for number in range(1, 33)]
TEN_TWENTY = [*sorted(MONTAGE_SITES), "A1", "A2"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("cp5", "CP5"), ("EEG C3", "C3"), ("c4-REF", "C4"), ("fz", "Fz"), ("Rectus_Femoris", "rectus femoris"),
        ("RF", "rectus femoris"), ("EMG VM", "vastus medialis"), ("proximal rectus ", "prox rectus fem"),
        ("unknown 7", "unknown 7"), ("RF_L", "rectus femoris"), ("Left Rectus Femoris", "rectus femoris"),
        ("R vastus medialis", "vastus medialis"), ("leftBF", "biceps femoris"), ("L_C3", "L_C3"),
        ("Rectus femoris (left)", "rectus femoris"), ("left", "left"),
    ],
)  # fmt: skip
def test_channel_names_are_recognised(given: str, name: str) -> None:
    assert canonical_name(given) == name


def test_sites_are_those_of_the_montage() -> None:
    assert set(mne.channels.make_standard_montage(MONTAGE).ch_names) == MONTAGE_SITES


def test_every_published_channel_is_a_site_or_a_muscle_under_its_own_name() -> None:
    for name in CHANNELS:
        assert canonical_name(name) == name
        assert is_site(name) == (name not in EMG_MUSCLES)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("emg", "TA SOL GM GL RF VM VL BF ST TA_L L_TA RTA TAL EMG1 TA_EMG ST2 TibAnt M._soleus Lat_gastro "
                "vastus_lateralis Trigno_sensor_3:_EMG_3 FDI ECR_R Peroneus_L chin1-chin2 left_TA "
                "HamstringsR EEG_EMG1-Ref BiFem_li"),
        ("eog", "EOG hEOG VEOGL LOC ROC EOG2 IO1 LO2"),
        ("ecg", "ECG EKG2 EEG_ECG-Ref"),
        ("misc", "Status STI_014 TRIG Trigger1 ACC_X AccelX GSR EDA Resp. RespBelt Photo photodiode1 AUX3 SpO2 "
                 "Pulse Gyro_z Trigno_sensor_3:_ACC.X_3 Event DC10 Temp1 Airflow footswitch knee_angle Marker IMU1_x"),
        ("", "C3 Cz FP1 T8 TP9 EEG_C3-REF F3 A1 M1 E12 X1 Ch1 1 EXG1 L R C3-A2 Sensor_2"),
    ],
)  # fmt: skip
def test_names_that_are_no_sites_tell_their_kind(kind: str, names: str) -> None:
    assert {name: kind_of(name.replace("_", " ")) for name in names.split()} == dict.fromkeys(names.split(), kind)
    assert [kind_of(name) for name in EMG_MUSCLES] == ["emg"] * len(EMG_MUSCLES)
    assert not any(kind_of(name) for name in MONTAGE_SITES)


def test_numbered_electrodes_are_known_from_sites() -> None:
    """C1 to C6 are in both; 10-20 caps may have ears and a few odd labels."""
    assert numbered_electrodes([*BIOSEMI, "EXG1", "M1"]) == set(BIOSEMI)
    assert numbered_electrodes(BIOSEMI[:32]) == set(BIOSEMI[:32])
    prefixed = ["EEG A01-REF", "EEG B2", "EEG D4", "EEG D30-REF", "EEG C3"]
    assert numbered_electrodes(prefixed) == set(prefixed)
    for others in ([], ["E1", "E2"], ["B1", "D1", "D2", "E1"]):
        assert numbered_electrodes([*TEN_TWENTY, *others]) == set()
    assert numbered_electrodes(["C3", "C4", "A1", "A2", "E1", "E2"]) == set()


def test_ears_are_none_where_their_numbers_go_on() -> None:
    assert ears(["C3", "A1", "a2-REF", "EEG M1", "M2", "A11"]) == {"A1", "a2-REF", "EEG M1", "M2"}
    assert ears([*BIOSEMI, "M1"]) == {"M1"}
