"""Words of the command line: the style of BIDS Apps rewritten into click's, and types of values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from bids_stroke.core.errors import InputError, UsageError

MANY = ("--participant-label", "--session-label", "--task-label", "--modalities", "--derivatives")
"""Options that take several values after them, as BIDS Apps do, or ``@file`` with one value a line."""

SYNONYMS = MappingProxyType({
    "--random-seed": "--seed", "--task-id": "--task-label", "--n-cpus": "--nthreads", "--mem-mb": "--mem",
})  # fmt: skip
"""Option of fMRIPrep, QSIPrep or MRIQC -> ours that means the same; see also `cli.aliases`."""


def expand_arguments(arguments: Sequence[str]) -> list[str]:
    """Rewrite BIDS App style into click's: ``--participant_label 01 02`` into two ``--participant-label``.

    Raises
    ------
    InputError
        An ``@file`` of labels that cannot be read.
    UsageError
        An option for several values without any.
    """
    expanded: list[str] = []
    many: str | None = None
    count = 0
    for argument in [*arguments, "--"]:
        is_option = argument.startswith("--") or re.fullmatch(r"-[A-Za-z].*", argument) is not None
        if is_option or many is None:
            if many is not None and count == 0:
                raise UsageError(f"{many} needs at least one value.", f"Like {many} VALUE [VALUE ...].")
            name, equals, value = argument.partition("=") if argument.startswith("--") else (argument, "", "")
            name = name.replace("_", "-") if argument.startswith("--") else name
            name = SYNONYMS.get(name, name)
            many = name if name in MANY and not equals else None
            count = 0
            if many is None:
                values = _values(name, value) if name in MANY else [value]
                if not values:
                    raise UsageError(f"{argument} names nothing.", "Put one value a line into the file.")
                expanded.extend(f"{name}{equals}{item}" for item in values)
        else:
            values = _values(many, argument)
            count += len(values)
            expanded.extend(f"{many}={item}" for item in values)
    return expanded[:-1]


def _values(option: str, text: str) -> list[str]:
    if not text.startswith("@"):
        return [item for item in text.split(",") if item] if option == "--modalities" else [text]
    try:
        return Path(text[1:]).read_text("utf-8-sig").split()
    except UnicodeDecodeError:
        raise InputError(f"The file of labels {text[1:]} is not UTF-8 text.", "Save it as UTF-8.") from None
    except OSError as error:
        raise InputError(
            f"The file of labels {text[1:]} cannot be read: {error.strerror}.", "Check the path."
        ) from None


def without_prefix(prefix: str, values: Sequence[str]) -> tuple[str, ...]:
    """Labels as they are, of values that may begin with ``sub-`` or the like."""
    return tuple(value.removeprefix(prefix) for value in values)


def derivative_folders(values: Sequence[str]) -> dict[str, Path]:
    """``--derivatives [NAME=]DIR ...`` -> folder by name, where none is given the folder's own.

    Raises
    ------
    UsageError
        A value without a folder, or a name that is taken.
    """
    found: dict[str, Path] = {}
    for value in values:
        name, equals, folder = value.partition("=")
        if not equals or "/" in name:  # a path may hold a "=" itself
            name, folder = Path(value).resolve().name, value
        if not (name and folder):
            raise UsageError(f"--derivatives {value} is not NAME=DIR.", "Like --derivatives lesions=/data/masks.")
        if name in found or name == "raw":
            reason = "is given twice" if name in found else "is the name of BIDS_DIR itself"
            raise UsageError(f"--derivatives: {name} {reason}.", "Give each folder a name of its own: NAME=DIR.")
        found[name] = Path(folder).resolve()
    return found


class Place(click.Path):
    """A path; an empty one, of a variable of a script that was never set, is not the current folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse the empty path, convert others."""
        if not str(value).strip():
            self.fail("it is empty.", param, ctx)
        return super().convert(value, param, ctx)


class Finite(click.FloatRange):
    """A number in a range: NaN is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse NaN and infinity, check others."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no number.", param, ctx)
        return number


def train_part(text: str | None, options: Mapping[str, Any]) -> tuple[int, int] | None:
    """``--train-part K/N`` -> (K, N), None where it is not given.

    Raises
    ------
    UsageError
        It is no part of a whole, or another option makes no sense with it.
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text)
    if found is None or int(found[1]) > int(found[2]):
        raise UsageError(f"--train-part {text} is not K/N.", "Like 1/4, 2/4, 3/4 and 4/4 for four tasks.")
    if options["analysis_level"] != "train" or options["dry_run"]:
        raise UsageError("--train-part is of the level train, and not of --dry-run.", "Leave one of them out.")
    if options["force"]:
        raise UsageError(
            "--train-part with --force would remove what the other parts have finished.",
            "Remove OUTPUT_DIR/models/NAME.unfinished before the first part, and leave --force out.",
        )
    return int(found[1]), int(found[2])
