"""A tenth of the fuzzer's cases in CI; all of them with ``-m slow``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.kinds import CYCLE, KINDS, kind_of
from tests.fuzz.pool import Pool
from tests.fuzz.run import Outcome, wrong
from tests.fuzz.trial import Trial

CASES, CHUNK = 2000, 25
SEED = 0


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(SEED) as found:
        yield found


def failures(outcomes: Iterator[Outcome]) -> list[str]:
    return [f"{item.number} {item.kind} ({item.what}): {item.code} {item.problems}\n{item.said[-800:]}"
            for item in outcomes if item.problems]  # fmt: skip


@pytest.mark.inputs(
    "Whatever is broken, the exit code is a documented one, the message names the file, and no input is changed."
)
@pytest.mark.parametrize("first", range(0, CASES // 10, CHUNK))
def test_broken_inputs_are_named(pool: Pool, first: int) -> None:
    assert failures(pool.run(range(first, first + CHUNK))) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(CASES // 10, CASES, CHUNK))
def test_more_broken_inputs_are_named(pool: Pool, first: int) -> None:
    assert failures(pool.run(range(first, first + CHUNK))) == []


def test_every_kind_is_among_those_of_ci() -> None:
    assert {kind_of(number) for number in range(CASES // 10)} == set(KINDS)
    assert [sum(kind_of(n) == name for n in range(CYCLE)) for name in KINDS] == [kind.share for kind in KINDS.values()]


@pytest.mark.parametrize(
    ("code", "said", "problem"),
    [
        (1, "x.tsv: internal error", "exit code 1"),
        (65, "sub-01 failed (internal-error): x.tsv", "says 'internal-error'"),
        (65, "another file is broken", "none of x.tsv is named"),
        (139, "x.tsv", "exit code 139"),
        (2, "", "nothing is said"),
    ],
)
def test_what_counts_as_a_failure(code: int, said: str, problem: str) -> None:
    assert problem in wrong(code, said, Trial((), ("x.tsv",), ""))


def test_what_does_not() -> None:
    assert wrong(65, "x.tsv cannot be read", Trial((), ("x.tsv",), "")) == []
    assert wrong(0, "", Trial((), ("x.tsv",), "")) == []
