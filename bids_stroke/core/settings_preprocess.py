"""Settings of the preprocessing steps, one section a step."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bids_stroke.core.frozen import Frozen


def _check_band(low: float, high: float, name: str) -> None:
    if low >= high:
        raise ValueError(f"{name} ({low:g} Hz) must be below {name.replace('high', 'low')} ({high:g} Hz)")


class AnatSettings(Frozen):
    """T1w: bias field, brain, tissues, registration to the standard grid."""

    several: Literal["best", "average"] = "best"
    """Of several T1w: the best (see docs/inputs.md), or its average with those of equal voxel size and contrast."""
    bias_shrink: Annotated[int, Field(ge=1, le=8)] = 4
    """N4 shrink factor."""
    lesion_handling: Literal["fill", "mask", "none"] = "fill"
    """In registration: mirror the healthy side into the lesion, mask the cost function, or ignore the lesion."""


class DwiSettings(Frozen):
    """DWI: tensor maps."""

    b0_threshold: Annotated[float, Field(ge=0, le=100)] = 50.0
    """Volumes with b at most this (s/mm^2) count as b=0."""
    max_b: Annotated[float, Field(ge=500, le=100_000)] = 1500.0
    """Shells above this are left out of the tensor fit when the rest still has 6 directions."""
    denoise: bool = True
    """MP-PCA denoising, where there are enough volumes for it, then averaging of alike neighbours."""
    gibbs: Literal["auto", "on", "off"] = "auto"
    """Ringing removed by subvoxel shifts; ``auto``: where the sidecar excludes partial Fourier. Choose ``off`` where
    the scanner filtered the raw data: removal then only blurs."""
    motion: bool = True
    eddy: bool = True
    """Eddy currents, where the sidecar tells the phase encoding."""
    replace_outliers: bool = True
    """Slices that lost their signal are replaced by what the other volumes predict."""
    susceptibility: Literal["auto", "pair", "t1w", "none"] = "auto"
    """Field from opposite phase encodings, or from the T1w; ``auto``: what there is, the pair first."""
    bias: bool = True
    """Bias field (N4 on the mean at b=0) divided out of all volumes; FA and MD hardly depend on it."""
    fit: Literal["wls", "restore"] = "wls"
    """Weighted least squares, or robust estimation (slow)."""


class BoldSettings(Frozen):
    """Resting-state fMRI."""

    high_pass: Annotated[float, Field(ge=0.001, le=1)] = 0.01
    """Hz."""
    low_pass: Annotated[float, Field(gt=0, le=10)] = 0.1
    """Hz."""
    resolution: Annotated[float, Field(ge=2, le=6)] = 3.0
    """Voxel size (mm) of the maps in standard space."""
    slice_timing: bool = True
    """Bring the slices of a volume to one moment, where the sidecar has SliceTiming."""
    max_displacement: Annotated[float, Field(gt=0)] = 0.5
    """Mean framewise displacement (mm) above which a run is flagged."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_band(self.high_pass, self.low_pass, "high_pass")
        return self


class EegEmgSettings(Frozen):
    """EEG and EMG."""

    high_pass: Annotated[float, Field(ge=0.05, le=30)] = 0.5
    """Hz."""
    low_pass: Annotated[float, Field(ge=5, le=10_000)] = 150.0
    """Hz, cut at 0.9 of Nyquist."""
    emg_high_pass: Annotated[float, Field(ge=0.05, le=500)] = 20.0
    """Hz."""
    emg_low_pass: Annotated[float, Field(ge=5, le=10_000)] = 450.0
    """Hz, cut at 0.9 of Nyquist."""
    eeg_max_uv: Annotated[float, Field(gt=0)] = 300.0
    """Peak-to-peak amplitude of an EEG channel above which it is an artefact within a window."""
    emg_max_uv: Annotated[float, Field(gt=0)] = 20000.0
    """The same for EMG."""
    window_seconds: Annotated[float, Field(ge=1, le=600)] = 10.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_band(self.high_pass, self.low_pass, "high_pass")
        _check_band(self.emg_high_pass, self.emg_low_pass, "emg_high_pass")
        return self
