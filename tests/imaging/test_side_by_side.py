"""Pieces of work side by side: in order, few at a time, and errors as they come."""

from __future__ import annotations

import threading
import time

import pytest

from bids_stroke.imaging.side_by_side import AT_ONCE, each


@pytest.mark.parametrize("at_once", ["1", "2", "5"])
def test_results_come_in_order(monkeypatch: pytest.MonkeyPatch, at_once: str) -> None:
    monkeypatch.setenv(AT_ONCE, at_once)

    def slow_at_first(number: int) -> int:
        time.sleep(0.02 / (number + 1))
        return number * number

    assert list(each(slow_at_first, range(12))) == [number * number for number in range(12)]
    assert list(each(slow_at_first, [])) == []


def test_pieces_are_computed_at_the_same_time_but_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AT_ONCE, "2")
    together = threading.Barrier(2, timeout=30)
    begun: list[int] = []

    def piece(number: int) -> int:
        begun.append(number)
        if number < 2:
            together.wait()  # breaks unless two run at a time
        return number

    results = each(piece, range(50))
    assert next(results) == 0
    time.sleep(0.1)
    assert len(begun) <= 4  # two computed, one more begun, one just taken
    assert list(results) == list(range(1, 50))


@pytest.mark.parametrize("at_once", ["1", "2"])
def test_an_error_reaches_the_caller(monkeypatch: pytest.MonkeyPatch, at_once: str) -> None:
    monkeypatch.setenv(AT_ONCE, at_once)
    found = []
    with pytest.raises(ZeroDivisionError):
        for result in each(lambda number: 1 // (3 - number), range(10)):
            found.append(result)  # noqa: PERF402 (what came before the error)
    assert len(found) == 3
