"""What can be chosen about a synthetic cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bids_stroke.core.errors import UsageError

MODALITIES: tuple[str, ...] = ("dwi", "bold", "eegemg", "lesion")
"""What a simulated person may lack. The T1w image is always there."""

EmgLayout = Literal["eeg", "emg", "mixed"]


@dataclass(frozen=True)
class Resolution:
    """Sizes of everything that is acquired.

    Attributes
    ----------
    t1w_mm, dwi_mm, bold_mm : float
        Isotropic voxel sizes in mm.
    t1w_shape, dwi_shape, bold_shape : tuple of int
        Image grids.
    n_b0, n_directions : int
        Volumes without and with diffusion weighting (b = 1000 s/mm^2).
    n_volumes : int
        BOLD volumes, TR 2 s.
    sampling_rate : float
        EEG and EMG, Hz.
    duration : float
        EEG and EMG, seconds.
    template_mm : float
        Grid on which the template's tissues are held.
    """

    t1w_mm: float
    t1w_shape: tuple[int, int, int]
    dwi_mm: float
    dwi_shape: tuple[int, int, int]
    bold_mm: float
    bold_shape: tuple[int, int, int]
    n_b0: int
    n_directions: int
    n_volumes: int
    sampling_rate: float
    duration: float
    template_mm: int = 2


RESOLUTIONS: Mapping[str, Resolution] = {
    "coarse": Resolution(4.0, (45, 56, 52), 6.0, (28, 34, 28), 7.0, (24, 29, 24), 1, 12, 30, 250.0, 40.0),
    "example": Resolution(2.5, (72, 88, 84), 4.0, (40, 50, 42), 6.0, (28, 34, 28), 2, 16, 48, 250.0, 100.0),
    "full": Resolution(1.0, (180, 220, 210), 2.5, (96, 96, 60), 4.2, (64, 64, 35), 5, 60, 120, 1000.0, 540.0, 1),
}  # fmt: skip
"""Sizes by name: ``coarse`` for tests, ``example`` for the dataset in the repository, ``full`` as in the clinic."""


@dataclass(frozen=True)
class Weights:
    """Causal weights of the three-month FMA-LE, per standard deviation of the cause; all 0 is a null cohort.

    ``lesion_load`` (corticospinal tract destroyed) and ``age`` worsen it, ``coupling`` (cortico-muscular) improves it.
    """

    lesion_load: float = 1.0
    age: float = 0.3
    coupling: float = 0.7


@dataclass(frozen=True)
class CohortOptions:
    """A synthetic cohort; the same options give the same bytes.

    Parameters
    ----------
    n_subjects : int
        People.
    seed : int
        Seed of everything random.
    resolution : str
        A name in RESOLUTIONS.
    weights : Weights
        What the outcome depends on.
    missing_rate : mapping of str to float
        Share of the people who lack a modality (a name in MODALITIES), 0-1; the number is rounded, not drawn.
    emg_layout : {"eeg", "emg", "mixed"}
        EMG as channels of the EEG file, as a file of its own under ``emg/``, or by turns.
    two_sessions : float
        Share of the people with a second session about three months later.

    Raises
    ------
    UsageError
        If a value is out of its range.
    """

    n_subjects: int = 6
    seed: int = 0
    resolution: str = "coarse"
    weights: Weights = field(default_factory=Weights)
    missing_rate: Mapping[str, float] = field(default_factory=dict)
    emg_layout: EmgLayout = "eeg"
    two_sessions: float = 0.0

    def __post_init__(self) -> None:
        if self.n_subjects < 1:
            raise UsageError(f"n_subjects is {self.n_subjects}.", "Give at least 1.")
        if self.seed < 0:
            raise UsageError(f"seed is {self.seed}.", "Give 0 or more.")
        if self.resolution not in RESOLUTIONS:
            raise UsageError(f"Unknown resolution {self.resolution!r}.", f"Use one of {', '.join(RESOLUTIONS)}.")
        if self.emg_layout not in ("eeg", "emg", "mixed"):
            raise UsageError(f"Unknown emg_layout {self.emg_layout!r}.", "Use eeg, emg or mixed.")
        unknown = sorted(set(self.missing_rate) - set(MODALITIES))
        if unknown:
            raise UsageError(f"missing_rate names {unknown}.", f"Use {', '.join(MODALITIES)}.")
        for name, rate in {**self.missing_rate, "two_sessions": self.two_sessions}.items():
            if not 0 <= rate <= 1:
                raise UsageError(f"The rate of {name} is {rate}.", "Give a number from 0 to 1.")

    @property
    def sizes(self) -> Resolution:
        """The chosen sizes."""
        return RESOLUTIONS[self.resolution]
