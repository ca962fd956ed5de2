"""The house itself: floors, no circles, small files and functions, tests where the code lies, light imports."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from bids_stroke.core.digest import read_source
from tests.conftest import ROOT

PACKAGE = ROOT / "bids_stroke"
FILES = sorted(PACKAGE.rglob("*.py"))
TABLE = re.findall(r"^\| \d \| (.+?) \| (.+?) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
FLOORS = {folder: places.replace(",", "") for folders, places in TABLE for folder in folders.split(", ")}
"""Folder -> what it may import besides itself, as CONTRIBUTING says: folders, or single modules."""
HEAVY = {"torch", "nilearn", "dipy", "mne", "mne_bids", "SimpleITK", "matplotlib", "sklearn", "scipy", "monai", "timm",
         "numpy", "pandas", "nibabel", "bids"}  # fmt: skip


def module_of(path: Path) -> str:
    """``imaging.images`` for bids_stroke/imaging/images.py, ``imaging`` for its ``__init__``."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").strip(".")


MODULES = {module_of(path): path for path in FILES}


def imports_of(path: Path) -> set[str]:
    """Modules of this package that a file imports, for type checkers too, or names in a text to be imported lazily."""
    source = read_source(f"bids_stroke.{module_of(path)}".strip("."))
    return {name.removeprefix("bids_stroke").strip(".") for name in source.imports | source.for_types}


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def within(module: str, places: str) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places.split())


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_folder_imports_from_the_floors_below_it_only(path: Path) -> None:
    module = module_of(path)
    folder, *below = module.split(".")
    if folder in ("", "__main__"):
        return
    for other in imports_of(path) - {""}:
        assert within(other, f"{folder} {FLOORS[folder]}"), f"{module} imports {other}"
        if folder == "preprocess" and other.startswith("preprocess."):
            modality = other.split(".")[1] if (PACKAGE / "preprocess" / other.split(".")[1]).is_dir() else ""
            assert modality in ("", below[0]), f"{module} imports another modality: {other}"
            alone = other != "preprocess.hemisphere" or below[0] in ("hemisphere", "eegemg")
            assert alone, f"{module} imports {other}: what two modalities need lies in imaging/ or signals/"


def test_there_is_no_circle() -> None:
    graph = {module: imports_of(path) - {"", module} for module, path in MODULES.items()}
    in_order = list(TopologicalSorter(graph).static_order())  # CycleError names the modules of a circle
    assert set(in_order) - {""} == set(MODULES) - {""}


@pytest.mark.parametrize("path", FILES, ids=module_of)
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
    assert statistics.median(lines) <= 130
    assert statistics.median(sizes) <= 15
    for folder in {path.parent for path in FILES}:
        inside = [path for path in FILES if path.parent == folder and path.name != "__init__.py"]
        assert len(inside) <= 18, f"{folder} has {len(inside)} files"
        prefixes = [path.stem.split("_")[0] for path in inside if "_" in path.stem]
        assert all(prefixes.count(prefix) < 3 for prefix in prefixes), f"{folder}: three of one prefix are a folder"


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=module_of)
def test_a_folder_imports_nothing_of_itself(path: Path) -> None:
    """Importing one module must not import its neighbours."""
    assert imports_of(path) == set()


ELSEWHERE = ("tests", "end_to_end", "helpers", "fuzz")
TESTS = sorted(path for path in (ROOT / "tests").rglob("test_*.py") if path.parent.name not in ELSEWHERE)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_tests_lie_where_the_code_lies(path: Path) -> None:
    place = path.relative_to(ROOT / "tests").parent
    assert (PACKAGE / place / f"{path.stem.removeprefix('test_')}.py").is_file(), "named after a module beside it"
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            first, *rest = (node.module or "").split(".")
            assert first != "bids_stroke" or not [alias.name for alias in node.names if alias.name.startswith("_")]
            assert first != "tests" or rest[0] in ("helpers", "conftest"), "what two test files need is a helper"


def modules_in(path: Path) -> set[str]:
    """Modules of this package that a test file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "bids_stroke":
            base = (node.module or "").removeprefix("bids_stroke").strip(".")
            names = {f"{base}.{alias.name}".strip(".") for alias in node.names}
            found |= (names & set(MODULES)) | {base}
    return found


@pytest.mark.parametrize("folder", sorted(FLOORS))
def test_every_module_is_reached_by_tests_of_its_folder(folder: str) -> None:
    """Or of whole runs: imported by them, or by a module of the folder that is reached."""
    todo = {module for path in (*(ROOT / "tests" / folder).rglob("*.py"), *(ROOT / "tests" / "end_to_end").glob("*.py"))
            for module in modules_in(path)}  # fmt: skip
    reached: set[str] = set()
    while todo := {module for module in todo if within(module, folder)} - reached:
        reached |= todo
        todo = {other for module in todo for other in imports_of(MODULES[module])}
    public = {module for module, path in MODULES.items() if within(module, folder) and path.name != "__init__.py"
              and any(isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
                      for node in ast.parse(path.read_text()).body)}  # fmt: skip
    assert public <= reached, f"no test of tests/{folder}/ reaches {sorted(public - reached)}"


@pytest.mark.parametrize("module", ["", ".cli.app", ".cli.tools", ".app.run", ".networks.registry", ".fusion.fitted"])
def test_importing_is_light(module: str) -> None:
    heavy = HEAVY - ({"numpy", "pandas"} if module == ".fusion.fitted" else set())
    code = f"import sys, bids_stroke{module}; print(' '.join(sorted({heavy!r} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert done.stderr == ""


def test_no_exception_is_swallowed() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                only_pass = all(isinstance(item, ast.Pass | ast.Continue) for item in node.body)
                assert not (only_pass and (node.type is None or "Exception" in ast.unparse(node.type))), path
