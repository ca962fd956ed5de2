"""The work of one unit as a list of stages with keys: what would run, and what is already up to date."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

from bids_stroke.app.model import Model
from bids_stroke.bids.columns import SYNONYMS, Value
from bids_stroke.core.digest import code_digest, digest
from bids_stroke.core.libraries import deciding_versions
from bids_stroke.core.modalities import BIOMARKERS, MAPS, MODALITIES, QUERIES
from bids_stroke.core.records import BidsFile, Session, StepReport
from bids_stroke.core.settings import Settings
from bids_stroke.core.text_files import NOT_FETCHED
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.outputs import Outputs
from bids_stroke.derivatives.recipes import METADATA, Recipe
from bids_stroke.preprocess.registry import STEPS, Step

WRITER = "bids_stroke.derivatives.outputs"
"""With this every step writes: it is given to a step, which therefore need not import it."""
MIRROR = "bids_stroke.preprocess.hemisphere"
PREDICTION = ("bids_stroke.ensemble.predict", "bids_stroke.derivatives.predictions")
EXPLANATION = (
    "bids_stroke.ensemble.explanation.of_unit",
    "bids_stroke.derivatives.explanations",
    "bids_stroke.report.figures.explained",
)
FIGURES = ("bids_stroke.report.figures.unit",)
"""Modules whose code, with all that they import, decides these stages."""
EARLIER, FAILED = "earlier steps", "failed steps"
NOT_BEFORE, FORCED = "not run before", "--force"
"""Why a stage runs that no manifest tells of, or that would not have to."""
INHERITED = (".bval", ".bvec", "_channels.tsv", "_events.tsv", "_scans.tsv")
"""Ends of names of files that belong to data files in the folders below."""
Names = Callable[[Path], Sequence[str]]
"""Names of the files in a folder."""


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
    processes: int = 1
    """That it may use: above 1, steps that need not wait for each other run side by side, to the same bytes."""

    @property
    def outputs(self) -> Outputs:
        """A fresh log of writes into the unit's folder."""
        return Outputs(self.output_dir, self.session.subject, self.session.session)


@dataclass(frozen=True)
class Stage:
    """One stage of a unit: a preprocessing step, the prediction, or the figures."""

    name: str
    recipe: Recipe
    """Settings, code and earlier stages: what decides the result, besides the files that it reads."""
    inputs: tuple[Path, ...]
    step: Step | None = None

    @cached_property
    def key(self) -> str:
        """Digest of the recipe."""
        return digest(json.dumps(self.recipe, sort_keys=True))

    def without(self, failed: Mapping[str, str]) -> Stage:
        """The stage where these steps failed on the data (step -> reason): made without them, it is another one."""
        known = {name: reason for name, reason in failed.items() if name in self.recipe.get(EARLIER, ())}
        return replace(self, recipe={**self.recipe, FAILED: known}) if known else self

    def manifest_path(self, task: UnitTask) -> Path:
        """Where this stage's manifest lies."""
        return manifest.manifest_path(task.output_dir, task.session.prefix, self.name)

    def earlier_report(self, task: UnitTask) -> tuple[StepReport | None, str]:
        """The report of an earlier run, where that is still up to date; else None, and in words why it is not."""
        done = manifest.read_manifest(self.manifest_path(task), task.output_dir)
        if done is None or task.force:
            return None, FORCED if task.force else NOT_BEFORE
        why = done.why_stale(task.output_dir, self.recipe, self.inputs)
        return (None, why) if why else (done.report, "")

    def is_due(self, task: UnitTask) -> bool:
        """Whether it has to run in any case, also if a step that it builds on fails on the data, or no longer does."""
        done = manifest.read_manifest(self.manifest_path(task), task.output_dir)
        if done is None or task.force:
            return True
        failed = {FAILED: done.recipe[FAILED]} if FAILED in done.recipe else {}
        return bool(done.why_stale(task.output_dir, {**self.recipe, **failed}, self.inputs))


