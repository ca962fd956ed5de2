"""What units are expected to take, from the headers of their images and from units that are done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bids_stroke.cluster.record import Job
from bids_stroke.cluster.resources import Grant, Need, expected, grant, learned
from bids_stroke.cluster.slurm import Limits
from bids_stroke.cluster.states import OUT_OF_MEMORY, PROCESS_KILLED, TIME_LIMIT
from bids_stroke.core.records import Session, UnitStatus
from bids_stroke.core.settings import ClusterSettings

WANTS_MEMORY, WANTS_TIME = (OUT_OF_MEMORY, PROCESS_KILLED), (TIME_LIMIT,)
"""Reasons of units that more of it may help."""
_IMAGES = (".nii", ".nii.gz")


def needs_of(sessions: Iterable[Session]) -> dict[str, Need]:
    """What each unit is expected to take, by its name; nothing is read but headers."""
    return {session.prefix: _need(session) for session in sessions}


def _need(session: Session) -> Need:
    paths = [item.path for item in session.inputs]
    images = [path for path in paths if path.name.endswith(_IMAGES)]
    others = [path for path in paths if path not in images]
    size = sum(path.stat().st_size for path in others if path.is_file()) / 1e6
    return expected((_voxels(path) for path in images), size)


def _voxels(path: Path) -> float:
    """Numbers in an image; 0 of one that cannot be read: its unit says so when its turn comes."""
    import nibabel as nib

    try:
        return float(math.prod(nib.load(path).shape))
    except Exception:  # whatever the library meets with in a broken file
        return 0.0


def in_light_of(needs: Mapping[str, Need], statuses: Mapping[str, UnitStatus]) -> dict[str, Need]:
    """The same needs, corrected by what units have taken that are done."""
    done = [
        (needs[prefix], Need(status.peak_memory_mb, status.seconds))
        for prefix, status in statuses.items()
        if prefix in needs and status.completed
    ]
    return {prefix: learned(need, done) for prefix, need in needs.items()}


def base_grant(settings: ClusterSettings, needs: Sequence[Need], units_per_task: int, most: Limits) -> Grant:
    """What to ask for a task of these units: what the settings say, else what they are expected to take.

    Only what is expected is kept within what the cluster has: of settings beyond it Slurm says so itself.
    """
    found = grant(needs, units_per_task).within(most.memory_mb, most.minutes)
    return Grant(settings.memory_mb or found.memory_mb, settings.minutes or found.minutes)


def raised(base: Grant, status: UnitStatus | None, job: Job | None, most: Limits) -> Grant:
    """More for a unit that died for want of it: twice what its job had, as far as the cluster has it."""
    if status is None or job is None or status.status != "failed":
        return base
    memory, time = status.reason in WANTS_MEMORY, status.reason in WANTS_TIME
    if not (memory or time):
        return base
    more = Grant(job.memory_mb, job.minutes).more(memory=memory, time=time).within(most.memory_mb, most.minutes)
    return Grant(max(base.memory_mb, more.memory_mb), max(base.minutes, more.minutes))
