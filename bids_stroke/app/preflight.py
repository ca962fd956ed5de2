"""Checks before anything is computed or written: places, device, model. Nothing here imports a heavy library.

What is looked at first costs least: a command that is refused for its words ends before settings are read.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bids_stroke.bids.sessions import Selection, check_selection
from bids_stroke.core.errors import OutputError, UsageError
from bids_stroke.core.processes import process_mark, remove_abandoned
from bids_stroke.derivatives.container import is_lost_with_container

_DRIVER, _AMD_DRIVER = "libcuda.so.1", Path("/dev/kfd")
"""NVIDIA's library of the driver, and the device of AMD's, which torch calls ``cuda`` too."""

WORK = "bids_stroke_"
"""How names of folders for intermediate files begin."""
_DEPTH, _DEEPER = 3, ("sub-", "ses-")
"""Folders in OUTPUT_DIR in which a unit's own lie: subject, session, and what is in it."""
_TRIED = 1024
"""Bytes that are written to see whether there is room for any."""


def check_command_line(
    selection: Selection, output_dir: Path, *, device: str, work_dir: Path | None = None, writes: bool = True
) -> None:
    """Refuse what is wrong whatever the settings say; the places are only looked at.

    Parameters
    ----------
    selection : Selection
        BIDS_DIR, labels and ``--derivatives``.
    output_dir, work_dir : Path, Path or None
        OUTPUT_DIR and ``--work-dir``.
    device : str
        ``--device``.
    writes : bool
        False for ``--dry-run``: then OUTPUT_DIR and ``--work-dir`` need not be writable.

    Raises
    ------
    InputError, NotBidsError, NothingSelectedError
        From `check_selection`.
    UsageError, OutputError
        From the functions below.
    """
    check_selection(selection)
    check_device(device)
    check_output(selection.bids_dir, output_dir)
    if writes:
        check_writable(output_dir, "OUTPUT_DIR")
        check_kept(output_dir)
        if work_dir is not None:
            check_writable(work_dir, "--work-dir")


def check_output(bids_dir: Path, output_dir: Path) -> None:
    """Refuse an OUTPUT_DIR that would mix outputs with raw data.

    Raises
    ------
    UsageError
        OUTPUT_DIR is BIDS_DIR itself or lies inside one of its ``sub-*`` folders, or a folder in OUTPUT_DIR is a link
        that leads into BIDS_DIR.
    """
    inside = output_dir.resolve()
    raw = bids_dir.resolve()
    if inside == raw or (inside.is_relative_to(raw) and inside.relative_to(raw).parts[0].startswith("sub-")):
        raise UsageError(
            f"OUTPUT_DIR {output_dir} would mix outputs with the raw data of {bids_dir}.",
            "Choose a folder outside, or BIDS_DIR/derivatives/bids_stroke.",
        )
    for link in _links(inside, _DEPTH):
        target = link.resolve()
        if target.is_relative_to(raw) and not target.is_relative_to(inside):
            raise UsageError(
                f"{link} in OUTPUT_DIR is a link into BIDS_DIR ({target}): outputs would mix with the raw data.",
                "Remove the link, or choose another OUTPUT_DIR.",
            )


def _links(folder: Path, depth: int) -> Iterator[Path]:
    """Links to folders in a folder, and in the folders within it."""
    try:
        with os.scandir(folder) as entries:
            folders = [entry for entry in entries if entry.is_dir()]
    except OSError:  # not there yet, or not ours to look into: then nothing is written there either
        return
    for entry in folders:
        if entry.is_symlink():
            yield Path(entry.path)
        elif depth > 1 and entry.name.startswith(_DEEPER):
            yield from _links(Path(entry.path), depth - 1)


