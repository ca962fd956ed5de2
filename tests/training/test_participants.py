from __future__ import annotations

from pathlib import Path

import numpy as np

from bids_stroke.training.cohort import Cohort, make_cohort
from bids_stroke.training.participants import cohort_profile
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
