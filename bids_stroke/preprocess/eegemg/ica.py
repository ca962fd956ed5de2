"""Eyes and muscles taken out of the EEG by independent components, each with the reason why it went.

Where a recording is too short for that, blinks go by regression.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mne
import numpy as np
from mne.preprocessing import ICA, EOGRegression
from scipy.stats import kurtosis

from bids_stroke.core.channels import numbered_electrodes
from bids_stroke.preprocess.eegemg.montage import MINIMUM_FOR_REFERENCE, as_raw
from bids_stroke.preprocess.eegemg.signals import Array, Band, clean_band, power_spectrum, usable_band

_SAMPLES_PER_WEIGHT, _FEWEST_COMPONENTS = 20, 8
_ICA_RATE = 100.0
_OCULAR_CORRELATION, _OCULAR_KURTOSIS, _MOST_OCULAR = 0.6, 2.0, 2
_NO_EYES = "there is neither an EOG nor a frontal channel"
_BLINKS = Band(0.5, 7.0)
"""Hz: nearly all of a blink, and no alpha rhythm."""
_MUSCLE_BAND, _LOWER_BANDS = (30.0, 45.0), ((7.0, 15.0), (15.0, 30.0))
_MUSCLE_FLAT_DB, _MUSCLE_LOUD_DB, _MOST_MUSCLE = -3.0, 5.0, 0.25


@dataclass(frozen=True)
class Sampling:
    """Rate in Hz, and the first samples after pauses."""

    rate: float
    joints: tuple[int, ...] = ()


@dataclass(frozen=True)
class Dropped:
    """A component that was taken out."""

    index: int
    kind: str
    """``ocular`` or ``muscle``."""
    measure: float
    """Correlation with the eyes; or by how many dB its 30 to 45 Hz are louder than those of the median component."""

    @property
    def reason(self) -> str:
        """In words."""
        if self.kind == "ocular":
            return f"component {self.index} (eyes, correlation {self.measure:.2f})"
        return f"component {self.index} (muscle, {self.measure:.0f} dB above the median component at 30 to 45 Hz)"


@dataclass(frozen=True, eq=False)
class Removal:
    """EEG (n_channels, n_samples) without its artefacts, what went, and what was done otherwise, or could not be."""

    eeg: Array
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()

    def count(self, kind: str) -> int:
        """How many components of a kind went."""
        return sum(item.kind == kind for item in self.dropped)


def remove_artefacts(eeg: Array, names: Sequence[str], eog: Array, sampling: Sampling, seed: int) -> Removal:
    """Take blinks, eye movements and muscles out of the EEG by independent components (extended Infomax by Picard).

    Eyes: a component whose time course follows an EOG channel or the mean of the frontmost sites (1 to 10 Hz) with an
    absolute correlation of at least 0.6 and comes in peaks (excess kurtosis of 2 or more); at most two go.
    Muscles: a component with a flat spectrum (its power from 30 to 45 Hz is at most 3 dB below that of 7 to 15 and of
    15 to 30 Hz) that brings 5 dB more power from 30 to 45 Hz into the channels than the median component does; at most
    a quarter go. Both must hold: noise of the amplifier is flat too, but the same in all components.

    Components need 20 samples (at about 100 Hz) for each of their weights. Where there are fewer than all channels'
    would need, the strongest principal components are unmixed, as many as the samples allow. Where not even 8 are, or
    the channels are fewer, blinks go by regression (`_without_blinks`).

    Parameters
    ----------
    eeg : (n_channels, n_samples) float64
        Band-passed EEG of good channels, volts.
    names : sequence of str
        As from `standard_names`.
    eog : (n_eog, n_samples) float64
        May have no rows.
    sampling : Sampling
        No filter runs across its joints.
    seed : int

    Notes
    -----
    The flat spectrum of scalp muscles: Muthukumaraswamy 2013, "High-frequency brain activity and muscle artifacts in
    MEG/EEG", Front. Hum. Neurosci. 7:138. The scores of
    ``mne``'s ``find_bads_muscle`` are sums over the sites, made for dense caps, and mean nothing at 16 sites.
    """
    front, rate = _front(names), sampling.rate
    step = max(1, int(rate // _ICA_RATE))
    allowed = int(np.sqrt(eeg.shape[1] / (step * _SAMPLES_PER_WEIGHT)))
    band = usable_band(Band(1.0, 40.0), rate)
    eyes = np.concatenate([eog, eeg[front].mean(axis=0, keepdims=True)]) if front else eog
    if len(eeg) < MINIMUM_FOR_REFERENCE:
        return _without_blinks(eeg, eyes, sampling, f"{len(eeg)} EEG channels are too few for ICA")
    needs = f"ICA of {len(eeg)} channels needs {_SAMPLES_PER_WEIGHT * len(eeg) ** 2 * step / rate:.0f} s"
    if band is None or allowed < _FEWEST_COMPONENTS:
        return _without_blinks(eeg, eyes, sampling, needs)
    whole = as_raw(eeg, names, rate)
    raw = as_raw(clean_band(eeg, rate, band, (), sampling.joints), names, rate)
    notes = []
    n_components = None
    if allowed < len(eeg):
        n_components = min(allowed, int(np.linalg.matrix_rank(np.cov(raw.get_data()), hermitian=True)))
        notes.append(f"{needs}: it was done on the {n_components} strongest principal components")
    ica = _unmixed(raw, n_components, step, seed)
    dropped: list[Dropped] = []
    if len(eyes):
        slow = clean_band(eyes, rate, Band(1.0, 10.0), (), sampling.joints)
        dropped += _ocular(ica.get_sources(raw).get_data(), slow)
    else:
        notes.append(f"ocular artefacts are left in: {_NO_EYES}")
    taken = {item.index for item in dropped}
    found = _muscles(ica.get_sources(whole).get_data(), ica.get_components(), sampling)
    dropped += [item for item in found if item.index not in taken]
    cleaned: Array = ica.apply(whole, exclude=[item.index for item in dropped], verbose="error").get_data()
    return Removal(cleaned, tuple(dropped), tuple(notes))


def _unmixed(raw: Any, n_components: int | None, step: int, seed: int) -> ICA:
    ica = ICA(n_components, method="picard", fit_params={"ortho": False, "extended": True}, random_state=seed,
              max_iter=300, verbose="error")  # fmt: skip
    with warnings.catch_warnings():
        # an unmixing that is not converged to the last digit still separates blinks
        warnings.filterwarnings("ignore", message=".*did not converge.*")
        ica.fit(raw, decim=step, verbose="error")
    return ica


def _without_blinks(eeg: Array, eyes: Array, sampling: Sampling, why: str) -> Removal:
    """EEG less what follows the slow activity (0.5 to 7 Hz) of the eyes, by linear regression.

    Parameters
    ----------
    eeg : (n_channels, n_samples) float64
    eyes : (n, n_samples) float64
        EOG channels, and the mean of the frontmost sites. Only those count whose slow activity comes in peaks.
    sampling : Sampling
    why : str
        Why there is no ICA.

    Notes
    -----
    Gratton et al. 1983, "A new method for off-line removal of ocular artifact"; Croft and Barry 2000, "Removal of
    ocular artifact from the EEG: a review". What is slow and frontal of the brain goes with the blinks, so that it is
    only done where there are any; alpha and faster rhythms stay as they are.
    """
    left_in = f"eye and muscle artefacts are left in: {why}"
    if not len(eyes):
        return Removal(eeg, notes=(f"{left_in}, and {_NO_EYES}",))
    rate, joints = sampling.rate, sampling.joints
    slow = clean_band(eyes, rate, _BLINKS, (), joints)
    slow = slow[kurtosis(slow, axis=1) >= _OCULAR_KURTOSIS]
    if not len(slow):
        return Removal(eeg, notes=(f"{left_in}; there are no blinks to take out by regression",))
    with mne.use_log_level("error"):
        fitted = EOGRegression().fit(_with_eyes(clean_band(eeg, rate, _BLINKS, (), joints), slow, rate))
        cleaned = fitted.apply(_with_eyes(eeg, slow, rate), copy=False).get_data(picks="eeg")
    note = (
        f"blinks were taken out of the EEG by regression on the eyes' {_BLINKS.low:g} to {_BLINKS.high:g} Hz, and slow "
        f"frontal activity with them; muscle artefacts are left in: {why}"
    )
    return Removal(cleaned, notes=(note,))


def _with_eyes(eeg: Array, eyes: Array, rate: float) -> Any:
    """EEG and EOG as mne holds them, with a reference that is taken as it is."""
    info = mne.create_info(len(eeg) + len(eyes), rate, ["eeg"] * len(eeg) + ["eog"] * len(eyes))
    return mne.io.RawArray(np.concatenate([eeg, eyes]), info).set_eeg_reference([])


def _front(names: Sequence[str]) -> list[int]:
    """Indices of the frontmost EEG sites: prefrontal ones, else the frontal row."""
    numbered = numbered_electrodes(names)
    for pattern in (r"(fp|af)(z|\d+)h?", r"f(z|\d)"):
        found = [i for i, name in enumerate(names) if name not in numbered and re.fullmatch(pattern, name.lower())]
        if found:
            return found
    return []


def _ocular(sources: Array, eyes: Array) -> list[Dropped]:
    correlation = np.abs(np.corrcoef(sources, eyes)[: len(sources), len(sources) :]).max(axis=1)
    peaked = kurtosis(sources, axis=1) >= _OCULAR_KURTOSIS
    order = np.argsort(-correlation)
    chosen = [int(i) for i in order if correlation[i] >= _OCULAR_CORRELATION and peaked[i]][:_MOST_OCULAR]
    return [Dropped(i, "ocular", float(correlation[i])) for i in chosen]


def _muscles(sources: Array, topographies: Array, sampling: Sampling) -> list[Dropped]:
    """Components (rows of ``sources``, columns of ``topographies``) of muscles, the loudest first."""
    rate = sampling.rate
    if usable_band(Band(1.0, _MUSCLE_BAND[1]), rate) != Band(1.0, _MUSCLE_BAND[1]):
        return []
    frequencies, power = power_spectrum(sources, rate, round(2 * rate), sampling.joints)

    def level(low: float, high: float) -> Array:
        inside = (frequencies >= low) & (frequencies < high)
        return np.asarray(10 * np.log10(np.median(power[:, inside], axis=1) + np.finfo(np.float64).tiny))

    upper = level(*_MUSCLE_BAND)
    flat = upper - np.max([level(*band) for band in _LOWER_BANDS], axis=0)
    loud = upper + 10 * np.log10((topographies**2).sum(axis=0))
    loud = loud - np.median(loud)
    order = np.argsort(-loud)
    chosen = [int(i) for i in order if flat[i] >= _MUSCLE_FLAT_DB and loud[i] >= _MUSCLE_LOUD_DB]
    return [Dropped(i, "muscle", float(loud[i])) for i in chosen[: int(_MOST_MUSCLE * len(sources))]]
