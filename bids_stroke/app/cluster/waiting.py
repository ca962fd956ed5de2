"""Wait for tasks: their scripts' last words are looked for often, Slurm is asked rarely."""

from __future__ import annotations

import shlex
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from bids_stroke.app.cluster.settle import ended_by_itself, look
from bids_stroke.app.request import Request
from bids_stroke.cluster.record import ended_tasks, last_tasks, read_jobs
from bids_stroke.cluster.states import RAN, Ending
from bids_stroke.core.records import unit_prefix
from bids_stroke.derivatives.status import job_of, read_statuses

SECONDS_BETWEEN_QUESTIONS = 30.0
"""To Slurm, whose controller serves everybody on the cluster."""
SECONDS_BETWEEN_LOOKS = 1.0
"""Into ``logs/slurm``; of many units more."""


class Clock:
    """When to look, and when to ask.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    console : Console
        A line now and then tells how many tasks wait and run.
    """

    def __init__(self, root: Path, console: Console) -> None:
        self.root, self.console = root, console
        self._asked, self._said = time.monotonic(), ""
        self.has_asked = False
        """Whether Slurm was asked at the last look."""

    def ended(self, tasks: Collection[str], n_units: int) -> dict[str, Ending]:
        """Sleep a moment; then the tasks, of these, that have ended meanwhile, and how."""
        time.sleep(SECONDS_BETWEEN_LOOKS + n_units / 500)
        found = {}
        for task in ended_tasks(self.root) & {*tasks}:
            ending = ended_by_itself(self.root, task)
            if ending is not None and ending.reason == RAN:  # one that was stopped Slurm may be about to begin again
                found[task] = ending
        self.has_asked = time.monotonic() - self._asked >= SECONDS_BETWEEN_QUESTIONS
        if self.has_asked:
            endings = look(self.root, tasks)
            self._asked = time.monotonic()
            self._tell([ending for ending in endings.values() if not ending.ended])
            found |= {task: ending for task, ending in endings.items() if ending.ended}
        return found

    def _tell(self, going: Sequence[Ending]) -> None:
        states = [ending.state or "unknown" for ending in going]
        words = ", ".join(f"{states.count(state)} {state.lower()}" for state in sorted(set(states)))
        if words and words != self._said:
            self._said = words
            self.console.print(f"Tasks in the queue: {words}.", highlight=False)


def in_queue(root: Path) -> dict[str, str]:
    """Units that wait or run in tasks of Slurm that have not ended, with the task of each; after `settle`."""
    last = last_tasks(read_jobs(root))
    found = {}
    for status in read_statuses(root).units:
        prefix = unit_prefix(status.subject, status.session)
        if prefix in last and not status.completed:
            job, task = job_of(root, prefix), last[prefix][1]
            if job is not None and job in ("", task):
                found[prefix] = task
    return found


def how_to_go_on(request: Request, tasks: Sequence[str]) -> str:
    """What to type next, for whoever does not wait."""
    numbers = " ".join(sorted({task.partition("_")[0] for task in tasks}, key=int))
    root = shlex.quote(str(request.output_dir))
    words = [word for word in request.command if word not in ("--no-wait", "--no_wait")]
    kept = shlex.join(["bids_stroke", *words])
    return (
        f"The jobs run on: {numbers or 'none'}.\n"
        f"  how they stand:       bids_stroke_tools status {root}\n"
        f"  wait for them again:  {kept}\n"
        f"  end them:             scancel {numbers}"
    )


@contextmanager
def jobs_run_on(request: Request, console: Console) -> Iterator[None]:
    """Say, of whoever stops waiting (Ctrl-C), that the jobs do not stop, and what can be done."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        tasks = sorted(in_queue(request.output_dir).values())
        console.print(how_to_go_on(request, tasks), highlight=False, soft_wrap=True)
        raise
