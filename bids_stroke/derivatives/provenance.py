"""What a run was asked for, kept in OUTPUT_DIR: its settings, to be given again, and its command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import bids_stroke
from bids_stroke.core.settings import Settings, describe_settings
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import write_text


@dataclass(frozen=True)
class RunTold:
    """What the settings file tells of the last run of a level: version of the app, date, and command line."""

    version: str
    date: str
    command: str


_HEAD = re.compile(r"# Settings of a run of bids_stroke (\S+), level \w+, (\S+)\.\n# .*\n#   (.*)\n")


def read_run(root: Path, level: str) -> RunTold | None:
    """What `write_settings` has written of the last run; None where there is no such file."""
    path = dataset_file(root, "settings", level=level)
    try:
        found = _HEAD.match(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    return RunTold(*found.groups()) if found else None


def write_settings(root: Path, level: str, settings: Settings, command: Sequence[str]) -> Path:
    """Write all settings of a run as a file for ``--config``, with version, date and command line as comments.

    Runs side by side into one folder write it one after the other: the last one stays.

    Parameters
    ----------
    root : Path
        OUTPUT_DIR.
    level : str
        ``participant`` or ``train``.
    settings : Settings
        As the run has them: of the file that was given, the options, and the model.
    command : sequence of str
        The words behind the program's name, as they were given.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    given = shlex.join(["bids_stroke", *command])
    lines = [
        f"# Settings of a run of bids_stroke {bids_stroke.__version__}, level {level}, "
        f"{datetime.now(UTC).isoformat(timespec='seconds')}.",
        "# With this file as --config another run has the same ones. The command line was:",
        "#   " + "".join(letter if letter.isprintable() else "?" for letter in given),
        "",
        describe_settings(settings),
        "",
    ]
    return write_text(dataset_file(root, "settings", level=level), "\n".join(lines))
