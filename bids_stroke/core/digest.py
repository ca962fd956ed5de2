"""Digests of texts, and of a module's source with all that it imports: what tells whether a result is still current.

Imports are found by reading the sources, so there is no list to keep. What counts as an import of a module:

* an import statement anywhere in the file, also within a function;
* a text that is exactly the name of a module of this package, or ``module:Name``: what registries load lazily;
* the ``__init__`` of each package on the way, because Python runs it.

What does not count: imports under ``if TYPE_CHECKING:``, which never run; texts that are put together
(``f"bids_stroke.preprocess.{name}.step"``), or each step would import all others; and the ``__init__`` of the package
itself, which holds its version only: a release by itself changes no result.

Any other change of a source counts, also one of a comment: to tell harmless changes from others is not for a program.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The folder of the package."""
PACKAGE = ROOT.name
_NAMED = re.compile(rf"({PACKAGE}(?:\.\w+)+)(:\w+)?")
_MAY_NAME = re.compile(rf"[\"']{PACKAGE}\.\w".encode())


@dataclass(frozen=True)
class Source:
    """What a file of this package holds, as far as digests need it."""

    sha256: str
    imports: frozenset[str]
    """Modules of this package."""
    for_types: frozenset[str]
    """Modules of this package that are imported for type checkers only."""
    others: frozenset[str]
    """First names of the other modules that it imports: ``numpy``, ``json``."""


def digest(*parts: str) -> str:
    """sha256 of several texts.

    >>> digest("a", "b") == digest("ab")
    False
    """
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def code_digest(*modules: str) -> str:
    """sha256 of the sources of modules and of all that they import.

    Parameters
    ----------
    *modules : str
        Names with dots: ``"bids_stroke.preprocess.dwi.step"``.

    Raises
    ------
    ModuleNotFoundError
        A module, or one that is imported, is not there.
    """
    return digest(*(part for module in closure(*modules) for part in (module, read_source(module).sha256)))


@cache
def closure(*modules: str) -> tuple[str, ...]:
    """The modules of this package that these are or import, directly or through others, in order of their names.

    Raises
    ------
    ModuleNotFoundError
        A module, or one that is imported, is not there.
    """
    found: set[str] = set()
    waiting = set(modules)
    while waiting - {PACKAGE}:
        module = (waiting - {PACKAGE}).pop()
        found.add(module)
        waiting |= {*read_source(module).imports, module.rpartition(".")[0]}
        waiting -= found
    return tuple(sorted(found))


def foreign_imports(*modules: str) -> set[str]:
    """First names of the modules outside this package and Python itself that these import, directly or not."""
    names = {name for module in closure(*modules) for name in read_source(module).others}
    return names - sys.stdlib_module_names


@cache
def read_source(module: str) -> Source:
    """Read a module's file and find what it imports.

    Raises
    ------
    ModuleNotFoundError
        The module, or one that it imports from this package, is not there.
    """
    path = _file(module)
    if path is None:
        raise ModuleNotFoundError(f"There is no module {module} in {ROOT}.", name=module)
    content = path.read_bytes()
    tree = ast.parse(content)
    inside = module if path.name == "__init__.py" else module.rpartition(".")[0]
    run: set[str] = set()
    typed: set[str] = set()
    for node, runs in _statements(tree.body):
        (run if runs else typed).update(_imported(node, inside))
    own = {name for name in run if _is_own(name)} | set(_named_in_texts(tree, content))
    types = {name for name in typed if _is_own(name)} - own
    missing = sorted(name for name in own | types if _file(name) is None)
    if missing:
        raise ModuleNotFoundError(f"{path} imports {missing[0]}, which is not there.", name=missing[0])
    others = frozenset(name.split(".")[0] for name in run if not _is_own(name))
    return Source(hashlib.sha256(content).hexdigest(), frozenset(own), frozenset(types), others)


def _is_own(name: str) -> bool:
    return name.split(".")[0] == PACKAGE


@cache
def _file(module: str) -> Path | None:
    path = ROOT.parent.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _statements(body: Iterable[ast.AST], runs: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    """Statements at any depth, and whether they ever run: those under TYPE_CHECKING do not."""
    for node in body:
        yield node, runs
        typed = isinstance(node, ast.If) and ast.unparse(node.test).split(".")[-1] == "TYPE_CHECKING"
        for part in ("body", "handlers", "cases"):
            yield from _statements(getattr(node, part, ()), runs and not typed)
        for part in ("orelse", "finalbody"):
            yield from _statements(getattr(node, part, ()), runs)


def _imported(node: ast.AST, inside: str) -> Iterator[str]:
    """Modules that a statement imports: of ``from bids_stroke.x import y`` y, where that is a module, else x."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = resolve_name("." * node.level + (node.module or ""), inside)
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            yield inner if _is_own(base) and _file(inner) else base


def _named_in_texts(tree: ast.Module, content: bytes) -> Iterator[str]:
    if not _MAY_NAME.search(content):  # walking all of a tree takes as long as reading it
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (found := _NAMED.fullmatch(node.value)):
            module, name = found.groups()
            if name or _file(module):  # without a name it may be another text, such as that of a logger
                yield module
