"""Performance by pattern of missing modalities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, roc_auc_score

from bids_stroke.core.settings import Settings
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.evaluation.bootstrap import Draws
from bids_stroke.evaluation.evaluate import evaluate
from bids_stroke.evaluation.files import write_evaluation
from bids_stroke.evaluation.missing_modalities import COLUMNS, NOTHING, pattern_table
from bids_stroke.report.group import write_group_report

QUICK = Settings(training=TrainingSettings(bootstrap=200, permutations=100))
MODALITY_OF = {"fa_net": "fa", "fa_linear": "fa", "bold": "bold", "eegemg": "eegemg", "clinical": "clinical"}
NO_BOLD = slice(40, 70)


def people() -> pd.DataFrame:
    """Forty people with everything, thirty without BOLD, four with EEG/EMG only, one with covariates only."""
    rng = np.random.default_rng(0)
    n = 75
    poor = (np.arange(n) % 2 == 0).astype(float)
    table = pd.DataFrame({"participant_id": [f"sub-{i:02d}" for i in range(n)], "poor": poor})
    table["probability_poor"] = np.clip(0.5 + 0.2 * (poor - 0.5) + rng.normal(0, 0.15, n), 0, 1)
    for member in MODALITY_OF:
        table[f"p_{member}"] = rng.random(n)
    table.loc[40:69, "p_bold"] = np.nan
    table.loc[70:, ["p_bold", "p_fa_net", "p_fa_linear"]] = np.nan
    table.loc[60, "p_fa_linear"] = np.nan  # one of two members of a modality: the modality is there
    table.loc[74, "p_eegemg"] = np.nan
    return table


def test_people_are_counted_by_what_they_have() -> None:
    table = pattern_table(people(), MODALITY_OF, Draws(200, 0))
    assert list(table.columns) == list(COLUMNS)
    exact = table[table["kind"] == "pattern"].set_index("modalities")["n"]
    assert exact.to_dict() == {"fa bold eegemg": 40, "fa eegemg": 30, "eegemg": 4, NOTHING: 1}
    assert list(exact) == [40, 30, 4, 1]
    others = table[table["kind"] != "pattern"].set_index(["kind", "modalities"])["n"]
    assert others.to_dict() == {
        ("with", "fa"): 70, ("without", "fa"): 5, ("with", "bold"): 40, ("without", "bold"): 35,
        ("with", "eegemg"): 74, ("without", "eegemg"): 1,
    }  # fmt: skip


def test_values_are_scikit_learns_on_those_people() -> None:
    cohort = people()
    row = (
        pattern_table(cohort, MODALITY_OF, Draws(200, 0)).set_index(["kind", "modalities"]).loc["pattern", "fa eegemg"]
    )
    own = cohort[NO_BOLD]
    assert row["auc"] == pytest.approx(roc_auc_score(own["poor"], own["probability_poor"]))
    assert row["brier"] == pytest.approx(brier_score_loss(own["poor"], own["probability_poor"]))
    said = own["probability_poor"] >= 0.5
    assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(own["poor"], said))
    for metric in ("auc", "brier", "balanced_accuracy"):
        assert row[f"{metric}_low"] < row[metric] < row[f"{metric}_high"]
    assert row["reason"] == ""


def test_too_few_people_of_a_pattern_have_no_value_but_a_reason() -> None:
    table = pattern_table(people(), MODALITY_OF, Draws(200, 0)).set_index("modalities").loc["eegemg"]
    few = table[table["kind"] == "pattern"].iloc[0]
    assert few[["auc", "auc_low", "balanced_accuracy", "brier", "brier_high"]].isna().all()
    assert few["reason"] == "too few participants (4 of at least 10)"


def test_without_members_or_people_there_is_no_table() -> None:
    cohort = people()
    assert pattern_table(cohort[["participant_id", "poor", "probability_poor"]], {}, Draws(200, 0)).empty
    assert pattern_table(cohort.head(0), MODALITY_OF, Draws(200, 0)).empty
    only_clinical = cohort[["participant_id", "poor", "probability_poor", "p_clinical"]]
    assert pattern_table(only_clinical, MODALITY_OF, Draws(200, 0)).empty


def test_everybody_with_everything_is_one_row() -> None:
    table = pattern_table(people().head(40), MODALITY_OF, Draws(200, 0))
    assert table["modalities"].tolist() == ["fa bold eegemg"]


def test_table_is_written_and_shown(tmp_path: Path) -> None:
    cohort = people()
    evaluation = evaluate(cohort, QUICK, MODALITY_OF)
    write_evaluation(tmp_path, "group", evaluation)
    path = dataset_file(tmp_path, "patterns", name="group")
    written = pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)
    assert written["modalities"].tolist() == evaluation.patterns["modalities"].tolist()
    assert '"patterns": [' in dataset_file(tmp_path, "evaluation", name="group").read_text()
    page = write_group_report(tmp_path, evaluation, cohort).read_text()
    row = evaluation.patterns.iloc[1]
    assert "exactly fa eegemg" in page and "all without bold" in page
    assert f"{row['auc_low']:.2f} to {row['auc_high']:.2f}" in page
