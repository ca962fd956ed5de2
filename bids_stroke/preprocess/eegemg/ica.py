"""Eyes and muscles taken out of the EEG by independent components, each with the reason why it went."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mne.preprocessing import ICA
from scipy.stats import kurtosis

from bids_stroke.core.channels import numbered_electrodes
from bids_stroke.preprocess.eegemg.montage import MINIMUM_FOR_REFERENCE, as_raw
from bids_stroke.preprocess.eegemg.signals import Array, Band, clean_band, power_spectrum, usable_band

_SAMPLES_PER_WEIGHT = 20
_ICA_RATE = 100.0
_OCULAR_CORRELATION, _OCULAR_KURTOSIS, _MOST_OCULAR = 0.6, 2.0, 2
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
    """EEG (n_channels, n_samples) without its artefacts, what went, and what could not be tried (empty otherwise)."""

    eeg: Array
    dropped: tuple[Dropped, ...] = ()
    skipped: str = ""

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
    needed = _SAMPLES_PER_WEIGHT * len(eeg) ** 2 * step / rate
    band = usable_band(Band(1.0, 40.0), rate)
    if len(eeg) < MINIMUM_FOR_REFERENCE:
        return Removal(
            eeg, skipped=f"eye and muscle artefacts are left in: {len(eeg)} EEG channels are too few for ICA"
        )
    if eeg.shape[1] / rate < needed or band is None:
        what = f"ICA of {len(eeg)} channels needs {needed:.0f} s"
        return Removal(eeg, skipped=f"eye and muscle artefacts are left in: {what}")
    raw = as_raw(clean_band(eeg, rate, band, (), sampling.joints), names, rate)
    ica = ICA(method="picard", fit_params={"ortho": False, "extended": True}, random_state=seed, max_iter=300,
              verbose="error")  # fmt: skip
    with warnings.catch_warnings():
        # an unmixing that is not converged to the last digit still separates blinks
        warnings.filterwarnings("ignore", message=".*did not converge.*")
        ica.fit(raw, decim=step, verbose="error")
    dropped: list[Dropped] = []
    skipped = ""
    if len(eog) or front:
        eyes = np.concatenate([eog, eeg[front].mean(axis=0, keepdims=True)]) if front else eog
        slow = clean_band(eyes, rate, Band(1.0, 10.0), (), sampling.joints)
        dropped += _ocular(ica.get_sources(raw).get_data(), slow)
    else:
        skipped = "ocular artefacts are left in: there is neither an EOG nor a frontal channel"
    whole = as_raw(eeg, names, rate)
    taken = {item.index for item in dropped}
    found = _muscles(ica.get_sources(whole).get_data(), ica.get_components(), sampling)
    dropped += [item for item in found if item.index not in taken]
    cleaned: Array = ica.apply(whole, exclude=[item.index for item in dropped], verbose="error").get_data()
    return Removal(cleaned, tuple(dropped), skipped)


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
