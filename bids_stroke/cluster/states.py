"""How a task of Slurm ended: a reason that tables can hold, and a sentence.

Slurm forgets a task minutes after its end unless it has accounting. So what its last lines in the task's log say counts
as well, and what the job's script leaves behind: its exit status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bids_stroke.cluster.slurm import TaskState

OUT_OF_MEMORY, TIME_LIMIT, CANCELLED, PREEMPTED, NODE_FAILED = (
    "out-of-memory", "time-limit", "cancelled", "preempted", "node-failed",
)  # fmt: skip
JOB_FAILED = "job-failed"
"""The job ended before the app could say how its units did: no such program, a module that is not there."""
PROCESS_KILLED = "process-killed"
"""The program alone was killed, and Slurm says nothing of it: mostly by the node's kernel, for want of memory."""
LOST = "lost"
"""Slurm knows nothing more of a task that had begun, and it left no last word."""
RAN = ""
"""Reason of a task that came to its end: its units say themselves how they did."""

_BY_STATE = MappingProxyType({
    "COMPLETED": RAN, "OUT_OF_MEMORY": OUT_OF_MEMORY, "TIMEOUT": TIME_LIMIT, "DEADLINE": TIME_LIMIT,
    "CANCELLED": CANCELLED, "REVOKED": CANCELLED, "PREEMPTED": PREEMPTED, "NODE_FAIL": NODE_FAILED,
    "BOOT_FAIL": NODE_FAILED, "FAILED": JOB_FAILED,
})  # fmt: skip
"""Slurm's word for a task that has ended -> reason; any other word is of one that has not.

Source: manual page squeue(1), job state codes.
"""
_BY_LOG = (
    (re.compile(r"oom[-_ ]kill|exceeded (?:job |step )?memory limit", re.IGNORECASE), OUT_OF_MEMORY),
    (re.compile(r"DUE TO TIME LIMIT"), TIME_LIMIT),
    (re.compile(r"DUE TO PREEMPTION"), PREEMPTED),
    (re.compile(r"DUE TO NODE FAILURE"), NODE_FAILED),
    (re.compile(r"\*\*\* (?:JOB|STEP) .* CANCELLED AT"), CANCELLED),
)
_OF_SLURM = re.compile(r"^slurmstepd.*|^srun: .*|^slurmd.*", re.MULTILINE)
_WORDS = MappingProxyType({
    OUT_OF_MEMORY: "was killed: it used more memory than the job had asked for",
    PROCESS_KILLED: "ended because its program was killed, most likely for want of memory on the node",
    TIME_LIMIT: "was ended at its time limit",
    CANCELLED: "was cancelled",
    PREEMPTED: "had to make room for another job",
    NODE_FAILED: "was lost with its node",
    LOST: "is not known to Slurm any more and left no last word: its node may have died",
    JOB_FAILED: "ended before it could say how its units did",
})  # fmt: skip
_REMEDIES = MappingProxyType({
    OUT_OF_MEMORY: "Run the same command again: it asks for more memory. Finished steps are kept.",
    PROCESS_KILLED: "Run the same command again: it asks for more memory. Finished steps are kept.",
    TIME_LIMIT: "Run the same command again: it asks for more time. Finished steps are kept.",
})  # fmt: skip
_AGAIN = "Run the same command again: finished steps are kept."
_TAIL = 20_000
"""Bytes of a log's end that are read."""


@dataclass(frozen=True)
class Ending:
    """How a task stands."""

    ended: bool
    reason: str = RAN
    """Of one that has ended; empty where it came to its end."""
    state: str = ""
    """Slurm's word, where it has one."""
    place: str = ""
    """``since 2026-12-01T10:00:00 on n1`` or ``waits for Resources``, as far as Slurm tells."""


def judge(told: TaskState | None, exit_status: int | None, log: str) -> Ending | None:
    """How a task stands, from whoever tells anything of it; None where nobody does.

    Parameters
    ----------
    told : TaskState or None
        From Slurm.
    exit_status : int or None
        That the job's script left; None where it left none.
    log : str
        End of the task's log.
    """
    if told is not None:
        begun = told.state != "PENDING"  # of one that waits it is when Slurm thinks that it will begin
        words = (("since", told.since), ("on", told.node)) if begun else (("waits for", told.reason),)
        place = " ".join(f"{word} {value}" for word, value in words if value)
        reason = _BY_STATE.get(told.state)
        if reason is None and not (told.state == "COMPLETING" and exit_status is not None):
            return Ending(ended=False, state=told.state, place=place)
        if reason == JOB_FAILED or reason is None:
            reason = _by_status(exit_status, log)
        return Ending(ended=True, reason=reason, state=told.state, place=place)
    if exit_status is not None or (_of_log(log) is not None):
        return Ending(ended=True, reason=_by_status(exit_status, log))
    return None


def _by_status(exit_status: int | None, log: str) -> str:
    """Reason of a task that did not end by 0, by what Slurm has written into its log, else by its status."""
    if exit_status in (0, 65):  # done, or some units failed, which have said so
        return RAN
    by_log = _of_log(log)
    if by_log is not None:
        return by_log
    if exit_status == 128 + 9:
        return PROCESS_KILLED
    return CANCELLED if exit_status == 128 + 15 else JOB_FAILED


def _of_log(log: str) -> str | None:
    own = "\n".join(_OF_SLURM.findall(log))
    return next((reason for pattern, reason in _BY_LOG if pattern.search(own)), None)


def tail(path: Path) -> str:
    """The end of a log; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _TAIL, 0))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def in_words(task: str, ending: Ending, log: Path) -> str:
    """A sentence on a task that did not come to its end, and what to do."""
    said = _WORDS.get(ending.reason, "ended")
    last = ""
    if ending.reason == JOB_FAILED and (lines := tail(log).split("\n")):
        line = next((line for line in reversed(lines) if line.strip()), "")
        last = f' Its last line: "{line.strip()[:300]}".' if line else ""
    return f"Slurm's task {task} {said}.{last} Its log: {log}. {_REMEDIES.get(ending.reason, _AGAIN)}"
