"""What the group level gathers of people beside their predictions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from bids_stroke.app.cohort.evaluated import Gathered, background_table, evaluated, training_facts
from bids_stroke.app.request import Request
from bids_stroke.bids.sessions import Selection
from bids_stroke.core.outcome import Outcome
from bids_stroke.core.records import MemberPrediction, Prediction, Session, StepReport, UnitStatus
from bids_stroke.core.settings import Execution, Settings
from bids_stroke.core.settings_training import TrainingSettings
from bids_stroke.ensemble.metadata import bundle_digest
from tests.conftest import ROOT
from tests.helpers.predictions import cohort

DEMONSTRATION = ROOT / "bids_stroke" / "data" / "demonstration"


QUICK = Settings(training=TrainingSettings(bootstrap=100, permutations=100))


def request(tmp_path: Path, model: Path | None = None) -> Request:
    return Request("group", tmp_path, Selection(tmp_path), QUICK, Execution(), model=model)


def prediction(sha256: str) -> Prediction:
    model = {"name": "tiny", "version": "1", "sha256": sha256, "demonstration": False, "outcome": "fma_le<=17"}
    members = {"fa_a": MemberPrediction(0.7, 12.0, 3, 1.0, "fa")}
    return Prediction(0.7, (0.5, 0.9), "poor", 12.0, members, {}, model, False)


def test_the_background_is_that_of_tables_and_of_the_mask() -> None:
    known = {
        "age": 61.0,
        "gender": "F",
        "site": 3.0,
        "fma_le_baseline": 9.0,
        "lesion_side": "R",
        "days_since_onset": 40.0,
    }
    sessions = [
        Session("01", "1", covariates=known),
        Session("02", None, covariates={"centre": "Ulm", "lesion_side": "l"}),
    ]
    lesion = StepReport(qc={"lesion_volume_ml": 12.5, "lesion_side_left_fraction": 0.95})
    table = background_table(sessions, {"sub-01_ses-1": {"lesion": lesion}}, "fma_le")
    first, second = table.to_dict("records")
    assert first == {
        "participant_id": "sub-01", "session_id": "ses-1", "age": 61.0, "days_since_stroke": 40.0, "first_score": 9.0,
        "lesion_volume_ml": 12.5, "sex": "female", "lesion_side": "left", "site": "3",
    }  # fmt: skip
    assert (second["site"], second["lesion_side"]) == ("Ulm", "left")
    assert np.isnan([second[name] for name in ("age", "lesion_volume_ml", "first_score")]).all()
    assert pd.isna(second["sex"])


def test_the_facts_of_the_training_are_those_of_the_bundle(tmp_path: Path) -> None:
    digest = bundle_digest(DEMONSTRATION)
    found = training_facts(request(tmp_path, DEMONSTRATION), {"sub-1": prediction(digest)})
    metadata = json.loads((DEMONSTRATION / "configs" / "metadata.json").read_text())
    assert found is not None
    facts, people = metadata["facts"], pd.read_csv(DEMONSTRATION / "out_of_fold.tsv", sep="\t")["participant_hash"]
    assert (found.people, found.out_of_fold) == (len(metadata["participants"]["train"]), people.nunique())
    assert (found.split, found.outer_folds, found.inner_folds) == ("nested", facts["outer_folds"], facts["inner_folds"])
    assert found.out_of_fold > 0 and found.in_several_folds == 0
    assert training_facts(request(tmp_path), {"sub-1": prediction(digest)}) is None


def test_everything_is_there_for_people_with_outcomes(tmp_path: Path) -> None:
    table = cohort(40).assign(session_id=None, in_training_set=False, out_of_fold=False)
    sessions = [Session(name.removeprefix("sub-"), None, covariates={"age": 50.0 + i % 30, "sex": "MF"[i % 2]})
                for i, name in enumerate(table["participant_id"])]  # fmt: skip
    sessions.append(Session("gone", None))
    predictions = {item.prefix: prediction("abc") for item in sessions[:-1]}
    gathered = Gathered(
        sessions, {}, predictions, table, Outcome.parse("fma_le<=17"), [UnitStatus("gone", None, "failed", "no-t1w")]
    )
    found = evaluated(request(tmp_path), gathered)
    assert set(found.subgroups["subgroup"]) == {"sex", "age"}
    assert found.flow.iloc[1].tolist() == ["not_predicted", "no-t1w", 1, 1]
    assert found.flow["units"].iloc[-1] == 40 and len(found.worst) == 10
    assert found.separation[-1].startswith("The model is not at hand")
