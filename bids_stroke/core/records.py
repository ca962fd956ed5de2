"""The frozen records that pass between stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SPACE = "MNI152NLin2009aSym"
"""Standard space: the exactly left-right symmetric ICBM 2009a template that nilearn carries."""

READY_ANAT = ("t1w", "brain_mask", "gm", "wm", "csf")
READY_DWI = ("dwi", "dwi_mask")
"""Roles of ready images, by the step that takes them."""
OTHER_KINDS = ("lesion", "maps", "ready_anat", "ready_dwi")
"""Kinds of files of a session that no query finds."""


def unit_prefix(subject: str, session: str | None) -> str:
    """How files of a unit begin: ``sub-01`` or ``sub-01_ses-02``."""
    return f"sub-{subject}" + (f"_ses-{session}" if session else "")


@dataclass(frozen=True, eq=False)
class BidsFile:
    """One data file of a BIDS dataset with its entities and (inherited) sidecar metadata."""

    path: Path
    entities: Mapping[str, str]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    uri: str = ""
    """BIDS URI for ``Sources``, e.g. ``bids:raw:sub-01/anat/sub-01_T1w.nii.gz``."""
    beside: Mapping[str, Path] = field(default_factory=dict)
    """Files that belong to a ready BOLD run, by role (``mask``, ``confounds``)."""

    def companion(self, extension: str) -> Path:
        """Path of the file beside this one with another extension (``.bval``)."""
        name = self.path.name
        stem = name[: -len(".nii.gz")] if name.endswith(".nii.gz") else self.path.stem
        return self.path.with_name(stem + extension)


@dataclass(frozen=True)
class Session:
    """What is on disk for one unit of work: a subject, or one session of a subject that has sessions."""

    subject: str
    session: str | None
    raw: Mapping[str, tuple[BidsFile, ...]] = field(default_factory=dict)
    """Raw files by query (``QUERIES``). BOLD runs of which ``--derivatives`` have ready ones (``role`` is ``bold``) are
    replaced by these; of ``epi`` only what tells the field in which the diffusion images were made."""
    lesion: tuple[BidsFile, ...] = ()
    """Lesion masks, raw or derived."""
    maps: Mapping[str, BidsFile] = field(default_factory=dict)
    """Ready feature maps in a standard space from ``--derivatives``, by modality."""
    ready: Mapping[str, BidsFile] = field(default_factory=dict)
    """Preprocessed images in the person's own space from ``--derivatives``, by role (``READY_ANAT``, ``READY_DWI``)."""
    covariates: Mapping[str, float | str] = field(default_factory=dict)
    """Columns of participants.tsv and sessions.tsv for this unit, in small letters; ``n/a`` is left out."""
    error: str = ""
    """Why the subject's files could not be listed; empty if they could."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Files of the subject that were found and are not used: name -> why."""
    not_fetched: frozenset[str] = frozenset()
    """Kinds of files (keys of ``raw``, ``lesion``) of which one is left out because its content is not here."""
    notes: tuple[str, ...] = ()
    """What should be said of tables and sidecars: which has no row of this unit, and what was forgiven to read them."""

    @property
    def prefix(self) -> str:
        """``sub-01`` or ``sub-01_ses-02``."""
        return unit_prefix(self.subject, self.session)

    @property
    def inputs(self) -> tuple[BidsFile, ...]:
        """Every data file of this unit."""
        raw = (item for items in self.raw.values() for item in items)
        return (*raw, *self.lesion, *self.maps.values(), *self.ready.values())

    def files(self, kind: str) -> tuple[BidsFile, ...]:
        """Files of one kind: one of OTHER_KINDS, or those of a query.

        Queries are not looked up here: every step imports this module, and must not run again for a new query.
        """
        if kind not in OTHER_KINDS:
            return self.raw.get(kind, ())
        if kind == "maps":
            return tuple(self.maps.values())
        files: tuple[BidsFile, ...] = getattr(self, kind)
        return files

    @property
    def ready_anat(self) -> tuple[BidsFile, ...]:
        """Ready files that replace what the step ``anat`` computes from a raw T1w."""
        return tuple(self.ready[role] for role in READY_ANAT if role in self.ready)

    @property
    def ready_dwi(self) -> tuple[BidsFile, ...]:
        """Ready files that replace the corrections of the step ``dwi``."""
        return tuple(self.ready[role] for role in READY_DWI if role in self.ready)


@dataclass(frozen=True)
class StepReport:
    """What one preprocessing step leaves besides its files. All of it is kept in the step's manifest (JSON)."""

    outputs: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    """Feature files by modality (``{"fa": (path,), ...}``): what features/readers.py reads."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Modalities that this step should give and could not: modality -> reason."""
    qc: Mapping[str, float] = field(default_factory=dict)
    """Quality numbers for the report."""
    warnings: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    """Other files that later steps or the report need, by role (``{"t1w_brain": path}``)."""


