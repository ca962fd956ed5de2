"""What counts as an import of a module, and that nothing is silently left out."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bids_stroke.core.digest import closure, code_digest, digest, foreign_imports, read_source
from bids_stroke.preprocess.registry import STEPS
from tests.conftest import ROOT

PACKAGE = ROOT / "bids_stroke"
STEP_MODULES = [f"bids_stroke.preprocess.{step.name}.step" for step in STEPS.values()]
TOY = {
    "__init__": "from bids_stroke.toy.on_the_way import x",
    "on_the_way": "x = 1",
    "start": '''
        from __future__ import annotations
        from typing import TYPE_CHECKING
        import typing as t
        import bids_stroke.toy.plainly as other
        from bids_stroke.toy import as_a_module, x
        from bids_stroke.toy.by_a_name import thing
        from . import beside
        from .nearby import y
        if TYPE_CHECKING:
            from bids_stroke.toy.for_types import T
            import pandas
        else:
            from bids_stroke.toy.not_for_types import T
        if t.TYPE_CHECKING:
            from bids_stroke.toy.for_types_too import T
        NETWORKS = {"a": "bids_stroke.toy.lazily:Thing", "b": "bids_stroke.toy.lazily_whole"}
        NAME = "start"
        MADE = f"bids_stroke.toy.{NAME}.step"
        def function():
            """See bids_stroke.toy.only_told."""
            try:
                match NAME:
                    case "x":
                        import numpy.linalg
                        from bids_stroke.toy.deep import z
            except ImportError:
                from bids_stroke.toy.caught import z
            finally:
                with open(NAME):
                    from bids_stroke.toy.last import z
        ''',
    "deep": "from bids_stroke.toy.deeper import z",
}
RUN = (
    "plainly", "as_a_module", "by_a_name", "beside", "nearby", "not_for_types", "lazily", "lazily_whole", "deep",
    "deeper", "caught", "last", "on_the_way", "start",
)  # fmt: skip
UNUSED = ("for_types", "for_types_too", "only_told", "step")


def told(folder: Path, expression: str) -> object:
    """An expression of `core.digest`, in a package that lies in ``folder``."""
    code = f"import json; from bids_stroke.core.digest import *; print(json.dumps({expression}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A package with `core` and the modules of `TOY`; those of which nothing is told are empty."""
    package = tmp_path / "bids_stroke"
    shutil.copytree(PACKAGE / "core", package / "core")
    shutil.copy(PACKAGE / "__init__.py", package)
    (package / "toy").mkdir()
    for name in {*TOY, *RUN, *UNUSED}:
        lines = TOY.get(name, "").splitlines()
        text = "\n".join(line.removeprefix(" " * 8) for line in lines) + "\n"
        (package / "toy" / f"{name}.py").write_text(text)
    return tmp_path


def test_every_way_to_import_is_found_and_no_other(toy: Path) -> None:
    expected = ["bids_stroke.toy", *(f"bids_stroke.toy.{name}" for name in RUN)]
    assert told(toy, "closure('bids_stroke.toy.start')") == sorted(expected)
    assert told(toy, "sorted(foreign_imports('bids_stroke.toy.start'))") == ["numpy"]
    types = ["bids_stroke.toy.for_types", "bids_stroke.toy.for_types_too"]
    assert told(toy, "sorted(read_source('bids_stroke.toy.start').for_types)") == types


@pytest.mark.parametrize("name", [*RUN, "__init__", *UNUSED])
def test_a_source_counts_where_it_is_imported(toy: Path, name: str) -> None:
    before = told(toy, "code_digest('bids_stroke.toy.start')")
    with (toy / "bids_stroke" / "toy" / f"{name}.py").open("a") as stream:
        stream.write("# a comment\n")
    assert (told(toy, "code_digest('bids_stroke.toy.start')") != before) == (name not in UNUSED)


@pytest.mark.parametrize("name", ["plainly", "by_a_name", "lazily", "for_types", "deeper"])
def test_a_module_that_is_not_there_is_an_error_that_names_it(toy: Path, name: str) -> None:
    (toy / "bids_stroke" / "toy" / f"{name}.py").unlink()
    importer = "deep" if name == "deeper" else "start"
    said = told(toy, "code_digest('bids_stroke.toy.start')")
    assert f"{importer}.py imports bids_stroke.toy.{name}, which is not there." in said


def test_what_is_asked_for_must_be_there() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"There is no module bids_stroke\.preprocess\.gone"):
        code_digest("bids_stroke.preprocess.gone")


def test_a_digest_keeps_its_parts_apart() -> None:
    assert len({digest("a", "b"), digest("ab"), digest("b", "a"), digest("a", "b", "")}) == 4


@pytest.mark.parametrize("module", STEP_MODULES)
def test_a_step_depends_on_no_other_step(module: str) -> None:
    """Nor on the settings and the registry of all steps; its own settings are in its key by their values."""
    own = module.removesuffix(".step")
    for other in closure(module):
        assert not other.startswith("bids_stroke.core.settings")
        assert other != "bids_stroke.preprocess.registry"
        if other.startswith("bids_stroke.preprocess.") and other != "bids_stroke.preprocess.hemisphere":
            assert other.startswith(own)


@pytest.mark.parametrize("module", ["bids_stroke.ensemble.predict", "bids_stroke.training.trainer"])
def test_prediction_and_training_depend_on_every_network(module: str) -> None:
    names = {path.stem for path in (PACKAGE / "networks").glob("*.py")} - {"__init__", "torch_import", "live_memory"}
    assert {f"bids_stroke.networks.{name}" for name in names} <= set(closure(module))


@pytest.mark.parametrize(
    "module", ["bids_stroke.preprocess.dwi.step", "bids_stroke.preprocess.eegemg.step", "bids_stroke.ensemble.predict"]
)
def test_python_loads_nothing_that_was_not_found(module: str) -> None:
    code = f"import sys, {module}; print(*(n for n in sys.modules if n.startswith('bids_stroke.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= set(closure(module))


def test_only_registries_import_by_texts_that_are_put_together() -> None:
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
                assert isinstance(node.args[0], ast.Constant) or path.stem in ("registry", "__init__"), path


def test_the_package_itself_holds_its_version_only() -> None:
    told, version = ast.parse((PACKAGE / "__init__.py").read_text()).body
    assert isinstance(told, ast.Expr)
    assert ast.unparse(version).startswith("__version__ = ")


def test_the_libraries_of_a_step_are_its_own() -> None:
    assert {"mne", "numpy"} <= foreign_imports("bids_stroke.preprocess.eegemg.step")
    assert "mne" not in foreign_imports("bids_stroke.preprocess.dwi.step")
    assert "json" in read_source("bids_stroke.app.plan").others
    assert "json" not in foreign_imports("bids_stroke.app.plan")
