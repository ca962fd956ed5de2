"""Settings (they change results and are hashed) and Execution (they do not)."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.records import MODALITIES


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    def digest(self) -> str:
        """sha256 of the values, independent of their order."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _check_band(low: float, high: float, name: str) -> None:
    if low >= high:
        raise ValueError(f"{name} ({low:g} Hz) must be below {name.replace('high', 'low')} ({high:g} Hz)")


class AnatSettings(_Frozen):
    """T1w: bias field, brain, tissues, registration to the standard grid."""

    several: Literal["best", "average"] = "best"
    """Of several T1w: the one with the smallest voxels, or its average with those of equal voxel size and contrast."""
    bias_shrink: Annotated[int, Field(ge=1, le=8)] = 3
    """N4 shrink factor."""
    lesion_handling: Literal["fill", "mask", "none"] = "fill"
    """In registration: mirror the healthy side into the lesion, mask the cost function, or ignore the lesion."""


class DwiSettings(_Frozen):
    """DWI: tensor maps."""

    b0_threshold: Annotated[float, Field(ge=0, le=100)] = 50.0
    """Volumes with b at most this (s/mm^2) count as b=0."""
    max_b: Annotated[float, Field(ge=500)] = 1500.0
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


class BoldSettings(_Frozen):
    """Resting-state fMRI."""

    high_pass: Annotated[float, Field(gt=0)] = 0.01
    """Hz."""
    low_pass: Annotated[float, Field(gt=0)] = 0.1
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


class EegEmgSettings(_Frozen):
    """EEG and EMG."""

    high_pass: Annotated[float, Field(gt=0)] = 0.5
    """Hz."""
    low_pass: Annotated[float, Field(gt=0)] = 150.0
    """Hz, cut at 0.9 of Nyquist."""
    emg_high_pass: Annotated[float, Field(gt=0)] = 20.0
    """Hz."""
    emg_low_pass: Annotated[float, Field(gt=0)] = 450.0
    """Hz, cut at 0.9 of Nyquist."""
    eeg_max_uv: Annotated[float, Field(gt=0)] = 300.0
    """Peak-to-peak amplitude of an EEG channel above which it is an artefact within a window."""
    emg_max_uv: Annotated[float, Field(gt=0)] = 20000.0
    """The same for EMG."""
    window_seconds: Annotated[float, Field(gt=0)] = 10.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_band(self.high_pass, self.low_pass, "high_pass")
        _check_band(self.emg_high_pass, self.emg_low_pass, "emg_high_pass")
        return self


class AugmentSettings(_Frozen):
    """Small random changes of the training samples, others in each epoch; ``augment: false`` for none."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 15.0
    """Degrees at most: about each axis of a map, in the plane of a slice."""
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.03
    """Share of a side at most, along each axis of a map or slice."""
    flip: bool = False
    """Left and right of maps and slices exchanged at random: for outcomes that mean the same on either side, and not
    with ``lesion_side: normalise``."""
    intensity: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Maps are scaled by so much at most, and slices brightened by so many standard deviations; lesion masks never."""
    noise: Annotated[float, Field(ge=0)] = 0.05
    """Standard deviation of white noise in windows of EEG and EMG, which have one of 1."""