@dataclass(frozen=True)
class UnitStatus:
    """One row of logs/status.tsv."""

    subject: str
    session: str | None
    status: str
    """``done``, ``failed``, ``skipped`` (it was up to date), ``running`` or ``waiting``."""
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    model_sha256: str = ""
    missing: str = ""
    """Modalities that are not there, with the reason: ``fa md: no-dwi; lesion: no-lesion``."""
    left_out: str = ""
    """Files that were found and not used, with the reason."""
    warnings: str = ""
    """What the steps say of the unit's data, sentence by sentence: what in a file was not used, what was assumed."""

    @property
    def has_told(self) -> bool:
        """Whether the run came to its end with the unit: what it left, a prediction among it, is of this run."""
        return self.completed or (self.status == "failed" and bool(self.missing))

    @property
    def completed(self) -> bool:
        """Whether everything that was asked for is there."""
        return self.status in ("done", "skipped")


@dataclass(frozen=True)
class UnitFeatures:
    """Feature files of one unit with what is known of the person: the input of training and inference."""

    subject: str
    session: str | None
    features: Mapping[str, tuple[Path, ...]]
    """Files by modality, as in StepReport.outputs."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Modality -> reason."""
    covariates: Mapping[str, float | str] = field(default_factory=dict)
    dataset: str = ""
    """Name of the raw dataset: with the label it identifies the person (sub-01 exists in every dataset)."""
    notes: tuple[str, ...] = ()
    """As of the session."""

    @property
    def participant_id(self) -> str:
        """``sub-01``."""
        return f"sub-{self.subject}"


@dataclass(frozen=True)
class Labelled:
    """A unit with its outcome."""

    unit: UnitFeatures
    score: float
    poor: bool


@dataclass(frozen=True)
class Member:
    """One network on one modality."""

    name: str
    modality: str
    network: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the network's constructor."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Options of the modality's reader (features/readers.py), such as the scale of a map or the size of a slice."""


@dataclass(frozen=True)
class MemberPrediction:
    """What one member says of one unit."""

    probability: float
    """Probability of a poor outcome, mean over the unit's samples, before fusion."""
    score: float | None
    """Predicted score, in the outcome's units."""
    n_samples: int
    """1 for a volume, else the number of slices or windows."""
    weight: float = 0.0
    """Fusion weight used, renormalised over the members present."""
    modality: str = ""


@dataclass(frozen=True)
class Contribution:
    """How much one number of a member, or a member as a whole, moves the index of a prediction."""

    member: str
    """Empty for what the average person of the training has."""
    modality: str
    name: str
    """Of the number, in words; empty for a member as a whole."""
    moves: float
    """Of the index, in its deviations: above 0 towards a poor outcome. All of a prediction add up to its index."""
    value: float | None = None
    """The number, as its network reads it."""
    deviation: float | None = None
    """From the mean of the training's people, in their standard deviations."""


@dataclass(frozen=True)
class Prediction:
    """The ensemble's prediction of one unit (DESIGN section 3, prediction JSON)."""

    probability_poor: float
    probability_poor_interval: tuple[float, float] | None
    """None for a model that is not calibrated."""
    prediction: str
    """``poor``, ``good`` or ``abstain``."""
    predicted_score: float | None
    members: Mapping[str, MemberPrediction]
    missing: Mapping[str, str]
    """Member -> reason; ``early_fusion`` too, where the model has one and the unit lacks a part of it."""
    model: Mapping[str, Any]
    """name, version, sha256, demonstration, outcome."""
    in_training_set: bool | None
    """None where nobody knows who the model was trained on."""
    warnings: tuple[str, ...] = ()
    predicted_score_interval: tuple[float, float] | None = None
    """Of 90 %; None where it is not known."""
    early_fusion: MemberPrediction | None = None
    """What the regression on the numbers of several members says; None where there is none."""
    baselines: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Probability of a poor outcome and score of each ordinary model that the prediction is held against."""
    index: float | None = None
    """Weighted mean of what the members say, on one scale: what probability, score and decision come from; None for a
    model that is not calibrated."""
    contributions: tuple[Contribution, ...] = ()
    """They add up to ``index``."""
    rules: tuple[Mapping[str, Any], ...] = ()
    """What rules of the clinic say, of those that the tables have columns for (`clinical_rules.RuleResult`)."""
    decided_beyond: tuple[float, float] | None = None
    """``good`` is decided below the first probability of a poor outcome, ``poor`` above the second, nothing between;
    None for a model that is not calibrated: it names what is more likely."""
    applicability: Mapping[str, Any] | None = None
    """How far the person is from the model's training people (`ensemble.applicability.measured`); None where the model
    does not know them, or nothing is known of the person."""
