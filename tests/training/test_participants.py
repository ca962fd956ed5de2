from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_stroke.training.cohort import Cohort, make_cohort
from bids_stroke.training.participants import cohort_profile, population
from tests.helpers.units import labelled


def cohort_of(folder: Path, n: int) -> Cohort:
    return make_cohort([labelled(folder, f"{i:02d}", float(i % 34), {}) for i in range(n)], "fma_le")


def test_the_profile_is_of_those_who_were_learned_from(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, 60)
    rows = np.arange(60)
    whole = cohort_profile(cohort, ["fa"], {"train": rows})
    assert whole is not None
    assert whole.people == 60
    assert whole.names == ("age", "fma_le_baseline")  # nobody has time since stroke, biomarkers or maps
    part = cohort_profile(cohort, ["fa"], {"train": rows[:30], "validation": rows[30:40], "test": rows[40:]})
    assert part == cohort_profile(cohort_of(tmp_path, 40), ["fa"], {"train": rows[:40]})


def test_of_few_people_there_is_none(tmp_path: Path) -> None:
    assert cohort_profile(cohort_of(tmp_path, 12), [], {"train": np.arange(12)}) is None


@pytest.mark.parametrize(("n", "n_women", "told"), [(60, 20, (20, 40)), (60, 4, (None, None)), (12, 6, (None, None))])
def test_who_might_be_recognised_is_not_counted(tmp_path: Path, n: int, n_women: int, told: tuple[object, ...]) -> None:
    items = [labelled(tmp_path, f"{i:02d}", float(i % 34), {}) for i in range(n)]
    known = [{"age": 60.0, "sex": "F" if i < n_women else "M"} for i in range(n)]
    items = [replace(item, unit=replace(item.unit, covariates=own)) for item, own in zip(items, known, strict=True)]
    found = population(make_cohort(items, "fma_le"))
    assert (found["women"], found["men"]) == told
    assert found["known"]["age"] == n and found["known"]["days_since_stroke"] == 0


def test_a_person_with_several_sessions_is_one_of_the_population(tmp_path: Path) -> None:
    item = labelled(tmp_path, "01", 5.0, {})
    twice = [item, replace(item, unit=replace(item.unit, session="2"))]
    assert population(make_cohort(twice, "fma_le"))["known"]["age"] == 1