class TrainingSettings(_Frozen):
    """How ``train`` fits and evaluates the ensemble."""

    split: Literal["nested", "fixed"] = "nested"
    """``fixed``: 70 % of the participants to train on, 15 % to stop, fuse and calibrate on, 15 % to test on, once, and
    the ensemble that was tested is the one that is kept; folds and repeats then do not count."""
    outer_folds: Annotated[int, Field(ge=2)] = 5
    inner_folds: Annotated[int, Field(ge=2)] = 3
    repeats: Annotated[int, Field(ge=1)] = 1
    epochs: Annotated[int, Field(ge=1)] = 100
    patience: Annotated[int, Field(ge=1)] = 15
    batch_size: Annotated[int, Field(ge=1)] = 8
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    """Of the learning rate: falling to 0 over ``epochs`` as a cosine, or halved where the training loss has not fallen
    for five epochs."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-5
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")] = "ensemble"
    """Of the model: its folder under ``models/``."""
    samples_per_epoch: Annotated[int, Field(ge=1)] = 8
    """Slices or windows drawn from each unit in each epoch."""
    score_weight: Annotated[float, Field(ge=0)] = 0.5
    """Share of the loss of the continuous score beside that of good and poor."""
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient."""
    coverage: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    """Of the conformal sets behind poor, good and abstain."""
    members: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Member name -> {modality, network, inputs (options of the reader), training (epochs, patience, batch_size,
    learning_rate, schedule, weight_decay, samples_per_epoch of this member), and the network's own arguments}; empty:
    one network per modality, one member on covariates only (modality: clinical), and directly fitted ones (network:
    regions on a map, band_power and coherence on eegemg; n_trees above 0: boosted trees, not linear functions)."""
    early_fusion: bool | tuple[str, ...] = True
    """Of directly fitted members: one regression on the numbers of several together, which the fusion weighs beside the
    members. true: of the linear ones on images or recordings whose modality at least half of the people have; a list:
    of the members it names; false: none. Left out where fewer than two are there."""
    bootstrap: Annotated[int, Field(ge=100)] = 2000
    permutations: Annotated[int, Field(ge=100)] = 1000
    demonstration: bool = False
    """Marks the bundle: every output made with it says that it is only a demonstration."""
    augment: AugmentSettings = AugmentSettings()

    @field_validator("augment", mode="before")
    @classmethod
    def _augment_or_not(cls, value: object) -> object:
        if value is False:
            return AugmentSettings(rotation=0, shift=0, intensity=0, noise=0)
        return AugmentSettings() if value is True else value


class Outcome(_Frozen):
    """What counts as a poor outcome: column and rule in one, ``fma_le<=17``."""

    column: str
    operator: Literal["<=", "<", ">=", ">"]
    threshold: float

    @classmethod
    def parse(cls, text: str) -> Outcome:
        """Read ``fma_le<=17``; UsageError if it is not of that form."""
        match = re.fullmatch(r"\s*([A-Za-z]\w*)\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)\s*", text)
        if match is None:
            raise UsageError(f"--outcome {text!r} is not a rule.", "Write COLUMN<=NUMBER, for example 'fma_le<=17'.")
        return cls(column=match[1], operator=match[2], threshold=float(match[3]))  # type: ignore[arg-type]

    def is_poor(self, value: float) -> bool:
        """Whether a score counts as a poor outcome."""
        compare = {"<=": value <= self.threshold, "<": value < self.threshold}
        compare |= {">=": value >= self.threshold, ">": value > self.threshold}
        return compare[self.operator]

    def __str__(self) -> str:
        return f"{self.column}{self.operator}{self.threshold:g}"


class Settings(_Frozen):
    """Everything that changes results."""

    modalities: tuple[str, ...] = MODALITIES
    outcome: Outcome = Outcome(column="fma_le", operator="<=", threshold=17)
    seed: Annotated[int, Field(ge=0)] = 0
    precision: Literal["fp32", "bf16"] = "fp32"
    lesion_side: Literal["as-is", "normalise"] = "as-is"
    """``normalise``: the affected hemisphere is put on the left in standard space; ``as-is``: nothing is flipped."""
    anat: AnatSettings = AnatSettings()
    dwi: DwiSettings = DwiSettings()
    bold: BoldSettings = BoldSettings()
    eegemg: EegEmgSettings = EegEmgSettings()
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _one_side_or_both(self) -> Self:
        if self.training.augment.flip and self.lesion_side == "normalise":
            raise ValueError("training.augment.flip exchanges the sides that lesion_side: normalise puts in order")
        return self


class Execution(_Frozen):
    """Where, how many, how loud: nothing here is meant to change results.

    Sums in another order can change last digits: with other ``omp_nthreads`` or on another device, weights and
    probabilities agree closely, not to the last bit.
    """

    work_dir: Path | None = None
    nprocs: Annotated[int, Field(ge=1)] | None = None
    """None: by the CPUs and memory that are there."""
    omp_nthreads: Annotated[int, Field(ge=1)] = 1
    mem_gb: float | None = None
    device: str = "auto"
    stop_on_first_crash: bool = False
    force: bool = False
    verbosity: int = 0


def load_settings(config: Path | None, **options: Any) -> Settings:
    """Settings from a YAML file (``--config``), with command-line options on top.

    Raises
    ------
    InputError
        The file is missing or not YAML.
    UsageError
        A key or value that is not known, named with its place.
    """
    values: dict[str, Any] = {}
    if config is not None:
        try:
            values = yaml.safe_load(config.read_text()) or {}
        except OSError as error:
            raise InputError(f"--config {config} cannot be read: {error.strerror}.", "Check the path.") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UsageError(f"--config {config} is not YAML: {error}.", "Correct the file.") from error
        if not isinstance(values, dict):
            raise UsageError(f"--config {config} holds no mapping of settings.", "Write 'key: value' lines.")
        if isinstance(values.get("outcome"), str):
            values["outcome"] = Outcome.parse(values["outcome"])
    unknown = [name for name in values.get("modalities") or () if name not in MODALITIES]
    if unknown:
        raise UsageError(f"Setting 'modalities' in --config {config}: '{unknown[0]}' is not known.",
                         f"Known: {' '.join(MODALITIES)}.")  # fmt: skip
    values |= {key: value for key, value in options.items() if value is not None}
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        source = f"--config {config}" if config else "the options"
        raise UsageError(f"Setting '{place}' in {source}: {first['msg']}.", "See docs/configuration.md.") from None


def describe_settings(section: BaseModel | None = None, indent: str = "") -> str:
    """All settings with their defaults and meaning, as a YAML file that ``--config`` reads."""
    section = section or Settings()
    lines = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, _Frozen) and not isinstance(value, Outcome):
            lines += [
                "",
                f"{indent}{name}:  # {(type(value).__doc__ or '').strip()}",
                describe_settings(value, indent + "  "),
            ]
            continue
        text = str(value) if isinstance(value, Outcome) else json.dumps(value)
        meaning = " ".join((field.description or "").split())
        lines.append(f"{indent}{name}: {text}" + (f"  # {meaning}" if meaning else ""))
    return "\n".join(lines)
