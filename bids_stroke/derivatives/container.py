"""The container image that the app runs in, where it does: its name for provenance, and what is lost with it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

IMAGE = "BIDS_STROKE_IMAGE"
"""Variable that our image sets (Dockerfile): its name and tag."""
_APPTAINER = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")
"""Set by Apptainer in its containers: the path of the image on the host."""
_MOUNTS = Path("/proc/self/mountinfo")


def container(environment: Mapping[str, str] = os.environ) -> dict[str, str] | None:
    """The image as ``GeneratedBy`` of BIDS has it; None outside of our image.

    >>> container({"BIDS_STROKE_IMAGE": "bids_stroke:0.1.0"})
    {'Type': 'docker', 'Tag': 'bids_stroke:0.1.0'}
    """
    tag = environment.get(IMAGE)
    if not tag:
        return None
    apptainer = any(environment.get(name) for name in _APPTAINER)
    return {"Type": "apptainer" if apptainer else "docker", "Tag": tag}


def is_lost_with_container(folder: Path, environment: Mapping[str, str] = os.environ, mounts: Path = _MOUNTS) -> bool:
    """Whether a folder lies on the container's own disk, or in its memory: nothing of the host is mounted there.

    Apptainer mounts the host's folders for temporary files, and its own disk cannot be written.

    Parameters
    ----------
    folder : Path
        It need not be there yet.
    environment : mapping of str to str
        Variables of this process.
    mounts : Path
        What is mounted, in the format of ``/proc/<pid>/mountinfo`` (manual page proc_pid_mountinfo(5)).
    """
    found = container(environment)
    if found is None or found["Type"] == "apptainer":
        return False
    place, file_system = _mounted(folder.resolve(), mounts)
    return place == Path("/") or file_system in ("tmpfs", "ramfs")


def _mounted(path: Path, mounts: Path) -> tuple[Path, str]:
    """Where the file system of a path is mounted, and of what type it is; of several on one place the last one."""
    best = (Path("/"), "")
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return best
    for line in lines:
        mounted, _, source = line.partition(" - ")
        place = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), mounted.split()[4]))
        if path.is_relative_to(place) and len(place.parts) >= len(best[0].parts):
            best = (place, source.split()[0])
    return best
