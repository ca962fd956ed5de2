"""What the user sees while units run: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, track
from rich.table import Table

from bids_stroke.core.records import UnitStatus

COLOURS = {"done": "green", "skipped": "cyan", "failed": "red", "running": "yellow"}


Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0
"""In a log, which shows no bar; what takes less says nothing."""


def tracked(console: Console, items: Sequence[Item], what: str) -> Iterator[Item]:
    """Yield items one by one and show how many have been dealt with.

    Parameters
    ----------
    console : Console
        A terminal gets a bar that goes away in the end, a log a line every ten seconds.
    items : sequence
        Whatever is dealt with.
    what : str
        What is being done: ``Checking units``.
    """
    if console.is_terminal:
        yield from track(items, what, console=console, transient=True, disable=console.quiet)
        return
    said = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - said > SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            console.print(f"{what}: {number} of {len(items)}", highlight=False, markup=False)
        yield item


class UnitProgress:
    """Progress over units; ``with UnitProgress(console, 7) as progress: progress.ended("sub-01", "done")``."""

    def __init__(self, console: Console, total: int) -> None:
        self.console = console
        self.total = total
        self.count = 0
        columns = (TextColumn("units"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self.row = self.bar.add_task("units", total=total)

    def __enter__(self) -> UnitProgress:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def ended(self, prefix: str, text: str) -> None:
        """Say that a unit has ended, in one line."""
        self.count += 1
        self.bar.advance(self.row)
        self.console.print(
            f"[{self.count}/{self.total}] {prefix}: {text}", highlight=False, markup=False, soft_wrap=True
        )


def tell_covariates(console: Console, people: Sequence[Mapping[str, float | str]], outcome_column: str) -> None:
    """Say how the covariates of a cohort were read, where that is no matter of course: once for each kind.

    Parameters
    ----------
    console : Console
        Where it is said.
    people : sequence of mapping
        `Session.covariates` of each unit.
    outcome_column : str
        Of the outcome, whose first value is a covariate, too.
    """
    from bids_stroke.features.covariates import cohort_notes, covariate_names, first_score_name  # needs numpy

    for text in cohort_notes(people, (*covariate_names(outcome_column), first_score_name(outcome_column))):
        console.print(f"Covariates: {text}", highlight=False, markup=False, soft_wrap=True)


def status_table(statuses: Sequence[UnitStatus]) -> Table:
    """The table of units at the end of a run."""
    table = Table("unit", "status", "seconds", "peak memory (MB)", "why", title="Units")
    for status in statuses:
        unit = f"sub-{status.subject}" + (f" ses-{status.session}" if status.session else "")
        colour = COLOURS.get(status.status, "white")
        numbers = (f"{status.seconds:.1f}", f"{status.peak_memory_mb:.0f}") if status.status != "skipped" else ("", "")
        table.add_row(unit, f"[{colour}]{status.status}[/{colour}]", *numbers, escape(status.reason))
    return table
