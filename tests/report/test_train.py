"""The page of a training: people, members, folds, time, what a report must tell, and links that lead somewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bids_stroke.evaluation.bootstrap import Draws
from bids_stroke.evaluation.evaluate import evaluate
from bids_stroke.report.train import PAIR_METRICS, MemberRow, Training, fold_rows, pair_rows, write_train_report
from tests.helpers.evaluated import QUICK, cohort
from tests.helpers.pages import Page

FACTS = {
    "participants": 60, "units": 62, "units_with_poor_outcome": 30, "split": "nested", "repeats": 1,
    "population": {"known": {"age": 58, "days_since_stroke": 0}, "women": None, "men": None},
}  # fmt: skip


def out_of_fold() -> pd.DataFrame:
    return cohort().assign(dataset="tiny", session_id=None, repeat=0, fold=np.arange(60) % 5)


def training(**changes: object) -> Training:
    curves = pd.DataFrame(
        {"member": "fa", "outer_fold": 0, "inner_fold": 0, "epoch": [1, 2], "loss": [0.7, 0.6], "chosen": [False, True]}
    )
    names = ["nested choice", "fa", "gm", "fa+gm"]
    sets = pd.DataFrame({"members": names, "n_members": 1, "auc_inner": 0.7, "auc_test": 0.6, "times_chosen": 1})
    found = Training(
        name="mine",
        facts=FACTS,
        members=[MemberRow("fa", "fa", "cbam_resnet3d", 0.75, 55, 7260.0), MemberRow("gm", "gm", "", None, None, 3.0)],
        left_out={"gm": "it earned 0.001 of the weight"},
        not_used={"the outcome is not known": 7},
        out_of_fold=out_of_fold(),
        curves=curves,
        subsets=sets,
        seconds=7300.0,
        minutes={"fa": 130.0},
        max_minutes=200.0,
        settings="seed: 0",
        command="bids_stroke /data /out train",
        audits={"fa": ["They look outside the brain."], "lstm": []},
        tripod=[("17", "ethical approval", "", "to do by the authors")],
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def test_the_page_tells_who_was_trained_and_what_became_of_the_members(tmp_path: Path) -> None:
    path = write_train_report(tmp_path, evaluate(cohort(), QUICK), training())
    assert path == tmp_path / "train_mine.html"
    page = Page(path)
    for text in (
        "60 people, 62 examinations, 30 of them with a poor outcome. AUC of the fusion 0.",
        "Not trained on: 7, the outcome is not known.", "age 58, time since stroke 0.",
        "they have nothing that a member reads: 2 examinations",
        "fa 0.750 fractional anisotropy (DWI) cbam_resnet3d 55 2 h 1 min", "not kept",
        "gm it earned 0.001 of the weight", "2 h 2 min in this run", "200 minutes", "fa 130.", "17 ethical approval",
        "bids_stroke /data /out train", "Fold by fold", "fa + gm",
        "fa They look outside the brain.", "lstm Nothing against it.",
    ):  # fmt: skip
        assert text in page.text, text
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources) and len(page.sources) == 7
    assert b"http" not in re.sub(rb"base64,[\w+/=]+", b"", path.read_bytes())
    assert 'href="models/mine/docs/model_card.md"' in path.read_text()


def test_what_is_hostile_is_text(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    rows = [MemberRow(bad, bad, bad, 1.0, 1, 1.0)]
    told = training(
        members=rows,
        left_out={bad: bad},
        not_used={bad: 1},
        settings=bad,
        command=bad,
        tripod=[(bad, bad, bad, bad)],
        audits={bad: [bad]},
    )
    text = write_train_report(tmp_path, evaluate(cohort(), QUICK), told).read_text()
    assert "<script" not in text and text.count("&lt;script") >= 12


def test_of_few_people_the_page_says_why_there_are_no_figures(tmp_path: Path) -> None:
    few = cohort(8)
    page = Page(write_train_report(tmp_path, evaluate(few, QUICK), training(curves=training().curves.head(0))))
    assert "No figures: " in page.text and "No metrics are given" in page.text and "Loss curves" not in page.text


def test_the_auc_of_a_fold_is_that_of_its_people() -> None:
    table = pd.DataFrame(
        {
            "dataset": "d", "participant_id": ["a", "a", "b", "c", "d"], "repeat": 0, "fold": [0, 0, 0, 0, 1],
            "poor": [1, 1, 0, 0, 1], "probability_poor": [0.9, 0.1, 0.4, 0.6, 0.5],
        }
    )  # fmt: skip
    first, second = fold_rows(table)
    assert (first["repeat"], first["fold"], first["n"], first["n_poor"]) == (1, 1, 3, 1)
    assert first["auc"] == pytest.approx(0.5)  # the mean of a's sessions lies between b and c
    assert np.isnan(second["auc"])


def test_pairs_are_told_on_the_people_who_have_both(tmp_path: Path) -> None:
    table = out_of_fold()
    table["p_lstm"] = table["p_fa"].where(np.arange(60) >= 15)
    rows = [MemberRow(name, kind, "", 0.5, 60, 1.0) for name, kind in (("fa", "fa"), ("lstm", "eegemg"), ("x", "gm"))]
    told = training(out_of_fold=table, members=rows)
    (pair,) = pair_rows(told, Draws(100, 0))  # x said nothing
    alone = evaluate(table[np.arange(60) >= 15], QUICK).metrics.set_index(["model", "metric"])["value"]
    assert (pair["name"], pair["n"]) == ("fa + lstm", 45)
    assert pair["cells"][PAIR_METRICS.index("auc")][0] == f"{alone[('fa', 'auc')]:.2f}"  # the mean of twice the same
    assert "fa + lstm 45" in Page(write_train_report(tmp_path, evaluate(table, QUICK), told)).text
    many = [MemberRow(f"m{i}", f"kind{i}", "", 0.1, 60, 1.0) for i in range(6)]
    wide = table.assign(**{f"p_m{i}": table["p_fa"] for i in range(6)})
    assert pair_rows(training(out_of_fold=wide, members=many), Draws(100, 0)) == []
