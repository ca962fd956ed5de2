"""The work of one unit as a list of stages with keys: what would run, and what is already up to date."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_stroke.app.model import Model
from bids_stroke.bids.columns import SYNONYMS
from bids_stroke.core.modalities import MAPS, MODALITIES
from bids_stroke.core.records import BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.preprocess.registry import STEPS, Step


@dataclass(frozen=True)
class UnitTask:
    """Everything that a worker process needs for one unit."""

    session: Session
    output_dir: Path
    work_dir: Path
    settings: Settings
    model: Model | None
    """None: features only."""
    dataset: str
    """Name of the raw dataset."""
    device: str = "auto"
    force: bool = False

    @property
    def outputs(self) -> Outputs:
        """A fresh log of writes into the unit's folder."""
        return Outputs(self.output_dir, self.session.subject, self.session.session)


@dataclass(frozen=True)
class Stage:
    """One stage of a unit: a preprocessing step, the prediction, or the figures."""

    name: str
    key: str
    """Digest of settings, code and earlier stages."""
    inputs: tuple[Path, ...]
    step: Step | None = None

    def manifest_path(self, task: UnitTask) -> Path:
        """Where this stage's manifest lies."""
        return manifest.manifest_path(task.output_dir, task.session.prefix, self.name)

    def current_report(self, task: UnitTask) -> StepReport | None:
        """The report of an earlier run, where that is still up to date."""
        done = None if task.force else manifest.read_manifest(self.manifest_path(task), task.output_dir)
        return done.report if done and done.is_current(task.output_dir, self.key, self.inputs) else None


def plan_unit(task: UnitTask) -> list[Stage]:
    """Stages of a unit in the order in which they run."""
    stages: dict[str, Stage] = {}
    for step in needed_steps(task.session, task.settings):
        before = [stages[name] for name in step.builds_on(task.settings) if name in stages]
        files = step.files(task.session)
        metadata = [json.dumps([item.path.name, dict(item.metadata)], sort_keys=True, default=str) for item in files]
        key = manifest.digest(_side(task), *metadata, *(s.key for s in before))
        own = {path for item in files for path in input_paths(item)} | {path for s in before for path in s.inputs}
        stages[step.name] = Stage(step.name, f"{recipe(step, task.settings)}:{key}", tuple(sorted(own)), step)
    inputs = tuple(sorted({path for stage in stages.values() for path in stage.inputs}))
    keys = [stage.key for stage in stages.values()]
    if task.model is not None:
        stages["prediction"] = Stage("prediction", _prediction_key(task, task.model, keys), inputs)
    stages["figures"] = Stage("figures", manifest.digest("figures", manifest.code_digest("report"), *keys), inputs)
    return list(stages.values())


def recipe(step: Step, settings: Settings) -> str:
    """Digest of what decides a step's results in every unit: settings, code and seed. Its key begins with it."""
    section = getattr(settings, step.settings).digest() if step.settings else ""
    code = manifest.code_digest("preprocess", "imaging", "derivatives/outputs.py", "core/records.py")
    return manifest.digest(step.name, section, str(settings.seed), settings.lesion_side, code)


def _side(task: UnitTask) -> str:
    """What decides, besides the lesion mask, whether maps are mirrored."""
    told = task.session.covariates.get("lesion_side", "") if task.settings.lesion_side == "normalise" else ""
    return f"{task.settings.lesion_side} {told}"


def _prediction_key(task: UnitTask, model: Model, keys: Sequence[str]) -> str:
    code = manifest.code_digest("features", "bids/columns.py", "bids/labels.py", "fusion", "ensemble", "networks",
                                "core/channels.py", "derivatives/predictions.py",
                                "imaging/corticospinal_tract.py")  # fmt: skip
    from bids_stroke.features.covariates import first_score_name  # here, because it needs numpy

    read = {column for columns in SYNONYMS.values() for column in columns}
    read.add(first_score_name(task.settings.outcome.column).lower())
    own = {key: value for key, value in task.session.covariates.items() if key.lower() in read}
    known = json.dumps(own, sort_keys=True)
    choices = [str(task.settings.outcome), task.settings.precision, ",".join(sorted(task.settings.modalities))]
    return manifest.digest("prediction", code, model.sha256, task.dataset, known, *choices, *keys)


def needed_steps(session: Session, settings: Settings) -> tuple[Step, ...]:
    """Registered steps that give a wanted modality and have input files, with the steps that they build on."""
    ready = set(session.maps)
    wanted: set[str] = set()
    for step in reversed(tuple(STEPS.values())):
        gives = set(step.modalities) & set(settings.modalities) - (ready if step.name != MAPS else set())
        if step.name in wanted or (gives and step.files(session)):
            wanted |= {step.name, *step.builds_on(settings)}
    return tuple(step for step in STEPS.values() if step.name in wanted and step.files(session))


def missing_inputs(session: Session, settings: Settings) -> dict[str, str]:
    """Wanted modalities for which this unit has no input, with the reason."""
    given = {modality for step in needed_steps(session, settings) for modality in step.modalities} | set(session.maps)
    lacking = [MODALITIES[name] for name in settings.modalities if name not in given]
    return {modality.name: f"no-{STEPS[modality.step].inputs[0]}" for modality in lacking}


def input_paths(item: BidsFile) -> Iterable[Path]:
    """A data file and the files that belong to it (gradients, channels, events, parts of a recording)."""
    stem = item.path.name.removesuffix(".gz")
    stem = stem[: stem.rindex(".")]
    around = stem[: stem.rindex("_")]
    kinds = ("channels", "events", "electrodes", "coordsystem")
    beside = [*item.path.parent.glob(f"{stem}.*"), *item.path.parent.glob(f"{around}_*.json")]
    beside += [item.path.parent / f"{around}_{kind}.tsv" for kind in kinds]
    beside += item.beside.values()
    for folder in item.path.parents:  # inherited from above, up to the root of the dataset
        inherited = (".bval", ".bvec", "_channels.tsv", "_events.tsv", "_scans.tsv")
        if folder != item.path.parent:
            beside += [path for path in folder.glob("*.*") if path.name.endswith(inherited)]
        if (folder / "dataset_description.json").is_file():
            break
    else:
        return {item.path, *(path for path in beside if path.parent == item.path.parent and path.is_file())}
    return {item.path, *(path for path in beside if path.is_file())}


def merge_features(
    reports: Mapping[str, StepReport], session: Session, settings: Settings
) -> tuple[dict[str, tuple[Path, ...]], dict[str, str]]:
    """Feature files by modality, and the reason for each wanted modality that is not there."""
    features: dict[str, tuple[Path, ...]] = {}
    missing = missing_inputs(session, settings)
    for report in reports.values():
        missing |= {modality: reason for modality, reason in report.missing.items() if modality in settings.modalities}
        features |= {modality: paths for modality, paths in report.outputs.items() if modality in settings.modalities}
    missing |= {m: "not-computed" for m in settings.modalities if m not in features and m not in missing}
    return features, {modality: reason for modality, reason in missing.items() if modality not in features}


def step_reports(root: Path, prefix: str) -> dict[str, StepReport]:
    """Reports of the preprocessing steps of a unit that are on disk."""
    found = {name: manifest.read_manifest(manifest.manifest_path(root, prefix, name), root) for name in STEPS}
    return {name: item.report for name, item in found.items() if item is not None}
