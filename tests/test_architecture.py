"""The structure itself: imports go one way, files and functions stay small, nothing heavy is imported early."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "bids_stroke"
FILES = sorted(PACKAGE.rglob("*.py"))

GROUND = {"errors", "records", "settings", "derivatives", ""}
"""What every part may import: the package itself (its version) and the records."""

MODEL = {"covariates", "decision", "compute"}
"""What a trained model consists of besides networks."""

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "records": set(),
    "startup": set(),
    "settings": {"errors", "records"},
    "derivatives": {"", "errors", "records"},
    "columns": set(),
    "spelling": set(),
    "tables": {"errors", "columns", "spelling"},
    "index": {"derivatives", "errors", "records"},
    "derived": {"records", "index"},
    "ready_files": {"records", "derived"},
    "dataset": {"errors", "records", "tables", "index", "derived", "ready_files"},
    "manifest": {"derivatives", "records"},
    "preprocess": GROUND,
    "recordings": GROUND,
    "txt_table": GROUND | {"recordings"},
    "txt_recordings": GROUND | {"txt_table"},
    "features": GROUND | {"recordings"},
    "tract": set(),
    "networks": GROUND | {"tract"},
    "covariates": GROUND | {"columns"},
    "decision": GROUND,
    "compute": GROUND,
    "model_card": GROUND,
    "model_files": GROUND,
    "evidence": set(),
    "fusion": GROUND | {"decision", "evidence"},
    "bundle": GROUND | {"covariates", "decision", "evidence", "model_card", "model_files", "spelling"},
    "keras_weights": {"errors", "networks"},
    "published": GROUND | {"columns", "networks", "features", "bundle", "keras_weights"} | MODEL,
    "remarks": GROUND | {"bundle", "covariates", "decision"},
    "inference": GROUND | {"networks", "features", "bundle", "model_files", "remarks", "evidence", "fusion"} | MODEL,
    "explain": GROUND | {"networks", "compute"},
    "training": GROUND
    | {
        "manifest",
        "networks",
        "features",
        "recordings",
        "bundle",
        "inference",
        "metrics",
        "spelling",
        "evidence",
        "fusion",
    }
    | MODEL,
    "predictions": GROUND,
    "metrics": GROUND,
    "bootstrap": {"metrics"},
    "patterns": GROUND | {"bootstrap", "metrics"},
    "evaluate": GROUND | {"bootstrap", "metrics", "patterns"},
    "quality_rules": set(),
    "quality": GROUND | {"quality_rules"},
    "report": GROUND | {"evaluate", "metrics", "quality", "quality_rules"},
    "simulate": GROUND | {"tract"},
    "engine": {"errors"},
    "plan": GROUND | {"columns", "manifest", "preprocess", "covariates"},
    "unit": GROUND | {"startup", "manifest", "plan", "predictions", "preprocess", "inference", "bundle", "report"},
    "run": GROUND | {"dataset"},
    "preflight": {"errors"},
    "progress": {"records"},
    "dryrun": GROUND | {"plan"},
}
"""Part -> parts that it may import. app, gather, group, cli, tools and descriptor compose and are
not listed."""

COMPOSERS = {"app", "gather", "group", "cli", "tools", "descriptor", "__main__", ""}

HEAVY = {"torch", "nilearn", "dipy", "mne", "mne_bids", "SimpleITK", "matplotlib", "sklearn", "scipy", "monai", "timm",
         "numpy", "pandas", "nibabel", "bids"}  # fmt: skip


def part_of(path: Path) -> str:
    """``preprocess`` for bids_stroke/preprocess/dwi.py, ``engine`` for bids_stroke/engine.py, empty for the package."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports_of(path: Path) -> Iterator[str]:
    """Parts of bids_stroke that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "bids_stroke":
            rest = (node.module or "").split(".")[1:]
            names = [rest[0]] if rest else [alias.name for alias in node.names]
            yield from (
                name if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file() else "" for name in names
            )
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "bids_stroke":
                    yield parts[1] if len(parts) > 1 else ""


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_one_way(path: Path) -> None:
    part = part_of(path)
    if part in COMPOSERS:
        assert part not in {
            name for other in FILES if part_of(other) not in COMPOSERS for name in imports_of(other)
        } - {""}
        return
    assert set(imports_of(path)) <= MAY_IMPORT[part] | {part}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_files_and_functions_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    for function in functions_of(path):
        length = (function.end_lineno or 0) - function.lineno + 1
        arguments = [a for a in (*function.args.posonlyargs, *function.args.args) if a.arg not in ("self", "cls")]
        assert length <= 60, f"{function.name} has {length} lines"
        assert len(arguments) <= 5, f"{function.name} has {len(arguments)} parameters"


def test_the_house_as_a_whole() -> None:
    lines = [len(path.read_text().splitlines()) for path in FILES]
    sizes = [(f.end_lineno or 0) - f.lineno + 1 for path in FILES for f in functions_of(path)]
    assert statistics.median(lines) <= 160
    assert statistics.median(sizes) <= 15


def test_every_registered_step_has_its_module() -> None:
    from bids_stroke.core.records import MODALITIES
    from bids_stroke.preprocess.registry import STEPS

    for step in STEPS:
        assert "run" in {function.name for function in functions_of(PACKAGE / "preprocess" / f"{step.name}.py")}
    assert {modality for step in STEPS for modality in step.modalities} == set(MODALITIES)


@pytest.mark.parametrize(
    "module", ["bids_stroke", *(f"bids_stroke.{name}" for name in ("cli.app", "app.run", "cli.tools", "networks"))]
)
def test_importing_is_light(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(sorted({HEAVY!r} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert done.stderr == ""


def test_no_exception_is_swallowed() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                only_pass = all(isinstance(item, ast.Pass | ast.Continue) for item in node.body)
                assert not (only_pass and (node.type is None or "Exception" in ast.unparse(node.type))), path
