"""What the user sees while units run: a bar on a terminal, plain lines in a log."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, track
from rich.table import Table
from rich.text import Text

from bids_stroke.bids.choice.unread import in_lines
from bids_stroke.core.records import Session, UnitStatus, unit_prefix
from bids_stroke.derivatives.status import RunningStep

COLOURS = {"done": "green", "skipped": "cyan", "failed": "red", "running": "yellow"}


Item = TypeVar("Item")
SECONDS_BETWEEN_LINES = 10.0
"""In a log, which shows no bar; what takes less says nothing."""
SECONDS_BETWEEN_LOOKS = 1.0
"""At the status files of the units that run."""
SECONDS_BETWEEN_STEPS = 60.0
"""In a log: a line there that says what is running is at least so long after the one before."""
MOST_RUNNING = 8
"""Lines below a bar."""
MOST_REASONS = 20
"""Lines of one kind, on files that were not used say; of more it is said where they are."""
MOST_UNITS = 30
"""Rows of the table of units at the end of a run."""


def terminal(*, quiet: bool = False) -> Console:
    """Where people are spoken to: what stands in brackets or between colons, in a path say, is printed as it is."""
    return Console(stderr=True, quiet=quiet, markup=False, emoji=False)


def warn(console: Console, sentence: str) -> None:
    """Print a sentence that begins with a coloured word of warning, on one line however long it is."""
    console.print(Text("Warning", "yellow").append(f": {sentence}", "default"), soft_wrap=True, highlight=False)


def print_few(console: Console, lines: Sequence[str], where: str, *, warning: bool = False) -> None:
    """Print lines of one kind; of many the first ones, how many there are more, and where.

    Parameters
    ----------
    console : Console
        Where they are printed.
    lines : sequence of str
        One each.
    where : str
        A sentence that says where all of them are.
    warning : bool
        Whether each begins with that word.
    """
    more = len(lines) - MOST_REASONS
    for line in [*lines[:MOST_REASONS], *([f"{more} more like these. {where}"] if more > 0 else [])]:
        if warning:
            warn(console, line)
        else:
            console.print(line, highlight=False, markup=False, soft_wrap=True)


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


def remaining_seconds(ended: Sequence[float], running: Sequence[float], left: int, at_a_time: int) -> float | None:
    """Estimate of the time that units will still take, from those that ended; None before the first did.

    Parameters
    ----------
    ended : sequence of float
        Seconds that each ended unit took.
    running : sequence of float
        Seconds that each running one has taken.
    left : int
        Units that have not ended, the running ones among them.
    at_a_time : int
        Units side by side.

    Examples
    --------
    >>> remaining_seconds([100, 140], [60, 200], left=6, at_a_time=2)  # of the 720 s of six units 180 are over
    270.0
    """
    if not ended:
        return None
    mean = sum(ended) / len(ended)
    return (left * mean - sum(min(seconds, mean) for seconds in running)) / max(min(at_a_time, left), 1)


def in_minutes(seconds: float | None) -> str:
    """An estimated duration in words.

    >>> in_minutes(None), in_minutes(20), in_minutes(600), in_minutes(11000)
    ('', 'less than a minute', 'about 10 minutes', 'about 3.1 hours')
    """
    if seconds is None:
        return ""
    if seconds < 55:
        return "less than a minute"
    minutes = round(seconds / 60)
    if minutes >= 120:
        return f"about {seconds / 3600:.1f} hours"
    return "about a minute" if minutes == 1 else f"about {minutes} minutes"


class _Bar(Progress):
    """A bar with lines below it."""

    below: tuple[str, ...] = ()

    def get_renderables(self) -> Iterator[RenderableType]:
        """The bar, then the lines."""
        yield from super().get_renderables()
        yield from (Text(line, no_wrap=True, overflow="ellipsis") for line in self.below)


class UnitProgress:
    """Progress over units: what is running, at what step, and how long the rest will take.

    On a terminal a bar, and a line for each unit that runs; in a log a line when a unit ends and, at most once a
    minute, one that says what runs, where that has changed.

    Parameters
    ----------
    console : Console
        Where it is shown.
    units : sequence of str
        All of them, in the order in which they start.
    at_a_time : int
        Units side by side.
    look : callable
        What a unit is at; None where it does not run.

    Examples
    --------
    ``with UnitProgress(console, ["sub-01"], 1, look) as progress: progress.ended("sub-01", "done", 12.0)``
    """

    def __init__(
        self, console: Console, units: Sequence[str], at_a_time: int, look: Callable[[str], RunningStep | None]
    ) -> None:
        self.console, self.at_a_time, self.look = console, at_a_time, look
        self.total, self.left = len(units), list(units)
        self.seconds: list[float] = []
        columns = (
            TextColumn("units"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )
        self.bar = _Bar(*columns, console=console, disable=not console.is_terminal or console.quiet)
        self.row = self.bar.add_task("", total=self.total)
        self._said, self._said_at = "", time.monotonic()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> UnitProgress:
        self.bar.start()
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watcher.join()
        self.bar.below = ()
        self.bar.update(self.row, description="")
        self.bar.stop()

    def _watch(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN_LOOKS):
            self.refresh()

    def refresh(self) -> None:
        """Look at what is running, and show it."""
        looked = {unit: self.look(unit) for unit in self.left[: self.at_a_time]}
        running = {unit: found for unit, found in looked.items() if found is not None}
        lines = [f"{unit.replace('_', ' ')}: {found.step or 'begins'}" for unit, found in running.items()]
        spent = [found.seconds for found in running.values()]
        to_come = in_minutes(remaining_seconds(self.seconds, spent, len(self.left), self.at_a_time))
        if not self.bar.disable:
            more = len(lines) - MOST_RUNNING
            self.bar.below = (
                *(f"  {line}" for line in lines[:MOST_RUNNING]),
                *([f"  and {more} more"] if more > 0 else []),
            )
            self.bar.update(self.row, description=f"{to_come} left" if to_come else "")
        elif lines and "; ".join(lines) != self._said and time.monotonic() - self._said_at > SECONDS_BETWEEN_STEPS:
            self._said, self._said_at = "; ".join(lines), time.monotonic()
            self._print(
                f"[{self.total - len(self.left)}/{self.total}] {self._said}" + (f"; {to_come} left" if to_come else "")
            )

    def ended(self, unit: str, text: str, seconds: float) -> None:
        """Say that a unit has ended, in one line, and that it took so long; 0 where it did not get to work."""
        self.left.remove(unit)
        self.seconds += [seconds] if seconds else []
        self.bar.advance(self.row)
        self._print(f"[{self.total - len(self.left)}/{self.total}] {unit}: {text}")

    def put_off(self, unit: str, text: str) -> None:
        """Say that a unit comes once more, after all others."""
        self.left.remove(unit)
        self.left.append(unit)
        self._print(f"{unit}: {text}")

    def _print(self, line: str) -> None:
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)


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


def print_units(console: Console, statuses: Sequence[UnitStatus]) -> None:
    """Print the table of units at the end of a run; of a large cohort how many stand how, and those that failed."""
    shown = statuses
    if len(statuses) > MOST_UNITS:
        counts = Counter(status.status for status in statuses)
        told = ", ".join(f"{number} {name}" for name, number in counts.most_common())
        console.print(f"{len(statuses)} units: {told}.", highlight=False)
        shown = [status for status in statuses if status.status == "failed"][:MOST_UNITS]
    if shown:
        console.print(status_table(shown))


def files_not_used(sessions: Iterable[Session]) -> list[str]:
    """Lines below that table: the files that were left out, and why; of many for one reason the first and their number.

    They are no column of it: names of files are long, and terminals 80 characters wide.
    """
    found = in_lines({name: why for session in sessions for name, why in session.left_out.items()})
    lines = [f"  {name}: {why}" for name, why in found.items()]
    if (more := len(lines) - MOST_REASONS) > 0:
        lines[MOST_REASONS:] = [f"  {more} lines more: see the column left_out of the table of units"]
    return ["Files found and not used:", *lines] if lines else []
