"""Quality numbers judged by rule: flags, outliers of a cohort, tables with their sidecars."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.core.records import StepReport
from bids_stroke.quality import judge
from bids_stroke.quality.rules import RULES, Rule
from tests.helpers.quality import quality_steps

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


def test_a_units_table_and_its_sidecar(tmp_path: Path) -> None:
    path = judge.write_unit_table(tmp_path / "sub-1_quality.tsv", quality_steps(brain=300.0, fa=0.25))
    table = pd.read_csv(path, sep="\t").set_index("quantity")
    assert table.loc["brain_volume_ml", "flag"] == "fail"
    assert table.loc["fa_wm_median", "flag"] == "check"
    assert table.loc["fibre_coherence_ratio", "flag"] == "ok"
    assert table.loc["brain_volume_ml", "units"] == "ml"
    assert set(json.loads(path.with_suffix(".json").read_text())) == {"quantity", *table.columns}


def test_a_cohorts_table_names_what_is_flagged(tmp_path: Path) -> None:
    units = {(f"{i:02d}", None): quality_steps(brain=1400.0 + 10 * i) for i in range(10)}
    units[("10", "2")] = quality_steps(brain=1900.0)  # plausible, but far from the others
    units[("11", None)] = quality_steps(fa=0.05)
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
    assert judge.worst_flag(["ok", "check", "n/a"]) == "check"
    assert judge.worst_flag(["ok", "fail", "check"]) == "fail"
    assert judge.worst_flag([]) == "n/a"
