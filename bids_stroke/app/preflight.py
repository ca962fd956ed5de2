"""Checks before anything is run or written: output folder, work folder, device, BIDS validity, model."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bids_stroke.core.errors import OutputError, UsageError


def prepare_output(bids_dir: Path, output_dir: Path) -> None:
    """Create OUTPUT_DIR and see that it can be written.

    Raises
    ------
    UsageError
        OUTPUT_DIR is BIDS_DIR itself or lies inside one of its ``sub-*`` folders.
    OutputError
        It cannot be created or written.
    """
    inside = output_dir.resolve()
    raw = bids_dir.resolve()
    if inside == raw or (inside.is_relative_to(raw) and inside.relative_to(raw).parts[0].startswith("sub-")):
        raise UsageError(
            f"OUTPUT_DIR {output_dir} would mix outputs with the raw data of {bids_dir}.",
            "Choose a folder outside, or BIDS_DIR/derivatives/bids_stroke.",
        )
    _check_writable(output_dir, "OUTPUT_DIR")


def prepare_work(work_dir: Path | None) -> Path:
    """The folder for intermediate files: ``--work-dir``, or one of its own under the system's temporary folder.

    Raises
    ------
    OutputError
        It cannot be created or written.
    """
    if work_dir is not None:
        _check_writable(work_dir, "--work-dir")
        return work_dir
    try:
        return Path(tempfile.mkdtemp(prefix="bids_stroke_"))
    except OSError as error:
        raise OutputError(
            f"There is no usable temporary folder: {error}.", "Give --work-dir, or make /tmp writable (--tmpfs /tmp)."
        ) from None


def _check_writable(folder: Path, name: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"{name} {folder} cannot be created or written: {error.strerror}.", "Check the path and its permissions."
        ) from None


def check_device(device: str) -> None:
    """UsageError for a device that is not known or not there; ``auto`` and ``cpu`` always are."""
    if device in ("auto", "cpu"):
        return
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        raise UsageError(f"--device {device} is not known.", "Use auto, cpu, cuda or cuda:N.")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(match[1] or 0) >= count:
        raise UsageError(
            f"--device {device}: there are {count} CUDA devices here.", "Use --device auto or cpu, or start with a GPU."
        )


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
