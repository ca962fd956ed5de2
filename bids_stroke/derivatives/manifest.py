"""What each step of a unit read and wrote: decides what is up to date, and joins the levels through files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

from bids_stroke.core.records import StepReport, unit_prefix
from bids_stroke.derivatives.names import dataset_file, unit_of_log
from bids_stroke.derivatives.outputs import write_json
from bids_stroke.derivatives.recipes import Recipe, few, file_changes, recipe_changes


@dataclass(frozen=True)
class Stamp:
    """How a file is recognised again."""

    size: int
    mtime_ns: int
    sha256: str

    def matches(self, path: str | Path) -> bool:
        """Whether the file is the one that was stamped: same size and time, or same content."""
        try:
            state = os.stat(path)  # noqa: PTH116 (of a text as well: to make a Path takes longer than to look)
        except OSError:
            return False
        if not S_ISREG(state.st_mode) or state.st_size != self.size:
            return False
        return state.st_mtime_ns == self.mtime_ns or _sha256(Path(path)) == self.sha256


def stamp(path: Path) -> Stamp:
    """Stamp of a file as it is now."""
    state = path.stat()
    return Stamp(state.st_size, state.st_mtime_ns, _sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Manifest:
    """One step of one unit, done.

    Parameters
    ----------
    recipe : mapping
        What else decides the result: code, settings, earlier steps, model (`recipes`). Empty where the manifest is of
        a version that did not keep it.
    inputs, outputs : mapping of str to Stamp
        Absolute paths of inputs; outputs relative to OUTPUT_DIR.
    report : StepReport
        What the step said; paths are absolute in memory, relative to OUTPUT_DIR on disk.
    """

    recipe: Recipe
    inputs: Mapping[str, Stamp]
    outputs: Mapping[str, Stamp]
    report: StepReport

    def why_stale(self, root: Path, recipe: Recipe, inputs: Iterable[Path]) -> str:
        """Why the step has to run again, in words; empty where it need not.

        It need not run again with the same recipe and the same input files, its outputs there and untouched.
        """
        words = recipe_changes(self.recipe, recipe) + file_changes(self.inputs, map(str, inputs))
        if not words and recipe != self.recipe:
            return "inputs changed"
        return ", ".join(words) or _changed("inputs", self.inputs, root) or _changed("outputs", self.outputs, root)


def _changed(what: str, marks: Mapping[str, Stamp], root: Path) -> str:
    """In words, which files are not as they were stamped."""
    changed = [root / name for name, mark in marks.items() if not mark.matches(root / name)]
    names = [path.name + ("" if path.exists() else " (gone)") for path in changed]
    return f"{what} changed: {few(names)}" if names else ""


def manifest_path(root: Path, prefix: str, step: str) -> Path:
    """Where the manifest of a step of a unit lies."""
    return dataset_file(root, "manifest", unit=prefix, step=step)


def units_begun(root: Path) -> set[str]:
    """Prefixes (``sub-01_ses-02``) of the units that have ended a step."""
    found = map(unit_of_log, manifest_path(root, "", "").parent.glob("*.json"))
    return {unit_prefix(*unit) for unit in found if unit is not None}


def write_manifest(path: Path, root: Path, manifest: Manifest) -> None:
    """Write atomically: the last act of a step, so that a killed step has none."""
    report = manifest.report
    content = {
        "recipe": dict(manifest.recipe),
        "inputs": {name: asdict(mark) for name, mark in sorted(manifest.inputs.items())},
        "outputs": {name: asdict(mark) for name, mark in sorted(manifest.outputs.items())},
        "report": {
            "outputs": {key: [_relative(root, item) for item in paths] for key, paths in report.outputs.items()},
            "files": {key: _relative(root, item) for key, item in report.files.items()},
            "missing": dict(report.missing),
            "qc": {key: float(value) for key, value in report.qc.items()},
            "warnings": list(report.warnings),
        },
    }
    write_json(path, content)


def read_manifest(path: Path, root: Path) -> Manifest | None:
    """The manifest, or None where there is none that can be read (the step then runs again)."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        report, recipe = content["report"], content.get("recipe")
        return Manifest(
            recipe=recipe if isinstance(recipe, dict) else {},
            inputs={name: Stamp(**mark) for name, mark in content["inputs"].items()},
            outputs={name: Stamp(**mark) for name, mark in content["outputs"].items()},
            report=StepReport(
                outputs={key: tuple(root / item for item in paths) for key, paths in report["outputs"].items()},
                files={key: root / item for key, item in report["files"].items()},
                missing=report["missing"],
                qc=report["qc"],
                warnings=tuple(report["warnings"]),
            ),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def make_manifest(
    root: Path, recipe: Recipe, inputs: Iterable[Path], written: Iterable[Path], report: StepReport
) -> Manifest:
    """Stamp inputs and outputs of a step that has just run."""
    outputs = {*written, *report.files.values(), *(item for paths in report.outputs.values() for item in paths)}
    return Manifest(
        recipe,
        {str(path): stamp(path) for path in inputs},
        {_relative(root, path): stamp(path) for path in sorted(outputs) if path.is_relative_to(root)},
        report,
    )


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
