"""Whether what lies in OUTPUT_DIR is still what the dataset gives: ``group`` and ``train`` count nothing else.

Settings, code and options of the command do not count here: features that were made otherwise are refused by ``train``
(`train.check_same_recipe`), and a prediction says itself what made it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bids_stroke.app.belonging import Belonging, read_belonging
from bids_stroke.app.plan import EARLIER, FAILED, covariates_digest, metadata_digests, needed_steps, side_told
from bids_stroke.app.request import Request
from bids_stroke.core.digest import digest
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.records import Session, StepReport
from bids_stroke.derivatives import manifest
from bids_stroke.derivatives.manifest import Manifest
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.recipes import METADATA, few
from bids_stroke.ensemble.metadata import CHECKSUMS, bundle_digest
from bids_stroke.preprocess.registry import STEPS


@dataclass(frozen=True, eq=False)
class Unit:
    """What lies there of a unit, and which of it is not current: step, or ``prediction`` -> why."""

    steps: Mapping[str, Manifest]
    prediction: Manifest | None
    stale: Mapping[str, str]

    @property
    def reports(self) -> dict[str, StepReport]:
        """Reports of the steps whose features are current."""
        return {name: done.report for name, done in self.steps.items() if name not in self.stale}

    @property
    def why_no_prediction(self) -> str:
        """Why the unit's prediction does not count; empty where it does, or there is none."""
        return self.stale.get("prediction", "")

    def why_no_features(self, modalities: Collection[str]) -> str:
        """Why the unit's features of these modalities do not count; empty where they do, or there are none."""
        steps = [name for name in self.stale if name in STEPS and STEPS[name].made_of & set(modalities)]
        return "; ".join(f"{name} ({self.stale[name]})" for name in steps)


