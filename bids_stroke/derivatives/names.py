"""What every file in OUTPUT_DIR is called: one table, from which writers, readers and .bidsignore take names.

To rename an output is to change its row here, and in docs/outputs.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bids_stroke.core.records import SPACE

ENTITY_ORDER = (
    "sub", "ses", "task", "acq", "dir", "run", "recording", "from", "to", "mode", "space", "res",
    "label", "model", "param", "stat", "desc",
)  # fmt: skip
"""Order of entities in file names (BIDS 1.11; model, param and stat as in BEP 16 and fMRIPrep's practice)."""
ANY = "*"
"""In the place of a label: whatever the writer gives."""
GRID = ("space", "res")
RUN = ("task", "acq", "dir", "run")
RECORDING = ("task", "acq", "run")
"""Entities that tell runs, or recordings, of one unit apart."""
NIFTI = ".nii.gz"
BY_SUFFIX = "*_{suffix}.*"
_IN_LOGS = re.compile(r"person-(?P<subject>[^_]+)(?:_visit-(?P<session>[^_]+))?(?:_step-[^_]+)?")


@dataclass(frozen=True)
class OutputName:
    """How the files of one role are called; each but gradients, predictions and figures has a JSON file beside it.

    Parameters
    ----------
    datatype : str
        Folder below the unit's; empty for the unit's own, several with ``|`` between them where the writer chooses.
    suffix, extension : str
        ``T1w`` and ``.nii.gz``.
    entities : mapping of str to str
        Those that a name must have, with their label, with several (``GM|WM``) or with ANY.
    optional : tuple of str
        Those that it may have besides, with any label.
    unknown : str
        Line of .bidsignore by which the BIDS validator, which does not know such a name, passes over it; ``{suffix}``
        and ``{extension}`` stand for those. Empty where the validator knows the name.
    """

    datatype: str
    suffix: str
    extension: str
    entities: Mapping[str, str] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    unknown: str = ""

    def folder(self, datatype: str | None) -> str:
        """The folder below the unit's; KeyError for one that such files do not lie in, or where none was chosen."""
        chosen = self.datatype if datatype is None else datatype
        if chosen not in self.datatype.split("|"):
            raise KeyError(f"{self.suffix}{self.extension} lies in {self.datatype}, not in {chosen}")
        return chosen

    def file_name(self, labels: Mapping[str, str | None]) -> str:
        """The name with these labels by entity, ``sub`` and ``ses`` among them; those that are None are left out.

        Raises
        ------
        KeyError
            An entity that such a name cannot have, a label that is not one of its own, or one that is lacking.
        """
        fixed = {key: label for key, label in self.entities.items() if label != ANY and "|" not in label}
        given = {key: label for key, label in {**fixed, **labels}.items() if label}
        if not self._fits(given):
            raise KeyError(f"{self.suffix}{self.extension} takes {dict(self.entities)}, {self.optional}, not {given}")
        parts = [f"{key}-{given[key]}" for key in ENTITY_ORDER if key in given]
        return "_".join([*parts, self.suffix]) + self.extension

    def is_name(self, name: str) -> bool:
        """Whether a file's name is of this kind."""
        found = parse(name)
        return (found.suffix, found.extension) == (self.suffix, self.extension) and self._fits(found.entities)

    def _fits(self, labels: Mapping[str, str]) -> bool:
        return labels.keys() >= self.entities.keys() and all(self.takes(key, label) for key, label in labels.items())

    def takes(self, entity: str, label: str) -> bool:
        """Whether a name of this kind may have an entity with this label."""
        allowed = self.entities.get(entity, ANY if entity in ("sub", "ses", *self.optional) else "")
        return allowed == ANY or label in allowed.split("|")


def _transform(datatype: str, source: str, target: str, extension: str) -> OutputName:
    entities = {"from": source, "to": target, "mode": "image"}
    return OutputName(datatype, "xfm", extension, entities, RUN if datatype == "func" else (), BY_SUFFIX)


_STANDARD = {"space": SPACE, "res": ANY}
_TENSOR = {"model": "tensor", "param": "fa|md|rd|ad"}

UNIT_FILES: Mapping[str, OutputName] = {
    # T1w and lesion
    "t1w": OutputName("anat", "T1w", NIFTI, {"desc": "preproc"}, GRID),
    "t1w_brain": OutputName("anat", "T1w", NIFTI, {"desc": "brain"}),
    "brain_mask": OutputName("anat", "mask", NIFTI, {"desc": "brain"}, GRID),
    "tissue_probability": OutputName("anat", "probseg", NIFTI, {"label": "GM|WM|CSF"}, GRID),
    "tissue_intensity": OutputName("anat", "T1w", NIFTI, {**_STANDARD, "label": "GM|WM", "desc": "intensity"},
                                   unknown="*intensity_{suffix}.*"),
    "external_tissue_probability": OutputName("anat", "probseg", NIFTI,
                                              {**_STANDARD, "label": "GM|WM", "desc": "external"}),
    "external_tissue_intensity": OutputName("anat", "T1w", NIFTI,
                                            {**_STANDARD, "label": "GM|WM", "desc": "externalintensity"},
                                            unknown="*intensity_{suffix}.*"),
    "lesion_mask": OutputName("anat", "mask", NIFTI, {"label": "L", "desc": "lesion"}, GRID),
    "lesion_shares": OutputName("anat", "probseg", NIFTI, {**_STANDARD, "label": "L"}),
    "to_standard": _transform("anat", "T1w", SPACE, NIFTI),
    "from_standard": _transform("anat", SPACE, "T1w", NIFTI),
    # diffusion
    "dwi": OutputName("dwi", "dwi", NIFTI, {"desc": "preproc"}),
    "bval": OutputName("dwi", "dwi", ".bval", {"desc": "preproc"}, unknown="*_{suffix}{extension}"),
    "bvec": OutputName("dwi", "dwi", ".bvec", {"desc": "preproc"}, unknown="*_{suffix}{extension}"),
    "dwi_mask": OutputName("dwi", "mask", NIFTI, {"desc": "brain"}),
    "tensor_map": OutputName("dwi", "dwimap", NIFTI, _TENSOR, GRID, BY_SUFFIX),
    "external_tensor_map": OutputName("dwi", "dwimap", NIFTI, {**_STANDARD, **_TENSOR, "desc": "external"},
                                      unknown=BY_SUFFIX),
    "fa_color": OutputName("dwi", "dwimap", NIFTI, {"model": "tensor", "param": "fa", "desc": "color"},
                           unknown=BY_SUFFIX),
    "dwi_to_t1w": _transform("dwi", "dwi", "T1w", ".txt"),
    "dwi_to_standard": _transform("dwi", "dwi", SPACE, NIFTI),
    "dwi_to_standard_affine": _transform("dwi", "dwi", SPACE, ".txt"),
    # BOLD
    "bold": OutputName("func", "bold", NIFTI, {"desc": "preproc"}, (*RUN, *GRID)),
    "bold_mask": OutputName("func", "mask", NIFTI, {"desc": "brain"}, RUN),
    "confounds": OutputName("func", "timeseries", ".tsv", {"desc": "confounds"}, RUN, BY_SUFFIX),
    "bold_map": OutputName("func", "boldmap", NIFTI, {**_STANDARD, "stat": "mean|tsnr|alff|falff|reho"}, RUN,
                           BY_SUFFIX),
    "seed_map": OutputName("func", "boldmap", NIFTI,
                           {**_STANDARD, "label": "handL|handR|legL|legR", "stat": "fisherz"}, RUN, BY_SUFFIX),
    "bold_to_t1w": _transform("func", "bold", "T1w", ".txt"),
    "bold_to_standard": _transform("func", "bold", SPACE, ".txt"),
    # EEG and EMG; the tables lie beside the EEG, or beside the EMG where there is no EEG
    "eeg": OutputName("eeg", "eeg", ".edf", {"desc": "preproc"}, RECORDING),
    "emg": OutputName("emg", "emg", ".edf", {"desc": "preproc"}, RECORDING, BY_SUFFIX),
    "channels": OutputName("eeg|emg", "channels", ".tsv", {"desc": "preproc"}, RECORDING),
    "events": OutputName("eeg|emg", "events", ".tsv", {"desc": "preproc"}, RECORDING),
    "windows": OutputName("eeg|emg", "events", ".tsv", {"desc": "windows"}, RECORDING),
    "features": OutputName("eeg|emg", "features", ".tsv", {}, RECORDING, BY_SUFFIX),
    "spectrum": OutputName("eeg|emg", "features", ".tsv", {"desc": "spectrum"}, RECORDING, BY_SUFFIX),
    # of the whole unit
    "prediction": OutputName("", "prediction", ".json", {"desc": ANY}, unknown=BY_SUFFIX),
    "prediction_table": OutputName("", "prediction", ".tsv", {"desc": ANY}, unknown=BY_SUFFIX),
    **{what: OutputName("", what, ".tsv", unknown=BY_SUFFIX) for what in ("quality", "biomarkers", "explanation")},
    "evidence": OutputName("", "explanation", NIFTI, {"model": ANY, "desc": "gradcam"}, GRID, BY_SUFFIX),
    "attributions": OutputName("", "explanation", ".tsv", {"model": ANY, "desc": "gradients"}, unknown=BY_SUFFIX),
    "figure": OutputName("figures", "figure", ".png", {"desc": ANY}, RUN, "figures"),
}  # fmt: skip
"""Role -> name of the files under ``sub-<label>[/ses-<label>]/``; `Outputs.path` gives their paths."""

DATASET_FILES: Mapping[str, str] = {
    "participant_report": "sub-{subject}.html",
    **{f"{level}_report": page for level, page in (("group", "group.html"), ("train", "train_{name}.html"))},
    **{f"group_{what}": f"group_{what}.tsv" for what in ("quality", "biomarkers", "predictions")},
    "participant_predictions": "phenotype/prediction.tsv",
    # of an evaluation: ``name`` is ``group``, or that of a model, beside it
    **{what: f"{{name}}_{what}.tsv" for what in ("metrics", "comparisons", "patterns", "recalibration",
                                                 "decision_curve", "thresholds", "characteristics", "subgroups")},
    "evaluation": "{name}_evaluation.json",
    # of a training
    "models": "models",
    **{what: f"models/{{name}}_{what}.tsv" for what in ("subsets", "curves")},
    **{role: "models/{name}" + end for role, end in (("curves_plot", "_curves.svg"), ("unfinished", ".unfinished"))},
    # of a run
    "settings": "logs/settings_{level}.yml",
    **{role: f"logs/CITATION.{kind}" for role, kind in (("methods", "md"), ("bibliography", "bib"))},
    "status_table": "logs/status.tsv",
    "status": "logs/status/{unit}.json",
    "dataset": "logs/dataset.json", "log": "logs/{unit}.log", "manifest": "logs/manifests/{unit}_step-{step}.json",
    **{role: f"logs/slurm/{{job}}{end}" for role, end in (("job", ".json"), ("job_script", ".sh"),
                                                          ("job_log", ".out"), ("job_end", ".end"))},
}  # fmt: skip
"""Role -> path in OUTPUT_DIR of what is no single unit's; `dataset_file` fills in the rest."""

TRANSFORMS = tuple(role for role, name in UNIT_FILES.items() if "from" in name.entities)
"""Roles of files that lead from one space to another."""

_UNKNOWN_OF_DATASET = ("*.html", "figures", "models", "emg", "group_*")
"""Without a slash at the end: the validator would still report the folder."""


def bidsignore() -> tuple[str, ...]:
    """The lines of .bidsignore: what the BIDS validator does not know yet, of the whole dataset and of units."""
    unknown = (name.unknown.format(suffix=name.suffix, extension=name.extension) for name in UNIT_FILES.values())
    return tuple(dict.fromkeys([*_UNKNOWN_OF_DATASET, *filter(None, unknown)]))


@dataclass(frozen=True)
class ParsedName:
    """A BIDS file name taken apart: labels by entity, suffix, extension with its dot."""

    entities: Mapping[str, str]
    suffix: str
    extension: str


def parse(name: str) -> ParsedName:
    """Take a BIDS file name apart; parts without a hyphen before the suffix are passed over.

    Examples
    --------
    >>> parse("sub-01_label-GM_probseg.nii.gz")
    ParsedName(entities={'sub': '01', 'label': 'GM'}, suffix='probseg', extension='.nii.gz')
    """
    stem, dot, extension = name.partition(".")
    *parts, suffix = stem.split("_")
    return ParsedName(dict(part.split("-", 1) for part in parts if "-" in part), suffix, dot + extension)


def is_named(path: Path, role: str, **labels: str) -> bool:
    """Whether a file's name is one of a role of UNIT_FILES, with these labels, in whatever folder it lies.

    Examples
    --------
    >>> is_named(Path("sub-01_desc-brain_mask.nii.gz"), "brain_mask")
    True
    >>> is_named(Path("sub-01_desc-brain_mask.nii.gz"), "lesion_mask")
    False
    """
    if not UNIT_FILES[role].is_name(path.name):
        return False
    return labels.items() <= parse(path.name).entities.items()


def run_of(path: Path) -> str:
    """What files of one run, or recording, of a unit have in common at the begin of their names.

    Examples
    --------
    >>> run_of(Path("sub-01_task-leg_run-1_desc-windows_events.tsv"))
    'sub-01_task-leg_run-1'
    """
    labels = parse(path.name).entities
    return "_".join(f"{key}-{labels[key]}" for key in ("sub", "ses", *RUN) if key in labels)


def beside(path: Path, role: str, **labels: str) -> Path:
    """The file of another role in the folder of a file, with its labels as far as that role takes them.

    It is mostly of the same run; it need not be there. ``labels`` are those that differ, or are lacking.

    Examples
    --------
    >>> beside(Path("eeg/sub-01_task-leg_desc-windows_events.tsv"), "spectrum").as_posix()
    'eeg/sub-01_task-leg_desc-spectrum_features.tsv'
    """
    name, own = UNIT_FILES[role], parse(path.name).entities
    kept = {key: label for key, label in own.items() if name.takes(key, label)}
    return path.with_name(name.file_name({**kept, **labels}))


def sidecar_of(path: Path) -> Path:
    """The JSON file beside a data file.

    Examples
    --------
    >>> sidecar_of(Path("sub-01_T1w.nii.gz")).name
    'sub-01_T1w.json'
    """
    return path.with_name(path.name.partition(".")[0] + ".json")


def dataset_file(root: Path, role: str, **labels: str) -> Path:
    """The path of a file of DATASET_FILES.

    Examples
    --------
    >>> dataset_file(Path("out"), "metrics", name="group").as_posix()
    'out/group_metrics.tsv'
    >>> dataset_file(Path("out"), "manifest", unit="sub-02_ses-1", step="bold").as_posix()
    'out/logs/manifests/person-02_visit-1_step-bold.json'
    """
    if "unit" in labels:  # under logs/ lie no data: no program that goes by names must take anything there for some
        labels["unit"] = re.sub("^sub-", "person-", labels["unit"]).replace("_ses-", "_visit-")
    return root / DATASET_FILES[role].format(**labels)


def folders_of_dataset(root: Path) -> list[Path]:
    """Folders in OUTPUT_DIR in which files of DATASET_FILES lie."""
    return sorted({(root / path).parent for path in DATASET_FILES.values()})


def unit_of_log(path: Path) -> tuple[str, str | None] | None:
    """Labels of subject and session in the name of a file of a unit under ``logs/``; None where it is no unit's.

    Examples
    --------
    >>> unit_of_log(Path("logs/manifests/person-02_visit-1_step-bold.json"))
    ('02', '1')
    """
    found = _IN_LOGS.fullmatch(path.stem)
    return (found["subject"], found["session"]) if found else None
