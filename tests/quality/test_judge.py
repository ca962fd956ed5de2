"""Quality rules: every number of every step has one; flags; outliers of a cohort; tables with their sidecars."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.app import run
from bids_stroke.app.participant import write_participant_reports
from bids_stroke.app.request import Request
from bids_stroke.bids.sessions import Selection, find_sessions
from bids_stroke.core.errors import InputError
from bids_stroke.core.records import StepReport, UnitStatus
from bids_stroke.core.settings import Execution, Settings
from bids_stroke.derivatives import manifest, status
from bids_stroke.preprocess.registry import STEPS
from bids_stroke.quality import judge
from bids_stroke.quality.rules import RULES, Rule
from tests.conftest import ROOT
from tests.helpers.bids import make_dataset

STEP_NAMES = tuple(STEPS)


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


CODE = ROOT / "bids_stroke"


def step_of(path: Path) -> str:
    """``dwi`` for preprocess/dwi/tensor/fit.py; a file that belongs to no step alone serves all."""
    return next((name for name in STEP_NAMES if path.is_relative_to(CODE / "preprocess" / name)), "*")


def name_of(path: Path) -> str:
    return path.relative_to(CODE).as_posix()


MODULES = sorted([*(CODE / "preprocess").rglob("*.py"), *(CODE / "imaging").glob("*.py")])
FOUND = {name_of(path): quality_keys(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_quality_number_has_a_rule(path: Path) -> None:
    step = step_of(path)
    known = [key.split("/")[1] for key in RULES if key.split("/")[0] in (step, "*") or step == "*"]
    for pattern in FOUND[name_of(path)]:
        assert any(re.fullmatch(pattern, name) for name in known), f"{path.name}: {pattern} has no rule"


def test_the_search_finds_the_numbers() -> None:
    """The test above would say nothing if it found nothing."""
    by_step = {
        step: set().union(*(FOUND[name_of(p)] for p in MODULES if step_of(p) == step)) for step in (*STEP_NAMES, "*")
    }
    assert {"brain_volume_ml", r"\w+_volume_ml"} <= by_step["anat"]
    assert "lesion_in_brain_fraction" in by_step["lesion"]
    assert "lesion_volume_ml" in by_step["*"]
    assert {"n_directions", "fa_wm_median", "tsnr_b0", "n_shells", "max_framewise_displacement_mm"} <= by_step["dwi"]
    assert {"tsnr_median", "n_runs", "affine_determinant", r"\w+_left_right_z"} <= by_step["bold"]
    assert {r"\w+_mains_ratio_after_db", "duration_s", r"eeg_\w+_relative_power"} <= by_step["eegemg"]
    assert r"\w+_median" in by_step["maps"]
    assert "mirrored" in by_step["*"]


def test_no_rule_is_left_over() -> None:
    for key in RULES:
        step, name = key.split("/")
        patterns = {p for path in MODULES if step in (step_of(path), "*") or step_of(path) == "*"
                    for p in FOUND[name_of(path)]}  # fmt: skip
        assert any(re.fullmatch(pattern, name) for pattern in patterns), f"{key} is measured by no step"


@pytest.mark.parametrize(("key", "rule"), RULES.items())
def test_ranges_are_in_order(key: str, rule: Rule) -> None:
    assert key.split("/")[0] in (*STEP_NAMES, "*")
    assert rule.label and rule.units and rule.meaning
    order = [rule.possible[0], rule.plausible[0], rule.plausible[1], rule.possible[1]]
    given = [value for value in order if value is not None]
    assert given == sorted(given)


RULE = Rule("x", "mm", "x", plausible=(1.0, 2.0), possible=(0.0, None))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, "ok"), (2.0, "ok"), (2.1, "check"), (0.5, "check"), (-0.1, "fail"), (1e9, "check"), (float("nan"), "fail"),
     (float("inf"), "fail")],
)  # fmt: skip
def test_flags(value: float, expected: str) -> None:
    assert judge.flag(value, RULE) == expected


def test_a_number_without_ranges_is_not_judged() -> None:
    assert judge.flag(3.0, Rule("x", "1", "x")) == "n/a"
    assert judge.flag(3.0, None) == "n/a"


def test_the_steps_own_rule_wins_over_the_common_one() -> None:
    assert judge.rule_of("dwi", "mean_framewise_displacement_mm") is RULES["dwi/mean_framewise_displacement_mm"]
    assert judge.rule_of("bold", "mean_framewise_displacement_mm") is RULES["*/mean_framewise_displacement_mm"]
    assert judge.rule_of("lesion", "brain_volume_ml") is None


def test_unusual_is_far_from_the_median_in_a_cohort_of_ten() -> None:
    usual = [-2.0, -1.0, -1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0]  # with a far one: median 0, MAD 1
    limit = 3.5 * 1.4826
    for value, expected in ((limit - 0.1, False), (limit + 0.1, True), (-limit - 0.1, True)):
        nine = [*usual[:8], np.nan, np.nan, 99.0]
        far = judge.unusual(pd.DataFrame({"a": [*usual, value], "b": nine}))
        assert list(far["a"]) == [False] * 10 + [expected]
        assert not far["b"].any()
    assert not judge.unusual(pd.DataFrame({"a": [1.0] * 9 + [2.0]})).any(axis=None)  # no spread


def steps(brain: float = 1500.0, fa: float = 0.5) -> dict[str, StepReport]:
    return {
        "anat": StepReport(qc={"brain_volume_ml": brain}),
        "dwi": StepReport(qc={"fa_wm_median": fa, "fibre_coherence_ratio": 1.0}),
    }


def test_a_units_table_and_its_sidecar(tmp_path: Path) -> None:
    path = judge.write_unit_table(tmp_path / "sub-1_quality.tsv", steps(brain=300.0, fa=0.25))
    table = pd.read_csv(path, sep="\t").set_index("quantity")
    assert table.loc["brain_volume_ml", "flag"] == "fail"
    assert table.loc["fa_wm_median", "flag"] == "check"
    assert table.loc["fibre_coherence_ratio", "flag"] == "ok"
    assert table.loc["brain_volume_ml", "units"] == "ml"
    assert set(json.loads(path.with_suffix(".json").read_text())) == {"quantity", *table.columns}


def test_a_cohorts_table_names_what_is_flagged(tmp_path: Path) -> None:
    units = {(f"{i:02d}", None): steps(brain=1400.0 + 10 * i) for i in range(10)}
    units[("10", "2")] = steps(brain=1900.0)  # plausible, but far from the others
    units[("11", None)] = steps(fa=0.05)
    units[("12", None)] = {"anat": StepReport()}
    path = judge.write_cohort_table(tmp_path / "q.tsv", judge.cohort_table(units))
    table = pd.read_csv(path, sep="\t", keep_default_na=False).set_index("participant_id")
    assert table.loc["sub-03", "flag"] == "ok"
    assert list(table.loc["sub-10", ["session_id", "flag", "unusual", "check"]]) == [
        "ses-2", "check", "anat_brain_volume_ml", "n/a"
    ]  # fmt: skip
    assert list(table.loc["sub-11", ["flag", "fail"]]) == ["fail", "dwi_fa_wm_median"]
    assert table.loc["sub-12", "flag"] == "n/a"
    assert table.loc["sub-12", "anat_brain_volume_ml"] == "n/a"
    described = json.loads(path.with_suffix(".json").read_text())
    assert set(described) == {"participant_id", *table.columns}
    assert described["anat_brain_volume_ml"]["Units"] == "ml"
    assert described["anat_brain_volume_ml"]["PlausibleRange"] == [900.0, 2000.0]


def test_an_empty_cohort_has_a_table() -> None:
    assert list(judge.cohort_table({})) == ["participant_id", "session_id", "flag", "fail", "check", "unusual"]


def test_the_worst_flag() -> None:
    assert judge.worst(["ok", "check", "n/a"]) == "check"
    assert judge.worst(["ok", "fail", "check"]) == "fail"
    assert judge.worst([]) == "n/a"


@pytest.fixture
def made(tmp_path: Path) -> Request:
    """A dataset of a person with two sessions and one without, and what the participant level left of them."""
    names = ["sub-1/ses-a/anat/sub-1_ses-a_T1w", "sub-1/ses-b/anat/sub-1_ses-b_T1w", "sub-2/anat/sub-2_T1w"]
    raw = make_dataset(tmp_path / "raw", {f"{name}.nii.gz": None for name in names})
    out = tmp_path / "out"
    for prefix, brain in (("sub-1_ses-a", 1500.0), ("sub-1_ses-b", 300.0), ("sub-2", 2100.0)):
        for name, report in steps(brain=brain).items():
            done = manifest.make_manifest(out, "key", [], [], report)
            manifest.write_manifest(manifest.manifest_path(out, prefix, name), out, done)
        subject, _, session = prefix.removeprefix("sub-").partition("_ses-")
        status.write_status(out, UnitStatus(subject, session or None, "done"))
    return Request("group", out, Selection(raw), Settings(), Execution(verbosity=-1), validate_bids=False)


def test_reports_come_with_a_table_for_each_unit(made: Request) -> None:
    write_participant_reports(made.output_dir, find_sessions(made.selection), {})
    found = {path.relative_to(made.output_dir).as_posix() for path in made.output_dir.rglob("*_quality.tsv")}
    assert found == {
        "sub-1/ses-a/sub-1_ses-a_quality.tsv",
        "sub-1/ses-b/sub-1_ses-b_quality.tsv",
        "sub-2/sub-2_quality.tsv",
    }
    page = (made.output_dir / "sub-1.html").read_text()
    assert "sub-1/ses-b/sub-1_ses-b_quality.tsv" in page
    assert page.count("Some results cannot be right") == 1


def test_the_group_level_writes_the_cohorts_table_also_without_predictions(made: Request) -> None:
    with pytest.raises(InputError, match="no prediction"):
        run.run(made)
    table = pd.read_csv(made.output_dir / "group_quality.tsv", sep="\t")
    assert list(table["flag"]) == ["ok", "fail", "check"]
    assert list(table["session_id"].fillna("none")) == ["ses-a", "ses-b", "none"]
    assert table["anat_brain_volume_ml"].tolist() == [1500.0, 300.0, 2100.0]
