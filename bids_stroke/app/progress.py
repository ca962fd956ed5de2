"""What the user sees while units run: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, track
from rich.table import Table
from rich.text import Text

from bids_stroke.bids.choice.unread import in_lines
from bids_stroke.core.records import Session, UnitStatus, unit_prefix

COLOURS = {"done": "green", "skipped": "cyan", "failed": "red", "running": "yellow"}


Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0
"""In a log, which shows no bar; what takes less says nothing."""
MOST_REASONS = 20
"""Lines on files that were not used."""


def terminal(*, quiet: bool = False) -> Console:
    """Where people are spoken to: what stands in brackets or between colons, in a path say, is printed as it is."""
    return Console(stderr=True, quiet=quiet, markup=False, emoji=False)


def warn(console: Console, sentence: str) -> None:
    """Print a sentence that begins with a coloured word of warning, on one line however long it is."""
    console.print(Text("Warning", "yellow").append(f": {sentence}", "default"), soft_wrap=True, highlight=False)


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
        self.tell(f"[{self.count}/{self.total}] {prefix}", text)

    def tell(self, prefix: str, text: str) -> None:
        """Say something of a unit that has not ended, in one line."""
        self.console.print(f"{prefix}: {text}", highlight=False, markup=False, soft_wrap=True)


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
    """The table of units at the end of a run: how they stand, what they lack and why."""
    table = Table("unit", "status", "seconds", "peak memory (MB)", "why", title="Units")
    table.add_column("missing", overflow="fold")  # on narrow terminals: no name is cut short
    for status in statuses:
        said = Text(status.status, COLOURS.get(status.status, "white"))
        numbers = (f"{status.seconds:.1f}", f"{status.peak_memory_mb:.0f}") if status.status != "skipped" else ("", "")
        words = [text.replace("; ", "\n") for text in (status.reason, status.missing)]
        unit = unit_prefix(status.subject, status.session).replace("_", " ")
        table.add_row(*[said if text is None else Text(text) for text in (unit, None, *numbers, *words)])
    return table


def files_not_used(sessions: Iterable[Session]) -> list[str]:
    """Lines below that table: the files that were left out, and why; of many for one reason the first and their number.

    They are no column of it: names of files are long, and terminals 80 characters wide.
    """
    found = in_lines({name: why for session in sessions for name, why in session.left_out.items()})
    lines = [f"  {name}: {why}" for name, why in found.items()]
    if (more := len(lines) - MOST_REASONS) > 0:
        lines[MOST_REASONS:] = [f"  {more} lines more: see the column left_out of the table of units"]
    return ["Files found and not used:", *lines] if lines else []