def plan_unit(task: UnitTask, names_in: Names | None = None) -> list[Stage]:
    """Stages of a unit in the order in which they run.

    Several plans at one time may share ``names_in`` (`names_once`), so that each folder is read once.
    """
    names_in = names_in or names_once()
    stages: dict[str, Stage] = {}
    for step in needed_steps(task.session, task.settings):
        before = [stages[name] for name in step.builds_on(task.settings) if name in stages]
        files = step.files(task.session)
        own: Recipe = {METADATA: metadata_digests(files), EARLIER: {stage.name: stage.key for stage in before}}
        if step.gathers:  # of what was not asked for it tells nothing
            own = {**own, "modalities": sorted(task.settings.modalities)}
        if task.settings.lesion_side == "normalise":  # besides the lesion mask, this tells what is mirrored
            own = {**own, "affected side": side_told(task.session)}
        paths = {path for item in files for path in input_paths(item, names_in)}
        paths |= {path for stage in before for path in stage.inputs}
        stages[step.name] = Stage(step.name, {**recipe(step, task.settings), **own}, tuple(sorted(paths)), step)
    inputs = tuple(sorted({path for stage in stages.values() for path in stage.inputs}))
    earlier = {EARLIER: {stage.name: stage.key for stage in stages.values()}}
    if task.model is not None:
        stages["prediction"] = Stage("prediction", {**_prediction_recipe(task, task.model), **earlier}, inputs)
    shown = {EARLIER: {s.name: s.key for s in stages.values() if s.step is not None and not s.step.gathers}}
    stages["figures"] = Stage("figures", {**of_code(*FIGURES), **shown}, inputs)  # of numbers nothing is drawn
    return list(stages.values())


def recipe(step: Step, settings: Settings) -> Recipe:
    """What decides a step's results in every unit: code, libraries, settings and seed."""
    own = (f"bids_stroke.preprocess.{step.name}.step", WRITER)
    mirrors = (MIRROR,) if settings.lesion_side == "normalise" else ()  # the runner does it, after the step
    return {
        "code": code_digest(*own),
        **({"mirror code": code_digest(*mirrors)} if mirrors else {}),
        "libraries": dict(deciding_versions(*own, *mirrors)),
        "settings": getattr(settings, step.settings).model_dump(mode="json") if step.settings else {},
        "seed": settings.seed,
        "lesion_side": settings.lesion_side,
    }


def of_code(*modules: str) -> Recipe:
    """What decides what modules make: their code, and the libraries behind it."""
    return {"code": code_digest(*modules), "libraries": dict(deciding_versions(*modules))}


def metadata_digests(files: Sequence[BidsFile]) -> dict[str, str]:
    """Digest of each file's metadata, by its name; two datasets may have files of one name."""
    texts: dict[str, list[str]] = {}
    for item in files:
        texts.setdefault(item.path.name, []).append(json.dumps(dict(item.metadata), sort_keys=True, default=str))
    return {name: digest(*parts) for name, parts in texts.items()}


def _prediction_recipe(task: UnitTask, model: Model) -> Recipe:
    return {
        **of_code(*PREDICTION, *(EXPLANATION if task.settings.explain else ())),
        "model": model.sha256,
        "dataset": task.dataset,
        "covariates": covariates_digest(task.session, task.settings.outcome.column),
        "notes on the tables": list(task.session.notes),
        "outcome": str(task.settings.outcome),
        "precision": task.settings.precision,
        "explain": task.settings.explain,
        "modalities": sorted(task.settings.modalities),
    }


def covariates_digest(session: Session, outcome: str) -> str:
    """Digest of what is known of a person and a prediction of this outcome may read, or tell beside it."""
    from bids_stroke.features.clinical_rules import baseline_columns  # here, because it needs numpy

    read = {column for columns in SYNONYMS.values() for column in columns} | baseline_columns(outcome)
    known = {key: value for key, value in known_before(session, outcome).items() if key.lower() in read}
    return digest(json.dumps(known, sort_keys=True))


def known_before(session: Session, outcome: str) -> dict[str, Value]:
    """What is known of a person but for the outcome itself, which nothing that predicts may read."""
    return {key: value for key, value in session.covariates.items() if key.lower() != outcome.lower()}


def side_told(session: Session) -> str:
    """What the tables say of the affected side, besides the lesion mask."""
    return str(session.covariates.get("lesion_side", "not told"))


