"""Cleaned signals as EDF files whose bytes depend on nothing but the signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from edfio import Edf, EdfSignal

from bids_stroke.preprocess.eegemg.signals import Array

_EDF_LABEL = 16


@dataclass(frozen=True)
class EdfHeader:
    """What an EDF file says of its signals.

    Attributes
    ----------
    labels : tuple of str
        As from `edf_labels`.
    rate : float
        Hz, a whole number.
    filters : str
        ``HP:0.5Hz LP:150Hz N:50Hz``.
    """

    labels: tuple[str, ...]
    rate: float
    filters: str


def edf_labels(names: Sequence[str]) -> list[str]:
    """Channel names as EDF can hold them: ASCII, at most 16 characters, none twice.

    Examples
    --------
    >>> edf_labels(["Cz", "proximal rectus femoris L", "proximal rectus femoris R"])
    ['Cz', 'proximal rectus ', 'proximal rectu~2']
    """
    labels: list[str] = []
    for name in names:
        label = name.encode("ascii", "replace").decode()[:_EDF_LABEL]
        count = 2
        while label in labels:
            mark = f"~{count}"
            label = label[: _EDF_LABEL - len(mark)] + mark
            count += 1
        labels.append(label)
    return labels


def write_edf(path: Path, data: Array, header: EdfHeader) -> None:
    """Write signals as EDF+ in microvolts, 16 bit over each channel's own symmetric range, without any date or name.

    Parameters
    ----------
    path : Path
    data : (n_channels, n_samples) float64
        Volts; a whole number of seconds.
    header : EdfHeader
    """
    signals = []
    for row, label in zip(data * 1e6, header.labels, strict=True):
        reach = max(float(np.ceil(np.abs(row).max())), 1.0)
        signals.append(
            EdfSignal(row, header.rate, label=label, physical_dimension="uV", physical_range=(-reach, reach),
                      digital_range=(-32767, 32767), prefiltering=header.filters)
        )  # fmt: skip
    Edf(signals).write(path)
