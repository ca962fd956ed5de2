"""What is asked for: enough by what is known, more by what was seen."""

from __future__ import annotations

from bids_stroke.cluster.resources import MOST_MINUTES, Grant, Need, expected, grant, learned, units_per_task


def test_a_full_examination_gets_what_one_took_and_more() -> None:
    """Diffusion of 59 million numbers and a T1w of 17 million: 6.6 minutes, below 4 GB (docs/speed.md)."""
    asked = grant([expected([59e6, 17e6], 0)], 1)
    assert 4000 < asked.memory_mb < 7000
    assert 20 <= asked.minutes <= 60


def test_the_worst_of_the_units_that_are_done_counts() -> None:
    done = [(Need(2000, 100), Need(500, 50)), (Need(2000, 100), Need(3000, 10)), (Need(2000, 100), Need(9000, 0))]
    assert learned(Need(4000, 300), done) == Need(6000, 150)
    assert learned(Need(4000, 300), []) == Need(4000, 300)


def test_a_task_of_several_units_has_the_time_of_all_and_the_memory_of_one() -> None:
    one, ten = grant([Need(2000, 300)], 1), grant([Need(2000, 300)], 10)
    assert ten.memory_mb == one.memory_mb
    assert ten.minutes >= 8 * one.minutes
    assert grant([Need(1, 1e9)], 1).minutes == MOST_MINUTES
    assert Grant(1024, MOST_MINUTES).more(memory=False, time=True).minutes == MOST_MINUTES


def test_short_units_share_a_task_only_where_there_are_many() -> None:
    assert units_per_task(5, 10) == 1
    assert units_per_task(5, 1200) == 12
    assert units_per_task(3600, 1200) == 1
