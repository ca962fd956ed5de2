"""What each step of a unit read and wrote: decides what is up to date, and joins the levels through files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import write_json


@dataclass(frozen=True)
class Stamp:
    """How a file is recognised again."""

    size: int
    mtime_ns: int
    sha256: str

    def matches(self, path: Path) -> bool:
        """Whether the file is the one that was stamped: same size and time, or same content."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        return path.stat().st_mtime_ns == self.mtime_ns or _sha256(path) == self.sha256


def stamp(path: Path) -> Stamp:
    """Stamp of a file as it is now."""
    state = path.stat()
    return Stamp(state.st_size, state.st_mtime_ns, _sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest(*parts: str) -> str:
    """sha256 of several texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def code_digest(*modules: str) -> str:
    """sha256 of the source of parts of this package (``"preprocess"``, ``"inference.py"``)."""
    root = Path(__file__).parents[1]
    files = sorted(path for name in modules for path in [root / name, *(root / name).rglob("*.py")] if path.is_file())
    return digest(*(path.relative_to(root).as_posix() + path.read_text() for path in files))


@dataclass(frozen=True)
class Manifest:
    """One step of one unit, done.

    Parameters
    ----------
    key : str
        Digest of what else decides the result: settings, code, earlier steps, model.
    inputs, outputs : mapping of str to Stamp
        Absolute paths of inputs; outputs relative to OUTPUT_DIR.
    report : StepReport
        What the step said; paths are absolute in memory, relative to OUTPUT_DIR on disk.
    """

    key: str
    inputs: Mapping[str, Stamp]
    outputs: Mapping[str, Stamp]
    report: StepReport

    def is_current(self, root: Path, key: str, inputs: Iterable[Path]) -> bool:
        """Whether the step need not run again: same key, same input files, outputs there and untouched."""
        if key != self.key or {str(path) for path in inputs} != set(self.inputs):
            return False
        return all(mark.matches(Path(path)) for path, mark in self.inputs.items()) and all(
            mark.matches(root / path) for path, mark in self.outputs.items()
        )


def manifest_path(root: Path, prefix: str, step: str) -> Path:
    """Where the manifest of a step of a unit lies."""
    return dataset_file(root, "manifest", unit=prefix, step=step)


def write_manifest(path: Path, root: Path, manifest: Manifest) -> None:
    """Write atomically: the last act of a step, so that a killed step has none."""
    report = manifest.report
    content = {
        "key": manifest.key,
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
        report = content["report"]
        return Manifest(
            key=content["key"],
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
    except (OSError, ValueError, KeyError, TypeError):
        return None


def make_manifest(
    root: Path, key: str, inputs: Iterable[Path], written: Iterable[Path], report: StepReport
) -> Manifest:
    """Stamp inputs and outputs of a step that has just run."""
    outputs = {*written, *report.files.values(), *(item for paths in report.outputs.values() for item in paths)}
    return Manifest(
        key,
        {str(path): stamp(path) for path in inputs},
        {_relative(root, path): stamp(path) for path in sorted(outputs) if path.is_relative_to(root)},
        report,
    )


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
