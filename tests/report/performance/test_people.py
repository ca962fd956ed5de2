"""What the page says of the people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from bids_stroke.evaluation.cohort.describe import described
from bids_stroke.evaluation.cohort.flow import flow_table
from bids_stroke.evaluation.cohort.separation import separation
from bids_stroke.evaluation.evaluate import Evaluation, evaluate_apart
from bids_stroke.report.group import write_group_report
from bids_stroke.report.performance import people
from tests.helpers.background import background_of
from tests.helpers.pages import Page
from tests.helpers.predictions import QUICK, cohort

HOSTILE = "<script>window.hacked = 1</script>"


def evaluated(site: str = "Ulm") -> Evaluation:
    table = cohort(120).assign(in_training_set=np.arange(120) < 70, out_of_fold=np.arange(120) < 70)
    return described(evaluate_apart(table, QUICK), table, background_of(table, site=site), QUICK, {})


def test_table_one_has_a_block_for_each_kind_of_people() -> None:
    found = evaluated()
    shown = people.table_one(found.parts, {"internal": "Inside", "external": "New"})
    assert shown is not None
    assert [block["title"] for block in shown["blocks"]] == ["Inside", "New"]
    assert [n for _, n in shown["blocks"][0]["columns"]] == [70 - found.n_poor, found.n_poor, 70]
    rows = {row["name"]: row["blocks"] for row in shown["rows"]}
    assert all(len(blocks) == 2 and len(blocks[0]["cells"]) == 3 for blocks in rows.values())
    women = found.characteristics.query("characteristic == 'sex' and level == 'female' and outcome == 'all'").iloc[0]
    assert rows["Sex: female"][0]["cells"][2] == f"{women['count']:.0f} ({100 * women['share']:.0f} %)"
    assert rows["Sex: female"][0]["missing"] == str(women["n_missing"])
    age = found.characteristics.query("characteristic == 'age' and outcome == 'poor'").iloc[0]
    assert rows["Age, years"][0]["cells"][1].startswith(f"{age['median']:g} (")
    assert "First lower-limb Fugl-Meyer score (FMA-LE)" in rows
    assert people.table_one([replace(found, characteristics=found.characteristics.head(0))], {}) is None


def test_the_page_shows_them_escaped_with_links_to_the_worst(tmp_path: Path) -> None:
    table = cohort(120).assign(in_training_set=np.arange(120) < 70, out_of_fold=np.arange(120) < 70)
    units = [(name, None) for name in table["participant_id"]] + [("sub-late", None)]
    found = replace(
        evaluated(HOSTILE),
        flow=flow_table(units, {("sub-late", None): "no-t1w"}, table),
        separation=separation(table, None),
    )
    path = write_group_report(tmp_path, found, table)
    page = Page(path)
    assert f"Site: {HOSTILE}" in page.text and HOSTILE not in path.read_text()
    links = [link for link in page.links if link.startswith("sub-")]
    assert [row["participant_id"] + ".html" for row in found.worst.to_dict("records")] == links[:10]
    assert "Selected 121 121 without a current prediction: there is no T1-weighted image −1 (1)" in page.text
    assert "Evaluated: training cohort, out of fold 70 70 Evaluated: new people 50 50" in page.text
    assert "70 of their 70 predictions are out of fold" in page.text
    assert "Small numbers: this describes, it does not prove." in page.text
    assert page.text.index("Which limit to act on") < page.text.index("Who these people are (Table 1)")


def test_a_reason_without_words_of_its_own_is_told_as_it_is() -> None:
    flow = flow_table([("a", None), ("b", None)], {("b", None): "features-only"}, cohort(1).assign(participant_id="a"))
    texts = [row["text"] for row in people.flow_in_words(flow)]
    assert texts[1] == "without a current prediction: only features were made, without a model"
