"""The registry of modalities: a record for all that the app measures, and for each kind of raw file that it looks for.

A new modality is a record in MODALITIES, and one in QUERIES where its raw files are of a kind that nothing else reads;
CONTRIBUTING names what it needs besides. Everything that lists modalities looks here at the time when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

Sample = Literal["volume", "slice", "window", "row", "numbers", "none"]
"""One sample of a network: a 3D map, an axial slice, a window of a time series, a row of a table, what other members
make of theirs, or no image at all."""
CLINICAL = "clinical"
"""What a member reads that has no image: covariates only. Every unit with any covariate has it."""
EARLY = "early_fusion"
"""Name, and for want of one the modality, of the regression on the numbers of several members together."""
BIOMARKERS = "biomarkers"
"""Established numbers of all that is measured, and the step that makes them of what the other steps gave."""
MAPS = "maps"
"""Step that takes ready maps, of whatever modality has a `StandardMap`."""
EVERY_TASK = "*"
_NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Query:
    """One kind of raw file: a key of ``--bids-filter-file``.

    Parameters
    ----------
    suffix : str
        In BIDS names.
    extensions : tuple of str
        With the leading dot.
    datatype : str
        Its folder; empty: any folder of a datatype.
    task : str or None
        Of several tasks the one that is read unless ``--task-label`` asks for others, or EVERY_TASK; None for files
        without a task.
    companions : tuple of str
        Extensions of the files that must lie beside it.
    keys : tuple of str
        What its sidecar must tell.
    """

    suffix: str
    extensions: tuple[str, ...] = _NIFTI
    datatype: str = ""
    task: str | None = None
    companions: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


QUERIES: Mapping[str, Query] = {
    "t1w": Query("T1w", datatype="anat"),
    "dwi": Query("dwi", datatype="dwi", companions=(".bval", ".bvec")),
    "bold": Query("bold", datatype="func", task="rest", keys=("RepetitionTime",)),
    "eeg": Query("eeg", (".vhdr", ".edf", ".bdf", ".set"), "eeg", task=EVERY_TASK, keys=("PowerLineFrequency",)),
    "emg": Query("emg", (".edf", ".bdf"), task=EVERY_TASK, keys=("PowerLineFrequency",)),
    "epi": Query("epi", datatype="fmap"),
}
"""What is looked for in the raw data, by the key of ``Session.raw``."""


@dataclass(frozen=True)
class StandardMap:
    """A map in standard space that ``--derivatives`` can give: its name, and the values that it can have.

    It is written under the role ``external_<modality>`` of `names.UNIT_FILES`; tissues share one, tensor maps too.

    Parameters
    ----------
    name : str
        Pattern of its name after the space, without extension; capital and small letters are the same.
    median : (float, float)
        Between these the median of the positive voxels in the brain is plausible, in `unit`.
    highest : float
        Possible value, in `unit`.
    unit : str
        Empty for a share or another number without unit.
    fills_brain : bool
        Whether it has values all over the brain, so that one that covers less than half of it is suspicious.
    """

    name: str
    median: tuple[float, float]
    highest: float = 1.0
    unit: str = ""
    fills_brain: bool = True


@dataclass(frozen=True)
class Modality:
    """What is known of a modality wherever the app meets it.

    Parameters
    ----------
    name : str
        In ``--modalities``, in settings, in bundles.
    words : str
        Its name in the reports.
    step : str
        Preprocessing step that computes it; empty for what is no modality of the data.
    queries : tuple of str
        Kinds of raw files (QUERIES) that are looked for where it is wanted, because it is computed from them.
    sample : str
        What one sample of it is: the `NetworkSpec.kind` of the networks that read it.
    network : str
        What reads it where the settings name no network.
    scale : float
        A network reads its maps times this, so that values are near 1.
    is_mask : bool
        Whether its values are shares of a voxel: at another scale they would mean something else.
    standard_map : StandardMap or None
        None where ``--derivatives`` cannot give it as a map in standard space.
    """

    name: str
    words: str
    step: str = ""
    queries: tuple[str, ...] = ()
    sample: Sample = "volume"
    network: str = "cbam_resnet3d"
    scale: float = 1.0
    is_mask: bool = False
    standard_map: StandardMap | None = None

    @property
    def counted_as(self) -> str:
        """Key under which the prediction's JSON says how many samples a member read; empty where there is one."""
        return f"n_{self.sample}s" if self.sample in ("slice", "window") else ""


def _tensor(param: str, **values: Any) -> StandardMap:
    return StandardMap(rf"param-{param}_(?:.*_)?dwimap", **values)


def _diffusivity(param: str) -> StandardMap:
    return _tensor(param, median=(1e-4, 5e-3), highest=inf, unit="mm^2/s")


def _tissue(label: str) -> StandardMap:
    """Intensity of the T1w inside a tissue, or the tissue's probability: both from 0 to 1."""
    return StandardMap(rf"label-{label}_(?:probseg|desc-intensity_T1w)", (0.0, 1.0), fills_brain=False)


_DWI = ("dwi", "t1w", "epi")

MODALITIES: Mapping[str, Modality] = {
    modality.name: modality
    for modality in (
        Modality("fa", "fractional anisotropy (DWI)", "dwi", _DWI, standard_map=_tensor("fa", median=(0.05, 0.8))),
        Modality("md", "mean diffusivity (DWI)", "dwi", _DWI, scale=1000.0, standard_map=_diffusivity("md")),
        Modality("rd", "radial diffusivity (DWI)", "dwi", _DWI, scale=1000.0, standard_map=_diffusivity("rd")),
        Modality("ad", "axial diffusivity (DWI)", "dwi", _DWI, scale=1000.0, standard_map=_diffusivity("ad")),
        Modality("gm", "grey matter (T1w)", "anat", ("t1w",), standard_map=_tissue("gm")),
        Modality("wm", "white matter (T1w)", "anat", ("t1w",), standard_map=_tissue("wm")),
        Modality("lesion", "lesion mask", "lesion", ("t1w",), is_mask=True),
        Modality("bold", "resting-state BOLD", "bold", ("bold", "t1w"), sample="slice", network="slice_cnn"),
        Modality("eegemg", "EEG and EMG", "eegemg", ("eeg", "emg"), sample="window", network="lstm"),
    )
}
"""All that is measured, in the order in which it is listed everywhere."""

NOT_MEASURED: Mapping[str, Modality] = {
    CLINICAL: Modality(CLINICAL, "age, sex, time since stroke, first score", sample="none", network="covariates"),
    BIOMARKERS: Modality(BIOMARKERS, "established biomarkers", BIOMARKERS, sample="row", network=BIOMARKERS),
    EARLY: Modality(EARLY, "numbers of several modalities together", sample="numbers", network=EARLY),
}
"""What members read that is no measurement of its own: it cannot be asked for in ``--modalities``."""


def record_of(name: str) -> Modality:
    """The record of what a member reads: of a modality, or of CLINICAL or EARLY; KeyError for anything else.

    >>> record_of("bold").counted_as
    'n_slices'
    """
    return MODALITIES[name] if name in MODALITIES else NOT_MEASURED[name]


def given_by(step: str) -> tuple[str, ...]:
    """Names of the modalities that a preprocessing step can give.

    >>> given_by("anat")
    ('gm', 'wm')
    """
    if step == MAPS:
        return tuple([name for name, modality in MODALITIES.items() if modality.standard_map])
    known = {**MODALITIES, **NOT_MEASURED}
    return tuple([name for name, modality in known.items() if modality.step == step])
