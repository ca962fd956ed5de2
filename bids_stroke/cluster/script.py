"""The text of a job's script, and the command line that it runs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bids_stroke.core.settings import ClusterSettings
from bids_stroke.derivatives.names import dataset_file

_MANY = ("--participant-label", "--session-label")
_ONE = ("--cluster", "--nprocs", "--n-cpus", "--nthreads", "--omp-nthreads")
_FLAGS = ("--no-wait", "--skip-bids-validation", "--notrack")
"""Words of the command line that are the task's own, or not for it."""

_TEXT = """\
#!/bin/bash
# Written by bids_stroke --cluster slurm.
end={folder}/"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}.end"
rm -f "$end"
child=
# Slurm asks the script alone to end, and kills everything some seconds later: what runs is to clean up before.
trap '[ -n "$child" ] && kill -TERM "$child" 2> /dev/null && wait "$child"; exit 143' TERM
trap 'status=$?; echo "$status" > "$end.new" && mv "$end.new" "$end"' EXIT
worst=0
run() {{
    {command} {words} "$@" &
    child=$!
    wait "$child"
    status=$?
    child=
    if [ "$status" -ne 0 ]; then worst=$status; fi
    case $status in 0 | 65) ;; *) exit "$status" ;; esac
}}
{setup}case $SLURM_ARRAY_TASK_ID in
{tasks}
esac
exit "$worst"
"""


def words_for_job(words: Sequence[str]) -> list[str]:
    """The words of a command line without those that say which units, how many at a time and where.

    Parameters
    ----------
    words : sequence of str
        Behind the program's name, in the style of BIDS Apps: several values may follow ``--participant-label``.

    Examples
    --------
    >>> words_for_job(["in", "out", "participant", "--participant_label", "01", "02", "--seed", "3", "--cluster=slurm"])
    ['in', 'out', 'participant', '--seed', '3']
    """
    kept: list[str] = []
    skipping = 0
    for word in words:
        is_option = word.startswith("-") and len(word) > 1 and not word[1].isdigit()
        if not is_option:
            if skipping:
                skipping -= 1
            else:
                kept.append(word)
            continue
        name, equals, _ = word.partition("=")
        name = name.replace("_", "-")
        skipping = 0
        if name in _FLAGS or (equals and name in (*_ONE, *_MANY)):
            continue
        if name in _ONE:
            skipping = 1
        elif name in _MANY:
            skipping = len(words)
        else:
            kept.append(word)
    return kept


def task_words(units: Sequence[tuple[str, str | None]]) -> list[list[str]]:
    """The options that select these units and no other ones: one command a session.

    >>> task_words([("01", None), ("02", None)])
    [['--participant-label', '01', '02']]
    >>> task_words([("01", "a"), ("01", "b"), ("02", "a")])
    [['--participant-label', '01', '02', '--session-label', 'a'], ['--participant-label', '01', '--session-label', 'b']]
    """
    by_session: dict[str | None, list[str]] = {}
    for subject, session in units:
        by_session.setdefault(session, []).append(subject)
    return [
        ["--participant-label", *subjects, *(["--session-label", session] if session is not None else [])]
        for session, subjects in by_session.items()
    ]


def job_script(
    root: Path, settings: ClusterSettings, words: Sequence[str], tasks: Sequence[Sequence[Sequence[str]]]
) -> str:
    """The script of an array.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    settings : ClusterSettings
        How the app is started in the job. Its lines are the user's own shell; everything else is quoted.
    words : sequence of str
        Of the command, the same for all tasks.
    tasks : sequence
        Of each task its commands' further words.
    """
    command = settings.command or shlex.join([sys.executable, "-m", "bids_stroke"])
    cases = [
        f"{index})\n" + "\n".join(f"    run {shlex.join(further)}" for further in commands) + "\n    ;;"
        for index, commands in enumerate(tasks)
    ]
    return _TEXT.format(
        folder=shlex.quote(str(dataset_file(root, "job_end", job="").parent)),
        command=command,
        words=shlex.join(words),
        setup="".join(f"{line}\n" for line in settings.setup),
        tasks="\n".join(cases),
    )


def sbatch_options(root: Path, settings: ClusterSettings, name: str, cpus: int) -> list[str]:
    """The options of sbatch that every job has: those of the user first, so that none of ours is lost.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    settings : ClusterSettings
        Section ``cluster``.
    name : str
        Of the job, for squeue.
    cpus : int
        Of each task.
    """
    log = str(dataset_file(root, "job_log", job="SLURM_TASK")).replace("%", "%%").replace("SLURM_TASK", "%A_%a")
    return [
        *settings.sbatch, f"--job-name={name}", "--nodes=1", "--ntasks=1", f"--cpus-per-task={cpus}", "--requeue",
        f"--output={log}", "--open-mode=truncate",
    ]  # fmt: skip
