from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bids_stroke.ensemble.profile import LEAST_PEOPLE, CohortProfile, Range, fit_profile
from tests.helpers.cohorts import NAMES, SKEWED, people_in_numbers


def profile_of(values: np.ndarray, people: Sequence[str] = ()) -> CohortProfile:
    found = fit_profile(NAMES, SKEWED, values, people or [str(i) for i in range(len(values))])
    assert found is not None
    return found


def flagged(profile: CohortProfile, rows: np.ndarray) -> np.ndarray:
    """(rows, numbers) whether a number is beyond the limit."""
    index = [NAMES.index(name) for name in profile.names]
    far = [[one.distance(row[j]) for one, j in zip(profile.ranges, index, strict=True)] for row in rows]
    return np.array(far) > profile.limit


@pytest.mark.parametrize(("n", "most"), [(48, 0.05), (400, 0.03)])
def test_people_like_the_cohort_are_rarely_flagged(n: int, most: float) -> None:
    """Mean over eight cohorts of the share of new people with at least one of thirty numbers beyond the limit."""
    shares, single = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        found = flagged(profile_of(people_in_numbers(n, rng)), people_in_numbers(300, rng))
        shares.append(found.any(axis=1).mean())
        single.append(found.mean(axis=0))
    assert np.mean(shares) <= most
    assert np.mean(single, axis=0).max() <= 0.015
    assert np.mean(shares) > 0.002  # the limit is that of 99 of 100, not one that nobody reaches


def test_a_lesion_ten_times_the_largest_is_beyond_the_limit() -> None:
    values = people_in_numbers(200, np.random.default_rng(1))
    profile, person = profile_of(values), np.nanmedian(values, axis=0)
    assert not flagged(profile, person[None]).any()
    person[0] = 10 * np.nanmax(values[:, 0])
    assert flagged(profile, person[None]).sum() == 1
    far = profile.distance(dict(zip(NAMES, person, strict=True)))
    assert far is not None
    assert far > profile.limit
    assert profile.percentile(far) == 99.0


def test_nobodys_own_value_is_kept() -> None:
    values = people_in_numbers(LEAST_PEOPLE, np.random.default_rng(2))
    kept = [one for one in profile_of(values).ranges if one.name in NAMES[16:]]
    assert kept
    for one in kept:  # those without limits, at which rounded values may meet
        own = values[:, NAMES.index(one.name)]
        assert np.nanmin(own) + 0.01 < one.quantiles[0] < one.quantiles[-1] < np.nanmax(own) - 0.01


def test_numbers_of_few_people_and_such_that_hardly_vary_are_left_out() -> None:
    values = people_in_numbers(100, np.random.default_rng(3))
    values[LEAST_PEOPLE - 1 :, 0] = np.nan
    values[:, 1] = 90.0
    values[:, 2] = np.where(np.arange(100) < 81, 0.0, values[:, 2])
    assert not {NAMES[0], NAMES[1], NAMES[2]} & set(profile_of(values).names)
    assert NAMES[3] in profile_of(values).names
    assert fit_profile(NAMES, SKEWED, values[: LEAST_PEOPLE - 1], [str(i) for i in range(LEAST_PEOPLE - 1)]) is None


def test_sessions_of_a_person_count_once() -> None:
    values = people_in_numbers(60, np.random.default_rng(4))
    once = profile_of(values)
    thrice = profile_of(np.repeat(values, 3, axis=0), [str(i // 3) for i in range(180)])
    assert thrice.people == once.people == 60
    assert [one.quantiles for one in thrice.ranges] == [pytest.approx(one.quantiles, rel=0.01) for one in once.ranges]


def test_missing_numbers_say_nothing() -> None:
    profile = profile_of(people_in_numbers(50, np.random.default_rng(5)))
    assert profile.distance({}) is None
    middle = {one.name: one.quantiles[3] for one in profile.ranges[:2]}
    assert profile.distance(middle) == 0.0


def test_distance_and_percentile_of_a_value() -> None:
    volume = Range("lesion_volume_ml", True, (1.0, 2.0, 4.0, 8.0, 20.0, 40.0, 64.0), 50)
    assert volume.distance(216.0) == pytest.approx(2.0)  # from 2 to 6 where it is from 2 to 4
    assert volume.distance(1.0) == pytest.approx(1.0)
    assert [volume.percentile(value) for value in (0.0, 8.0, 14.0, 1e6)] == pytest.approx([1.0, 50.0, 62.5, 99.0])
    load = Range("cst_load", False, (0.0, 0.0, 0.0, 0.0, 0.1, 0.2, 0.4), 50)
    assert load.distance(0.0) == 0.0
    assert load.distance(0.6) == pytest.approx(1.5)
