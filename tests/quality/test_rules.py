"""Every quality number of every step has a rule, and every rule a number."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bids_stroke.preprocess.registry import STEPS
from bids_stroke.quality.rules import RULES, Rule
from tests.conftest import ROOT

PACKAGE = ROOT / "bids_stroke"
STEP_NAMES = tuple(step.name for step in STEPS.values())


def is_of_numbers(function: ast.FunctionDef) -> bool:
    return function.returns is not None and "dict[str, float]" in ast.unparse(function.returns)


def key_pattern(key: ast.expr | None) -> str | None:
    """A key of a dict as a regular expression: what an f-string inserts may be any word."""
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return re.escape(key.value)
    if isinstance(key, ast.JoinedStr):
        parts = [re.escape(str(p.value)) if isinstance(p, ast.Constant) else r"\w+" for p in key.values]
        return "".join(parts)
    return None


def quality_dicts(tree: ast.AST) -> Iterator[ast.AST]:
    """Code that makes quality numbers: what goes into ``qc``, and what functions return that give a dict of floats."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "qc":
            yield node.value
        elif isinstance(node, ast.FunctionDef) and is_of_numbers(node):
            returned = [child for child in ast.walk(node) if isinstance(child, ast.Return)]
            yield from returned
            names = {name.id for part in returned for name in ast.walk(part) if isinstance(name, ast.Name)}
            yield from assigned(node, names)
            yield from (child.iter for child in ast.walk(node) if isinstance(child, ast.For))  # names looped over
    yield from assigned(tree, {"qc", "counts"})


def assigned(tree: ast.AST, names: set[str]) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if names & {ast.unparse(target).split("[")[0] for target in targets}:
                yield node


def quality_keys(path: Path) -> set[str]:
    """Patterns of the names of quality numbers that a module makes."""
    found: set[str | None] = set()
    for part in quality_dicts(ast.parse(path.read_text())):
        for node in ast.walk(part):
            if isinstance(node, ast.Dict):
                found |= {key_pattern(key) for key in node.keys}
            elif isinstance(node, ast.DictComp):
                found.add(key_pattern(node.key))
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
                found.add(key_pattern(node.slice))
            elif isinstance(node, ast.Tuple) and isinstance(part, ast.Tuple) and node is not part:
                looped = {key_pattern(item) for item in node.elts[1:]}
                found |= {key for key in looped if key and "_" in key}  # names of numbers, not of tissues
    return {key for key in found if key}


def step_of(path: Path) -> str:
    """``dwi`` for preprocess/dwi/tensor/fit.py; a file that belongs to no step alone serves all."""
    folder = path.relative_to(PACKAGE).parts[1]
    return folder if folder in STEP_NAMES else "*"


MODULES = sorted(
    path
    for folder in ("preprocess", "imaging")
    for path in (PACKAGE / folder).rglob("*.py")
    if path.name != "__init__.py" and path.parent.name != "biomarkers"  # numbers of people, not of quality
)
FOUND = {path: quality_keys(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_every_quality_number_has_a_rule(path: Path) -> None:
    step = step_of(path)
    known = [key.split("/")[1] for key in RULES if key.split("/")[0] in (step, "*") or step == "*"]
    for pattern in FOUND[path]:
        assert any(re.fullmatch(pattern, name) for name in known), f"{path.name}: {pattern} has no rule"


def test_the_search_finds_the_numbers() -> None:
    """The test above would say nothing if it found nothing."""
    by_step = {step: set().union(*(FOUND[p] for p in MODULES if step_of(p) == step)) for step in (*STEP_NAMES, "*")}
    assert {"brain_volume_ml", r"\w+_volume_ml"} <= by_step["anat"]
    assert "lesion_in_brain_fraction" in by_step["lesion"]
    assert {"lesion_volume_ml", "lesion_image_fit"} <= by_step["lesion"]
    assert "mirrored" in by_step["*"]
    assert {"n_directions", "fa_wm_median", "tsnr_b0", "n_shells", "max_framewise_displacement_mm"} <= by_step["dwi"]
    assert {"tsnr_median", "n_runs", "affine_determinant", r"\w+_left_right_z"} <= by_step["bold"]
    assert {r"\w+_mains_ratio_after_db", "duration_s", r"eeg_\w+_relative_power"} <= by_step["eegemg"]
    assert r"\w+_median" in by_step["maps"]
    assert "mirrored" in by_step["*"]


def test_no_rule_is_left_over() -> None:
    for key in RULES:
        step, name = key.split("/")
        patterns = {p for path in MODULES if step in (step_of(path), "*") or step_of(path) == "*"
                    for p in FOUND[path]}  # fmt: skip
        assert any(re.fullmatch(pattern, name) for pattern in patterns), f"{key} is measured by no step"


@pytest.mark.parametrize(("key", "rule"), RULES.items())
def test_ranges_are_in_order(key: str, rule: Rule) -> None:
    assert key.split("/")[0] in (*STEP_NAMES, "*")
    assert rule.label and rule.units and rule.meaning
    order = [rule.possible[0], rule.plausible[0], rule.plausible[1], rule.possible[1]]
    given = [value for value in order if value is not None]
    assert given == sorted(given)
