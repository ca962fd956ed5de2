"""Which dataset an OUTPUT_DIR is of: another one's people may have the same labels, and must not be mixed with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bids_stroke.bids.labels import same_dataset
from bids_stroke.core.errors import InputError, UsageError
from bids_stroke.core.json_files import read_json_object
from bids_stroke.core.text_files import NOT_THERE
from bids_stroke.derivatives.names import dataset_file
from bids_stroke.derivatives.outputs import write_json

_COMPARED = 20
"""People of whom the files of two folders are compared."""
_TEXTS = (".json", ".tsv")
"""Files that people correct in a copy: they do not tell one dataset from another."""


@dataclass(frozen=True)
class Belonging:
    """The dataset of an OUTPUT_DIR: its name, and the folders in which it lay (a container calls each one /data)."""

    name: str
    roots: tuple[str, ...] = ()

    def placed(self, path: str, bids_dir: Path) -> Path:
        """Where a file that was read from one of these folders is now; other files are where they were."""
        for root in self.roots:
            if path.startswith(f"{root}/"):
                return bids_dir / path[len(root) + 1 :]
        return Path(path)


def read_belonging(root: Path) -> Belonging | None:
    """What OUTPUT_DIR says of its dataset; None where nothing was computed there.

    Raises
    ------
    UsageError
        What it says cannot be read.
    """
    path = dataset_file(root, "dataset")
    try:
        content = read_json_object(path)
        name, roots = content["Name"], content["Roots"]
        if not isinstance(name, str) or not all(isinstance(item, str) for item in roots):
            raise TypeError
    except InputError as error:
        if error.reason == NOT_THERE:
            return None
        raise UsageError(error.message, _remedy(path)) from None
    except (KeyError, TypeError):
        raise UsageError(f"{path} does not tell of which dataset OUTPUT_DIR is.", _remedy(path)) from None
    return Belonging(name, tuple(roots))


def check_belonging(root: Path, bids_dir: Path, name: str) -> None:
    """Refuse an OUTPUT_DIR of another dataset.

    The name decides: a dataset may be moved, and in a container it lies in /data whatever it is. Two folders of one
    name that are both there are the same dataset unless recordings of the same people differ in size.

    Parameters
    ----------
    root, bids_dir : Path
        OUTPUT_DIR and BIDS_DIR.
    name : str
        ``Name`` in the dataset_description.json of BIDS_DIR.

    Raises
    ------
    UsageError
        It is of another dataset, or nobody can tell.
    """
    known = read_belonging(root)
    if known is None:
        return
    if same_dataset(known.name) != same_dataset(name):
        raise UsageError(
            f"OUTPUT_DIR {root} holds results of the dataset '{known.name}', and BIDS_DIR {bids_dir} is '{name}'.",
            "Give each dataset an OUTPUT_DIR of its own; where it is the same one under a new name, compute it anew.",
        )
    for other in map(Path, known.roots):
        if differs := _difference(other, bids_dir):
            raise UsageError(
                f"OUTPUT_DIR {root} holds results of {other}, another dataset than {bids_dir} of the same name "
                f"'{name}': {differs} is not the same in both.",
                "Give each dataset an OUTPUT_DIR and a Name of its own.",
            )


def claim(root: Path, bids_dir: Path, name: str) -> None:
    """Write into OUTPUT_DIR of which dataset it is, and see that no other job has said otherwise meanwhile.

    Raises
    ------
    UsageError
        From `check_belonging`.
    OutputError
        It cannot be written.
    """
    known = read_belonging(root) or Belonging(name)
    if str(bids_dir) not in known.roots:
        content = {"Name": known.name, "Roots": [*known.roots, str(bids_dir)]}
        write_json(dataset_file(root, "dataset"), content)
    check_belonging(root, bids_dir, name)


def _remedy(path: Path) -> str:
    return f"Remove {path.name} there if OUTPUT_DIR is of this dataset, else choose another OUTPUT_DIR."


def _difference(one: Path, other: Path) -> str:
    """The first recording of a person whom both folders have that has another size; empty where there is none."""
    if one == other or not (one / "dataset_description.json").is_file():
        return ""
    if one.samefile(other):
        return ""
    people = sorted({path.name for path in one.glob("sub-*")} & {path.name for path in other.glob("sub-*")})
    for person in people[:_COMPARED]:
        there = dict(_sizes(other / person))
        for name, size in _sizes(one / person):
            if there.get(name, size) != size:
                return f"{person}/{name}"
    return ""


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    """Files below a folder, with their size."""
    for path, _, names in os.walk(folder):
        for name in sorted(names):
            full = Path(path, name)
            if not name.endswith(_TEXTS) and full.is_file():
                yield full.relative_to(folder).as_posix(), full.stat().st_size