def needed_steps(session: Session, settings: Settings) -> tuple[Step, ...]:
    """Registered steps that give a wanted modality and have input files, with the steps that they build on."""
    ready = set(session.maps)
    wanted: set[str] = set()
    for step in reversed(tuple(step for step in STEPS.values() if not step.gathers)):
        gives = set(step.modalities) & set(settings.modalities) - (ready if step.name != MAPS else set())
        if step.name in wanted or (gives and step.files(session)):
            wanted |= {step.name, *step.builds_on(settings)}
    found = [step for step in STEPS.values() if step.name in wanted and step.files(session)]
    names = {step.name for step in found}
    return (*found, *(step for step in STEPS.values() if step.gathers and names & {*step.after}))


def missing_inputs(session: Session, settings: Settings, steps: Sequence[Step] | None = None) -> dict[str, str]:
    """Wanted modalities for which this unit has no input, with the reason; ``steps`` are its needed ones, if known."""
    steps = needed_steps(session, settings) if steps is None else steps
    given = {modality for step in steps for modality in step.modalities} | set(session.maps)
    lacking = [MODALITIES[name] for name in settings.modalities if name not in given]
    return {modality.name: _why_no_input(STEPS[modality.step], session) for modality in lacking}


def _why_no_input(step: Step, session: Session) -> str:
    kinds = {step.inputs[0], *(kind for kind in step.inputs if kind in QUERIES)}
    return NOT_FETCHED if kinds & session.not_fetched else f"no-{step.inputs[0]}"


def names_once() -> Names:
    """A function that gives the names of the files in a folder and reads each folder once.

    The root of a dataset holds a folder for each person: read anew for each file of each person, it takes most of the
    time of a plan.
    """
    return cache(_names)


def _names(folder: Path) -> tuple[str, ...]:
    try:
        with os.scandir(folder) as entries:
            return tuple(entry.name for entry in entries if entry.is_file())
    except OSError:  # above the dataset there may be folders that are closed to us
        return ()


def input_paths(item: BidsFile, names_in: Names = _names) -> set[Path]:
    """A data file and the files that belong to it (gradients, channels, events, parts of a recording)."""
    folder, stem = item.path.parent, item.path.name.removesuffix(".gz")
    stem = stem[: stem.rindex(".")]
    around = stem[: stem.rindex("_")]
    tables = [f"{around}_{kind}.tsv" for kind in ("channels", "events", "electrodes", "coordsystem")]
    beside = {
        folder / name
        for name in names_in(folder)
        if name.startswith(f"{stem}.") or (name.startswith(f"{around}_") and name.endswith(".json")) or name in tables
    }
    role_files = {path for path in item.beside.values() if path.is_file()}
    inherited: set[Path] = set()
    for above in item.path.parents:  # inherited from above, up to the root of the dataset
        names = names_in(above)
        if above != folder:
            inherited |= {above / name for name in names if name.endswith(INHERITED)}
        if "dataset_description.json" in names:
            return {item.path, *beside, *role_files, *inherited}
    return {item.path, *beside, *(path for path in role_files if path.parent == folder)}


def merge_features(
    reports: Mapping[str, StepReport], session: Session, settings: Settings
) -> tuple[dict[str, tuple[Path, ...]], dict[str, str]]:
    """Feature files by modality, and the reason for each wanted modality that is not there."""
    features: dict[str, tuple[Path, ...]] = {}
    missing, wanted = missing_inputs(session, settings), {*settings.modalities, BIOMARKERS}
    for report in (reports[name] for name in STEPS if name in reports):
        missing |= {modality: reason for modality, reason in report.missing.items() if modality in settings.modalities}
        features |= {modality: paths for modality, paths in report.outputs.items() if modality in wanted}
    missing |= {m: "not-computed" for m in settings.modalities if m not in features and m not in missing}
    return features, {modality: reason for modality, reason in missing.items() if modality not in features}


def step_reports(root: Path, prefix: str) -> dict[str, StepReport]:
    """Reports of the preprocessing steps of a unit that are on disk."""
    found = {name: manifest.read_manifest(manifest.manifest_path(root, prefix, name), root) for name in STEPS}
    return {name: item.report for name, item in found.items() if item is not None}