def check_writable(folder: Path, name: str) -> None:
    """Refuse a folder that could not be made or written, by a look that makes and writes nothing.

    The file system has the last word, when the folder is made (:func:`prepare_output`, :func:`prepare_work`).

    Parameters
    ----------
    folder : Path
        It need not be there yet.
    name : str
        What the command line calls it.

    Raises
    ------
    OutputError
        It is no folder, or there is no permission.
    """
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
    except OSError as error:
        raise _not_writable(folder, name, str(error.strerror)) from None
    if not there.is_dir():
        raise _not_writable(folder, name, f"{there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise _not_writable(folder, name, f"no permission to write into {there}")


def check_kept(output_dir: Path) -> None:
    """Refuse an OUTPUT_DIR whose files would be deleted with the container.

    Raises
    ------
    OutputError
        It lies on the container's own disk or in its memory.
    """
    if is_lost_with_container(output_dir):
        raise OutputError(
            f"OUTPUT_DIR {output_dir} lies on the container's own disk: all results would be deleted with it.",
            f"Mount a folder of the host there: -v /path/on/the/host:{output_dir}.",
            "not-mounted",
        )


def prepare_output(bids_dir: Path, output_dir: Path) -> None:
    """Create OUTPUT_DIR and see that it can be written.

    Raises
    ------
    UsageError
        From :func:`check_output`.
    OutputError
        It cannot be created or written.
    """
    check_output(bids_dir, output_dir)
    _try_to_write(output_dir, "OUTPUT_DIR")


def prepare_work(work_dir: Path | None) -> Path:
    """Make the folder for the intermediate files of this run, in ``--work-dir`` or the system's temporary folder.

    Its name tells this process: folders of runs that are gone, killed before they could remove theirs, are removed.

    Raises
    ------
    OutputError
        It cannot be created or written.
    """
    if work_dir is not None:
        _try_to_write(work_dir, "--work-dir")
    try:
        parent = Path(tempfile.gettempdir()) if work_dir is None else work_dir
        remove_abandoned([parent], WORK)
        folder = Path(tempfile.mkdtemp(prefix=f"{WORK}{process_mark()}_", dir=parent))
    except OSError as error:
        raise OutputError(
            f"There is no usable temporary folder: {error}.", "Give --work-dir, or make /tmp writable (--tmpfs /tmp)."
        ) from None
    try:
        _try_to_write(folder, "The work folder")
    except OutputError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _try_to_write(folder: Path, name: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_TRIED))  # on a full disk an empty file can still be made
    except OSError as error:
        raise _not_writable(folder, name, str(error.strerror)) from None


def _not_writable(folder: Path, name: str, why: str) -> OutputError:
    return OutputError(
        f"{name} {folder} cannot be created or written: {why}.", "Check the path, its permissions and the space left."
    )


def check_device(device: str) -> None:
    """Refuse a device that is not known or not there, by asking the driver; ``auto`` and ``cpu`` always are.

    An AMD driver is left to :func:`check_device_with_torch`, which has the last word in any case.

    Raises
    ------
    UsageError
        The device is not known, or there is no such GPU.
    """
    number = _gpu_number(device)
    if number is not None and not _AMD_DRIVER.exists():
        _check_count(device, number, count_gpus())


def check_device_with_torch(device: str) -> None:
    """Refuse a GPU that torch cannot use: one that is not there, or any, where torch is built for the CPU only.

    Raises
    ------
    UsageError
        As :func:`check_device`.
    """
    number = _gpu_number(device)
    if number is not None:
        import torch

        _check_count(device, number, torch.cuda.device_count() if torch.cuda.is_available() else 0)


def _gpu_number(device: str) -> int | None:
    """Number of the GPU that ``--device`` asks for; None where it asks for none."""
    if device in ("auto", "cpu"):
        return None
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        raise UsageError(f"--device {device} is not known.", "Use auto, cpu, cuda or cuda:N.")
    return int(match[1] or 0)


def _check_count(device: str, number: int, count: int) -> None:
    if number >= count:
        raise UsageError(
            f"--device {device}: there are {count} CUDA devices here.", "Use --device auto or cpu, or start with a GPU."
        )


def count_gpus() -> int:
    """Count the NVIDIA GPUs that this process may use (``CUDA_VISIBLE_DEVICES``): what the driver says; 0 without one.

    The import of torch, which asks the same library, takes a hundred times as long.
    """
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    ready = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if ready else 0


def validator_complaints(bids_dir: Path) -> list[str] | None:
    """Errors of the BIDS validator, or None where it is not installed. They are shown, and do not stop a run."""
    program = shutil.which("bids-validator-deno", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        return None
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"DENO_DIR": cache}
        done = subprocess.run(
            [program, "--format", "json", str(bids_dir)], capture_output=True, text=True, env=environment, check=False
        )
    try:
        issues = json.loads(done.stdout)["issues"]["issues"]
    except (ValueError, KeyError):
        return [f"bids-validator-deno ended with {done.returncode} and no readable report."]
    return [f"{issue['code']} {issue.get('location', '')}" for issue in issues if issue.get("severity") == "error"]
