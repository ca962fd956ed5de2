"""How the clock of a separate EMG recorder runs against the EEG's, seen from the events that both have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import theilslopes

Array = NDArray[np.float64]
_FEWEST_EVENTS = 4
_SHORTEST_SPAN_S = 20.0
_LARGEST_SCATTER_S = 0.05
_LARGEST_DRIFT = 1e-3
"""Clocks of recorders are far better than 0.1 %: beyond it the events are not the same ones."""
_ACQ_TIME_STEP_S = 1.0
"""Start times are often written in whole seconds."""


@dataclass(frozen=True)
class Clock:
    """Time on the EEG's clock = offset + ratio * time on the EMG's.

    Attributes
    ----------
    offset : float
        Start of the EMG on the clock of the EEG, seconds.
    ratio : float
        1 where no drift is known.
    note : str
        What to say about it; may be empty.
    """

    offset: float
    ratio: float = 1.0
    note: str = ""

    @property
    def ppm(self) -> float:
        """Drift in millionths: positive where the EMG's clock is slow."""
        return (self.ratio - 1.0) * 1e6


def match_clocks(
    eeg: pd.DataFrame | None, emg: pd.DataFrame | None, start: float | None, names: tuple[str, str] = ("EEG", "EMG")
) -> Clock:
    """Fit the EMG's clock to the EEG's.

    The same sequence of events in both tables gives offset and drift (Theil-Sen line, so that single late triggers do
    no harm). A drift counts when it exceeds its uncertainty and shifts the end of the events by a millisecond.

    Parameters
    ----------
    eeg, emg : DataFrame or None
        Events of either file with ``onset`` in seconds from its own start; None if there are none of its own.
    start : float or None
        Start of the EMG after the EEG by acq_time, seconds.
    names : tuple of str
        What the two are called in the note.
    """
    one, other = names
    starts = f"the {other} starts"
    said = "" if start is None or not start else f"{starts} {start:g} s after the {one} (acq_time)"
    common = _common(eeg, emg)
    if common is None:
        note = said or ("no acq_time in scans.tsv; a common start is assumed" if start is None else "")
        unknown = f"no events common to {one} and {other}; drift of their clocks is not known"
        return Clock(start or 0.0, note="; ".join(text for text in (note, unknown) if text))
    times, heard = common
    slope, offset, low, high = theilslopes(heard, times)
    scatter = float(np.median(np.abs(heard - offset - slope * times)))
    if scatter > _LARGEST_SCATTER_S or abs(slope - 1) > _LARGEST_DRIFT:
        why = f"the events of {one} and {other} do not fit together (scatter {scatter * 1e3:.0f} ms, ratio {slope:.5f})"
        return Clock(start or 0.0, note=f"{why}; {said or 'a common start is assumed'}")
    certain = (low > 1 or high < 1) and abs(slope - 1) * float(np.ptp(times)) >= 1e-3
    ratio = float(slope) if certain else 1.0
    offset = float(offset) if certain else float(np.median(heard - times))
    if start is not None and abs(offset - start) > _ACQ_TIME_STEP_S:
        why = f"acq_time says that {starts} {start:g} s after the {one}, {len(times)} common events {offset:.3g} s"
        return Clock(start, ratio, f"{why}; acq_time is used")
    found = Clock(offset, ratio)
    if abs(offset) < 5e-4 and not certain:
        return Clock(0.0)
    drift = f"drift {found.ppm:.0f} ppm" if certain else "no drift"
    return Clock(offset, ratio, f"{starts} {offset:.3f} s after the {one}, {drift} ({len(times)} common events)")


def _common(eeg: pd.DataFrame | None, emg: pd.DataFrame | None) -> tuple[Array, Array] | None:
    """Onsets (n,) of the same events on the EMG's and on the EEG's clock; None if the tables differ in their events."""
    if eeg is None or emg is None:
        return None
    tables = [_clear(table) for table in (emg, eeg)]
    kinds = [table["trial_type"].tolist() for table in tables]
    if kinds[0] != kinds[1] or len(kinds[0]) < _FEWEST_EVENTS:
        return None
    times, heard = (table["onset"].to_numpy(dtype=np.float64) for table in tables)
    return (times, heard) if np.ptp(times) >= _SHORTEST_SPAN_S else None


def _clear(table: pd.DataFrame) -> pd.DataFrame:
    """Events with a known onset, in their order."""
    onset = pd.to_numeric(table["onset"], errors="coerce") if "onset" in table else pd.Series(dtype=float)
    kind = table["trial_type"].astype(str) if "trial_type" in table else pd.Series("n/a", index=onset.index)
    return pd.DataFrame({"onset": onset, "trial_type": kind}).dropna().sort_values("onset", kind="stable")