@dataclass(frozen=True, eq=False)
class Currency:
    """What decides whether files of an OUTPUT_DIR are current."""

    request: Request
    dataset: str
    belonging: Belonging
    asked: str
    """Digest of the bundle ``--model``; empty where none is given."""
    own: Mapping[str, str]
    """Digests of the models that ``train`` wrote into OUTPUT_DIR, by name."""
    _seen: dict[str, Path] = field(default_factory=dict, repr=False)
    """Where the inputs of the unit in hand are now: its steps read the same ones, and thousands of units take long."""

    @classmethod
    def of(cls, request: Request, dataset: str) -> Currency:
        """For a run of ``group`` or ``train``; ``dataset`` is the name of BIDS_DIR.

        Raises
        ------
        UsageError
            From `read_belonging`.
        """
        root, model = request.output_dir, request.model
        belonging = read_belonging(root) or Belonging(dataset, (str(request.selection.bids_dir),))
        asked = bundle_digest(model) if model is not None and (model / CHECKSUMS).is_file() else ""
        folders = [path.parent for path in dataset_file(root, "models").glob(f"[!.]*/{CHECKSUMS}")]
        return cls(request, dataset, belonging, asked, {path.name: bundle_digest(path) for path in folders})

    @property
    def root(self) -> Path:
        """OUTPUT_DIR."""
        return self.request.output_dir

    def now(self, path: str) -> Path:
        """Where an input is now that was read from the folder in which the dataset lay."""
        if path not in self._seen:
            self._seen[path] = self.belonging.placed(path, self.request.selection.bids_dir)
        return self._seen[path]

    def look(self, session: Session, *, prediction: bool) -> Unit:
        """Read the manifests of a unit and compare them with what is there now.

        Parameters
        ----------
        session : Session
            The unit as the dataset has it.
        prediction : bool
            Also look at the prediction.
        """
        self._seen.clear()
        steps = {name: done for name in STEPS if (done := self._read(session, name)) is not None}
        stale = {name: why for name, done in steps.items() if (why := self._features(session, name, done))}
        found = self._read(session, "prediction") if prediction else None
        if found is not None and (why := self._prediction(session, found, steps, stale)):
            stale["prediction"] = why
        return Unit(steps, found, stale)

    def _read(self, session: Session, stage: str) -> Manifest | None:
        return manifest.read_manifest(manifest.manifest_path(self.root, session.prefix, stage), self.root)

    def _features(self, session: Session, step: str, done: Manifest) -> str:
        """Why the files of a step are not what the dataset gives; empty where they are."""
        if why := self._inputs(done) or _touched("features", done, self.root):
            return why
        now, then = metadata_digests(STEPS[step].files(session)), done.recipe.get(METADATA, {})
        if changed := [name for name in then if name in now and now[name] != then[name]]:
            return f"sidecars changed: {few(changed)}"
        if fresh := self._fresh(session, step, done, {item.path for item in STEPS[step].files(session)}):
            return f"new files: {few(fresh)}"
        side = done.recipe.get("affected side")
        return "" if side in (None, side_told(session)) else f"affected side changed: {side} -> {side_told(session)}"

    def _inputs(self, done: Manifest) -> str:
        changed = [self.now(path) for path, mark in done.inputs.items() if not mark.matches(self.now(path))]
        names = [path.name + ("" if path.exists() else " (gone)") for path in changed]
        return f"inputs changed: {few(names)}" if names else ""

    def _prediction(
        self, session: Session, done: Manifest, steps: Mapping[str, Manifest], stale: Mapping[str, str]
    ) -> str:
        """Why a prediction is not what the dataset and the model give; empty where it is."""
        recipe = done.recipe
        if not recipe.keys() >= {"dataset", "covariates", "model", "outcome", EARLIER}:
            return "made by another version"
        if recipe["dataset"] != self.dataset:
            return f"dataset changed: {recipe['dataset']} -> {self.dataset}"
        if why := self._inputs(done) or _touched("prediction", done, self.root):
            return why
        if words := [f"{name} ({stale[name]})" for name in recipe[EARLIER] if name in stale]:
            return f"features changed: {few(words)}"
        failed = recipe.get(FAILED, {})
        now = {name: key_of(step) for name, step in steps.items()}
        if others := [name for name, key in recipe[EARLIER].items() if name not in failed and now.get(name) != key]:
            return f"features changed: {few(others)}"
        if fresh := self._new(session, done):
            return f"new files: {few(fresh)}"
        if covariates_digest(session, Outcome.parse(recipe["outcome"]).column) != recipe["covariates"]:
            return "covariates changed"
        return self._model(str(recipe["model"]), done)

    def _new(self, session: Session, done: Manifest) -> list[str]:
        """Files that came after the prediction and would count in one that is made now.

        Those that were there and not used were left out by an option, which this command need not be given again.
        """
        wanted = self.request.settings.model_copy(update={"modalities": tuple(done.recipe.get("modalities", ()))})
        files = {item.path for step in needed_steps(session, wanted) for item in step.files(session)}
        return self._fresh(session, "prediction", done, files)

    def _fresh(self, session: Session, stage: str, done: Manifest, files: set[Path]) -> list[str]:
        """Those of some files that a stage did not read, and that came after it."""
        known = {self.now(path) for path in done.inputs}
        begun = manifest.manifest_path(self.root, session.prefix, stage).stat().st_mtime
        return sorted(path.name for path in files - known if path.is_file() and path.stat().st_ctime > begun)

    def _model(self, sha256: str, done: Manifest) -> str:
        """Why the model is not the one that would be used now."""
        if self.asked:
            return "" if self.asked == sha256 else "made with another model than --model"
        if sha256 in self.own.values():
            return ""
        name = _model_name(done) if self.own else ""
        return f"model changed: {name} was trained anew" if name in self.own else ""


def _model_name(done: Manifest) -> str:
    """Name of the model that a prediction tells."""
    try:
        content: dict[str, Any] = json.loads(done.report.files["prediction"].read_text())
        return str(content["model"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def key_of(done: Manifest) -> str:
    """The key that the plan of a unit knew a step by."""
    return digest(json.dumps({part: value for part, value in done.recipe.items() if part != FAILED}, sort_keys=True))


def _touched(what: str, done: Manifest, root: Path) -> str:
    changed = [Path(name).name for name, mark in done.outputs.items() if not mark.matches(f"{root}/{name}")]
    return f"{what} changed: {few(changed)}" if changed else ""


def not_current(prefix: str, why: str) -> str:
    """The sentence that names a unit which does not count."""
    return f"{prefix} does not count, because what was computed is not current: {why}. Run the participant level again."
