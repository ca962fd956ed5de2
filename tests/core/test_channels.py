"""Names of EEG sites and leg muscles, whatever their spelling."""

from __future__ import annotations

import mne
import pytest

from bids_stroke.core.channels import CHANNELS, EMG_MUSCLES, MONTAGE, MONTAGE_SITES, canonical_name, is_site


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("cp5", "CP5"), ("EEG C3", "C3"), ("c4-REF", "C4"), ("fz", "Fz"), ("Rectus_Femoris", "rectus femoris"),
        ("RF", "rectus femoris"), ("EMG VM", "vastus medialis"), ("proximal rectus ", "prox rectus fem"),
        ("unknown 7", "unknown 7"), ("RF_L", "rectus femoris"), ("Left Rectus Femoris", "rectus femoris"),
        ("R vastus medialis", "vastus medialis"), ("leftBF", "biceps femoris"), ("L_C3", "L_C3"), ("left", "left"),
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
