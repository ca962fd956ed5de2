"""Contributions add up to the index, and each is what its number does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_stroke.ensemble.contributions import THE_REST, Numbers, Told, contributions
from bids_stroke.fusion.fitted import Fusion, Scale

RNG = np.random.default_rng(5)
NUMBERS = Numbers(
    names=("whole brain", "tract", "age"),
    modalities=("lesion", "lesion", "clinical"),
    columns=RNG.normal(size=3),
    centre=RNG.normal(size=3),
    spread=np.array([1.0, 2.0, 0.5]),
    weight=RNG.normal(size=(2, 3)) / 3,
    bias=np.array([0.2, -0.1]),
    score=(20.0, 5.0),
)
FUSION = Fusion(
    {"linear": 0.5, "cnn": 0.3, "absent": 0.2}, (Scale((0.1, 0.8), (19.0, -4.0)), Scale((0.0, 1.0)), Scale((0.0, 1.0)))
)


def outputs(numbers: Numbers) -> tuple[float, float]:
    """Probability and score of a linear member."""
    logit, score = numbers.weight @ ((numbers.columns - numbers.centre) / numbers.spread) + numbers.bias
    return float(1 / (1 + np.exp(-logit))), float(score * numbers.score[1] + numbers.score[0])


def told(numbers: Numbers = NUMBERS) -> list[Told]:
    return [Told("linear", "lesion", *outputs(numbers), numbers), Told("cnn", "fa", 0.7, float("nan"))]


def index(numbers: Numbers = NUMBERS) -> float:
    said = {one.name: (one.probability, one.score) for one in told(numbers)}
    table = np.array([said.get(name, (np.nan, np.nan)) for name in FUSION.weights])[None]
    return float(FUSION.index(table[..., 0], table[..., 1])[0])


def test_they_add_up_to_the_index() -> None:
    rows = contributions(FUSION, told())
    assert sum(row.moves for row in rows) == pytest.approx(index(), abs=1e-9)
    assert [(row.member, row.name) for row in rows] == [
        ("", ""), ("linear", "whole brain"), ("linear", "tract"), ("linear", "age"), ("cnn", ""),
    ]  # fmt: skip
    assert rows[3].modality == "clinical"


def test_a_number_moves_the_index_by_what_it_says() -> None:
    """Taken back to the mean of the training, it moves the index back by its contribution."""
    rows = {row.name: row for row in contributions(FUSION, told()) if row.member == "linear"}
    for i, name in enumerate(NUMBERS.names):
        columns = NUMBERS.columns.copy()
        columns[i] = NUMBERS.centre[i]
        assert index() - index(replace(NUMBERS, columns=columns)) == pytest.approx(rows[name].moves, abs=1e-9)
        assert rows[name].value == NUMBERS.columns[i]


def test_what_a_mean_over_windows_adds_is_told_apart() -> None:
    """The mean of probabilities of windows is not the probability of their mean."""
    probability, score = outputs(NUMBERS)
    windows = [Told("linear", "eegemg", probability + 0.05, score, NUMBERS)]
    rows = contributions(FUSION, windows)
    assert rows[-1].name == THE_REST
    own = FUSION.scales[0].degree(np.array([probability + 0.05]), np.array([score]))[0]
    assert sum(row.moves for row in rows) == pytest.approx(own, abs=1e-9)


def test_without_scales_there_are_none() -> None:
    assert contributions(Fusion({"linear": 1.0}), told()[:1]) == ()
