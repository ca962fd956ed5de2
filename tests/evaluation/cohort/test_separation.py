"""What is said to have been kept apart."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from bids_stroke.evaluation.cohort.separation import TrainingFacts, separation

FACTS = TrainingFacts(40, "nested", 5, 3, 2, 40, 0)


def table() -> pd.DataFrame:
    people = pd.DataFrame({"participant_id": [f"sub-{i}" for i in range(9)], "poor": [0.0, 1.0, 0.0] * 3})
    people = people.assign(probability_poor=0.5, excluded=None, in_training_set=[True] * 4 + [False] * 3 + [None] * 2)
    people["out_of_fold"] = people["in_training_set"].eq(True)
    people.loc[3, ["probability_poor", "excluded", "out_of_fold"]] = None, "in-training-set", False
    return people


def test_each_kind_of_people_has_its_count() -> None:
    said = separation(table(), FACTS)
    assert (
        said[0].startswith("3 people of the training cohort") and "3 of their 3 predictions are out of fold" in said[0]
    )
    assert said[1].startswith("3 people new to the model") and "of its 40 training people" in said[1]
    assert said[2].startswith("Of 2 people nobody knows")
    assert said[3].startswith("Without an out-of-fold prediction at hand, and so counted nowhere: 1 person")
    assert "5 folds by participant, 2 times: 0 of 40 people stand in two folds" in said[4]
    assert "3 inner folds" in said[5]


def test_what_is_not_so_is_said() -> None:
    in_sample = table().assign(out_of_fold=False)
    assert "0 of their 3 predictions are out of fold" in separation(in_sample, FACTS)[0]
    assert any("not sound: 2 people of 40" in text for text in separation(table(), replace(FACTS, in_several_folds=2)))
    assert separation(table(), None)[-1].startswith("The model is not at hand")
    assert "divided once" in separation(table(), replace(FACTS, split="fixed"))[-1]
    assert "not trained by this app" in separation(table(), replace(FACTS, split=""))[-1]
