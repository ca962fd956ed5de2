"""Numbers of a bundle's metadata as lines of Markdown."""

from __future__ import annotations

from bids_stroke.ensemble.card.words import known, measured

AGE = {"name": "age", "cube_root": False, "quantiles": [40.0, 45.0, 60.0, 66.0, 72.0, 80.0, 86.0], "people": 55}


def test_the_population_is_told_by_quantiles_of_many_people_never_by_the_ends() -> None:
    told = {"known": {"age": 55, "sex": 50, "days_since_stroke": 3}, "women": 20, "men": 30}
    rows = known(told, [AGE], 60)
    assert rows == [
        "| women | 40% | | 50 of 60 |",
        "| time since stroke | | | 3 of 60 |",
        "| age (years) | 66 | 45 to 80 | 55 of 60 |",
    ]
    assert "| sex | | | 50 of 60 |" in known(told | {"women": None}, [], 60)


def test_figures_have_their_intervals_or_say_that_there_are_none() -> None:
    assert measured({}) == []
    few = {"participants": 4, "poor": 1, "quantities": {}}
    assert measured(few)[-1] == "They are too few for any figure."
    both = {"auc": [0.8, 0.7, 0.9], "brier": [0.15, None, None]}
    assert measured(few | {"quantities": both})[-2:] == [
        "| AUC | 0.800 | 0.700 to 0.900 |",
        "| Brier score | 0.150 | – |",
    ]
