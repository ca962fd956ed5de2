"""An evaluation with who its people are, and its files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from bids_stroke.evaluation.cohort.describe import described
from bids_stroke.evaluation.evaluate import evaluate, evaluate_apart
from bids_stroke.evaluation.files import write_evaluation
from tests.helpers.background import background_of
from tests.helpers.predictions import QUICK, cohort


def test_each_kind_of_people_is_described_by_itself_and_written(tmp_path: Path) -> None:
    table = cohort(120).assign(in_training_set=np.arange(120) < 70)
    background = background_of(table)
    plain = evaluate_apart(table, QUICK)
    found = described(plain, table, background, QUICK, {})
    assert [part.people for part in found.parts] == ["internal", "external"]
    for part, n in zip(found.parts, (70, 50), strict=True):
        own = part.characteristics.query("characteristic == 'site' and outcome == 'all'")
        assert own["count"].sum() == n and part.subgroups.query("subgroup == 'site'")["n"].sum() == n
        assert len(part.worst) == 10
        pd.testing.assert_frame_equal(part.metrics, plain.parts[part.people == "external"].metrics)
    write_evaluation(tmp_path, "group", found)
    names = {path.name for path in tmp_path.iterdir()}
    tables = ("characteristics", "subgroups", "thresholds", "decision_curve")
    assert {f"group_{name}.tsv" for name in tables} <= names
    subgroups = pd.read_csv(tmp_path / "group_subgroups.tsv", sep="\t", na_values="n/a")
    assert set(subgroups["cohort"]) == {"internal", "external"}
    content = json.loads((tmp_path / "group_evaluation.json").read_text())
    assert len(content["worst"]) == 20 and {row["cohort"] for row in content["confusion"]} == {"internal", "external"}
    assert "decision_curve" not in content
    write_evaluation(tmp_path, "group", evaluate(table.head(6), QUICK))
    assert not any((tmp_path / f"group_{name}.tsv").exists() for name in tables)


def test_without_outcomes_there_is_nobody_to_describe() -> None:
    table = cohort(12).assign(poor=np.nan)
    found = described(evaluate_apart(table, QUICK), table, background_of(table), QUICK, {})
    assert found.n == 0 and found.characteristics.empty
