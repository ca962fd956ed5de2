"""What needs the electrodes' places: 10-20 names, ocular artefacts, interpolation, average reference."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import mne
import numpy as np
from mne.preprocessing import ICA
from numpy.typing import NDArray
from scipy.stats import kurtosis

from bids_stroke.preprocess.eegemg_signals import Array, Band, clean_band, usable_band

MINIMUM_FOR_REFERENCE = 8
"""Fewer EEG channels than this do not average to a neutral reference."""
_RENAMED = {"t3": "T7", "t4": "T8", "t5": "P7", "t6": "P8"}
_ORIGIN = (0.0, 0.0, 0.04)
"""Centre of the sphere for the splines, in m in head coordinates."""
_SAMPLES_PER_WEIGHT = 20
_ICA_RATE = 100.0
_OCULAR_CORRELATION, _OCULAR_KURTOSIS, _MOST_OCULAR = 0.6, 2.0, 2


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

    Examples
    --------
    >>> standard_names(["EEG FP1-REF", "cz", "T3", "X1"])
    ['Fp1', 'Cz', 'T7', 'X1']
    """
    renamed: list[str] = []
    for name in names:
        bare = re.sub(r"^eeg[ _-]*|[ _-]*(ref|le|avg|a1a2)$|\.+$", "", name.strip(), flags=re.IGNORECASE)
        site = _sites().get(bare.lower(), name)
        taken = site in renamed or (site != name and site in names)
        renamed.append(name if taken else site)
    return renamed


def has_site(names: Sequence[str]) -> NDArray[np.bool_]:
    """Which channels are sites of the 10-20 system (names as from `standard_names`)."""
    known = set(_sites().values())
    return np.array([name in known for name in names], dtype=bool)


def remove_ocular(eeg: Array, names: Sequence[str], rate: float, eog: Array, seed: int) -> tuple[Array, int, str]:
    """Take blinks and eye movements out of the EEG by independent components (extended Infomax by Picard).

    A component goes when its time course follows an EOG channel or the mean of the frontmost sites (1 to 10 Hz) with
    an absolute correlation of at least 0.6 and comes in peaks (excess kurtosis of 2 or more); at most two go.

    Parameters
    ----------
    eeg : (n_channels, n_samples) float64
        Band-passed EEG of good channels, volts.
    names : sequence of str
        As from `standard_names`.
    rate : float
        Hz.
    eog : (n_eog, n_samples) float64
        May have no rows.
    seed : int

    Returns
    -------
    eeg : (n_channels, n_samples) float64
    n_removed : int
    skipped : str
        Why nothing could be tried; empty otherwise.
    """
    front = _front(names)
    step = max(1, int(rate // _ICA_RATE))
    needed = _SAMPLES_PER_WEIGHT * len(eeg) ** 2 * step / rate
    band = usable_band(Band(1.0, 40.0), rate)
    if len(eeg) < MINIMUM_FOR_REFERENCE:
        return eeg, 0, f"ocular artefacts are left in: {len(eeg)} EEG channels are too few for ICA"
    if eeg.shape[1] / rate < needed or band is None:
        return eeg, 0, f"ocular artefacts are left in: ICA of {len(eeg)} channels needs {needed:.0f} s"
    if not len(eog) and not front:
        return eeg, 0, "ocular artefacts are left in: there is neither an EOG nor a frontal channel"
    raw = _raw(clean_band(eeg, rate, band), names, rate)
    fit = {"ortho": False, "extended": True}
    ica = ICA(method="picard", fit_params=fit, random_state=seed, max_iter=300, verbose="error")
    with warnings.catch_warnings():
        # an unmixing that is not converged to the last digit still separates blinks
        warnings.filterwarnings("ignore", message=".*did not converge.*")
        ica.fit(raw, decim=step, verbose="error")
    sources = ica.get_sources(raw).get_data()
    eyes = np.concatenate([eog, eeg[front].mean(axis=0, keepdims=True)]) if front else eog
    ocular = _ocular(sources, clean_band(eyes, rate, Band(1.0, 10.0)))
    cleaned: Array = ica.apply(_raw(eeg, names, rate), exclude=ocular, verbose="error").get_data()
    return cleaned, len(ocular), ""


def _front(names: Sequence[str]) -> list[int]:
    """Indices of the frontmost EEG sites: prefrontal ones, else the frontal row."""
    for pattern in (r"(fp|af)(z|\d+)h?", r"f(z|\d)"):
        found = [i for i, name in enumerate(names) if re.fullmatch(pattern, name.lower())]
        if found:
            return found
    return []


def _ocular(sources: Array, eyes: Array) -> list[int]:
    correlation = np.abs(np.corrcoef(sources, eyes)[: len(sources), len(sources) :]).max(axis=1)
    peaked = kurtosis(sources, axis=1) >= _OCULAR_KURTOSIS
    order = np.argsort(-correlation)
    return [int(i) for i in order if correlation[i] >= _OCULAR_CORRELATION and peaked[i]][:_MOST_OCULAR]


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
    raw = _raw(np.where(bad[:, None], 0.0, eeg), names, 1.0)
    raw.set_montage(_montage(), match_case=False, verbose="error")
    raw.info["bads"] = [name for name, is_bad in zip(names, bad, strict=True) if is_bad]
    raw.interpolate_bads(origin=_ORIGIN, verbose="error")
    whole: Array = raw.get_data()
    return whole


def average_reference(eeg: Array) -> Array:
    """Subtract the mean over channels."""
    centred: Array = eeg - eeg.mean(axis=0, keepdims=True)
    return centred


def _raw(data: Array, names: Sequence[str], rate: float) -> Any:
    info = mne.create_info(list(names), rate, "eeg", verbose="error")
    return mne.io.RawArray(data.copy(), info, verbose="error")
