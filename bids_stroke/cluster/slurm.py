"""Slurm's programs, called by lists of arguments, and what they answer."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

from bids_stroke.core.errors import BidsStrokeError, InputError, UsageError

SMALLEST_ARRAY = 1001
"""``MaxArraySize`` where nobody has set it; indices go up to one less."""
_SECONDS = 300
"""A controller that is busy answers late, and sbatch itself tries again for two minutes."""
_FULL = re.compile(
    r"MaxSubmitJob|temporarily una|Job violates accounting/QOS policy|exceed.{0,40}max.{0,20}job",
    re.IGNORECASE,
)
_TASK = re.compile(r"\d+_\d+")


@dataclass(frozen=True)
class TaskState:
    """What Slurm says of one task of an array."""

    state: str
    """In its own word: ``PENDING``, ``RUNNING``, ``TIMEOUT``."""
    node: str = ""
    reason: str = ""
    """Why it waits, or failed."""
    since: str = ""
    """When it began, in the cluster's local time; empty where it has not."""


def submit(script: Path, options: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Hand over a script.

    Parameters
    ----------
    script : Path
        Of the job.
    options : sequence of str
        Of sbatch.
    environment : mapping
        Variables that the job gets.

    Returns
    -------
    str or None
        The job's number; None where the queue takes no more of this user's jobs now.

    Raises
    ------
    InputError
        There is no sbatch here.
    UsageError
        It refuses the job.
    BidsStrokeError
        It does not answer.
    """
    try:
        done = _run(["sbatch", "--parsable", *options, str(script)], environment)
    except subprocess.TimeoutExpired:
        raise BidsStrokeError(
            f"sbatch has not ended in {_SECONDS} s: Slurm's controller does not answer.",
            "See with squeue --me whether the job is there; then run the same command again.",
            "no-answer",
        ) from None
    if done.returncode == 0:
        return done.stdout.strip().partition(";")[0]
    said = _in_words(done)
    if _FULL.search(said):
        return None
    raise UsageError(
        f"Slurm refuses the job: {said}.",
        "Change the section cluster of --config (docs/configuration.md): memory_mb, minutes and sbatch, the further "
        "arguments such as --partition and --account. sinfo lists the partitions.",
        "refused-by-slurm",
    )


def check_here() -> None:
    """InputError where jobs cannot be handed over from this machine."""
    if shutil.which("sbatch") is None:
        raise _not_here("sbatch")


def largest_array() -> int:
    """``MaxArraySize`` of this cluster."""
    done = _run(["scontrol", "show", "config"])
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.stdout, re.MULTILINE)
    return int(found[1]) if found else SMALLEST_ARRAY


@dataclass(frozen=True)
class Limits:
    """The most that a job may ask for; infinite where nothing is known of a limit."""

    memory_mb: float = inf
    minutes: float = inf


def limits(partition: str = "") -> Limits:
    """Largest memory of a node, and time limit, of a partition; of the default one without a name."""
    done = _run(["sinfo", "--noheader", "--format=%P|%m|%l"])
    return parse_limits(done.stdout, partition)


def parse_limits(text: str, partition: str = "") -> Limits:
    r"""What sinfo says, in the format of :func:`limits`.

    >>> parse_limits("main*|4000|1-00:00:00\nmain*|8000+|1-00:00:00\nbig|64000|infinite")
    Limits(memory_mb=8000.0, minutes=1440.0)
    """
    names = partition.split(",")
    rows = [line.split("|") for line in text.splitlines()]
    own = [row for row in rows if len(row) == 3 and (row[0].rstrip("*") in names or (not partition and "*" in row[0]))]
    memory = [float(row[1].rstrip("+")) for row in own if row[1].rstrip("+").isdigit()]
    times = [_minutes(row[2]) for row in own]
    return Limits(max(memory, default=inf), max(times, default=inf))


def _minutes(text: str) -> float:
    """Minutes of ``days-hours:minutes:seconds``; infinite for any other word."""
    days, _, clock = text.rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in (*parts, days or "0")):
        return inf
    hours, minutes, seconds = ([0.0, 0.0] + [float(part) for part in parts])[-3:]
    return float(days or 0) * 1440 + hours * 60 + minutes + seconds / 60


def queue() -> dict[str, TaskState] | None:
    """Tasks of this user that Slurm knows (``12_3``), also those that ended just now; None if it does not answer."""
    try:
        done = _run(["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i|%T|%N|%S|%r"])
    except (InputError, subprocess.TimeoutExpired):
        return None
    return parse_queue(done.stdout) if done.returncode == 0 else None


def parse_queue(text: str) -> dict[str, TaskState]:
    """Tasks in the answer of squeue, in the format of :func:`queue`; other jobs are passed over.

    >>> parse_queue("12_3|PENDING||N/A|Resources")["12_3"]
    TaskState(state='PENDING', node='', reason='Resources', since='')
    """
    rows = (line.split("|", 4) for line in text.splitlines())
    return {
        row[0]: TaskState(row[1], row[2], "" if row[4] == "None" else row[4], "" if row[3] == "N/A" else row[3])
        for row in rows
        if len(row) == 5 and _TASK.fullmatch(row[0])
    }


def accounting(jobs: Collection[str]) -> dict[str, TaskState]:
    """Tasks of these jobs as Slurm's accounting has them; nothing where there is none."""
    fields = "JobID,State,NodeList,Start"
    try:
        done = _run(["sacct", "--noheader", "-X", "--parsable2", "-j", ",".join(sorted(jobs)), "-o", fields])
    except (InputError, subprocess.TimeoutExpired):
        return {}
    return parse_accounting(done.stdout) if done.returncode == 0 else {}


def parse_accounting(text: str) -> dict[str, TaskState]:
    """Tasks in the answer of sacct, in the format of :func:`accounting`.

    >>> parse_accounting("12_3|CANCELLED by 1000|n1|2026-12-01T10:00:00")["12_3"].state
    'CANCELLED'
    """
    rows = (line.split("|") for line in text.splitlines())
    return {
        row[0]: TaskState(row[1].partition(" ")[0], row[2].replace("None assigned", ""), since=row[3])
        for row in rows
        if len(row) == 4 and _TASK.fullmatch(row[0]) and row[1]
    }


def split_array(n_tasks: int, largest: int) -> Iterator[range]:
    """Which tasks go into which array.

    >>> list(split_array(5, 2))
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    for first in range(0, n_tasks, largest):
        yield range(first, min(first + largest, n_tasks))


def _run(words: Sequence[str], environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=_SECONDS, env=environment, errors="replace"
        )
    except FileNotFoundError:
        raise _not_here(words[0]) from None


def _not_here(program: str) -> InputError:
    return InputError(
        f"{program} is not here: this machine hands no jobs to Slurm.",
        "Log in to a machine of the cluster from which jobs are submitted, and start it there, outside of a "
        "container; or leave --cluster out.",
        "no-slurm",
    )


def _in_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.removeprefix("sbatch: error: ").strip() for line in (done.stderr or done.stdout).splitlines()]
    return "; ".join(filter(None, lines)).rstrip(".") or f"exit status {done.returncode} without a word"
