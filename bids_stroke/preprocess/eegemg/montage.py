"""What needs the electrodes' places: 10-20 names, interpolation, average reference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import mne
import numpy as np
from numpy.typing import NDArray

from bids_stroke.core.channels import numbered_electrodes
from bids_stroke.preprocess.eegemg.signals import Array

MINIMUM_FOR_REFERENCE = 8
"""Fewer EEG channels than this do not average to a neutral reference."""
_EARS = {"A1", "A2", "M1", "M2"}
_RENAMED = {"t3": "T7", "t4": "T8", "t5": "P7", "t6": "P8"}
_ORIGIN = (0.0, 0.0, 0.04)
"""Centre of the sphere for the splines, in m in head coordinates."""


@cache
def _montage() -> Any:
    """The template's places of all 10-05 sites; MNE renamed it in 1.13."""
    known = mne.channels.get_builtin_montages()
    return mne.channels.make_standard_montage("colin27_1005" if "colin27_1005" in known else "standard_1005")


@cache
def _sites() -> dict[str, str]:
    names = _montage().ch_names
    return {name.lower(): name for name in names} | _RENAMED


def standard_names(names: Sequence[str]) -> list[str]:
    """Write EEG channel names as in the 10-20 system; names that are no site of it, or would be double, stay.

    So do the numbered electrodes of a cap (`numbered_electrodes`).

    Examples
    --------
    >>> standard_names(["EEG FP1-REF", "cz", "T3", "X1"])
    ['Fp1', 'Cz', 'T7', 'X1']
    """
    renamed: list[str] = []
    numbered = numbered_electrodes(names)
    for name in names:
        if name in numbered:
            renamed.append(name)
            continue
        bare = re.sub(r"^eeg[ _-]*|[ _-]*(ref|le|avg|a1a2)$|\.+$", "", name.strip(), flags=re.IGNORECASE)
        site = _sites().get(bare.lower(), name)
        taken = site in renamed or (site != name and site in names)
        renamed.append(name if taken else site)
    return renamed


def has_site(names: Sequence[str]) -> NDArray[np.bool_]:
    """Which channels are sites of the 10-20 system on the brain (names as from `standard_names`, all of a recording).

    Earlobes and mastoids have places in the template, and are no such sites; nor are numbered electrodes of a cap.
    """
    known = set(_sites().values()) - numbered_electrodes(names) - _EARS
    return np.array([name in known for name in names], dtype=bool)


def interpolate(eeg: Array, names: Sequence[str], bad: NDArray[np.bool_]) -> Array:
    """Replace bad channels by spherical splines over the good ones, at the template's places of the sites.

    Parameters
    ----------
    eeg : (n_channels, n_samples) float64
        All channels must be sites of the 10-20 system.
    names : sequence of str
    bad : (n_channels,) bool
    """
    if not bad.any():
        return eeg
    raw = as_raw(np.where(bad[:, None], 0.0, eeg), names, 1.0)
    raw.set_montage(_montage(), match_case=False, verbose="error")
    raw.info["bads"] = [name for name, is_bad in zip(names, bad, strict=True) if is_bad]
    raw.interpolate_bads(origin=_ORIGIN, verbose="error")
    whole: Array = raw.get_data()
    return whole


def average_reference(eeg: Array) -> Array:
    """Subtract the mean over channels."""
    centred: Array = eeg - eeg.mean(axis=0, keepdims=True)
    return centred


def as_raw(data: Array, names: Sequence[str], rate: float) -> Any:
    """EEG as MNE holds it; the data are copied."""
    info = mne.create_info(list(names), rate, "eeg", verbose="error")
    return mne.io.RawArray(data.copy(), info, verbose="error")
