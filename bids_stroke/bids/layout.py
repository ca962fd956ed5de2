"""The files of one subject: the only module that talks to pybids."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bids_stroke.core.errors import InputError, OutputError
from bids_stroke.core.modalities import QUERIES, Query
from bids_stroke.core.records import BidsFile
from bids_stroke.derivatives.outputs import write_text


def files_of(root: Path, subject: str, dataset: str) -> list[BidsFile]:
    """NIfTI files of one subject in a dataset, by a listing of its folder (never an index of the whole).

    Raises
    ------
    InputError
        A sidecar that is not JSON.
    """
    folder = root / f"sub-{subject}"
    paths = sorted([*folder.glob("*/*.nii*"), *folder.glob("ses-*/*/*.nii*")])
    sidecars = {place: sorted(place.glob("*.json")) for path in paths for place in _places(root, path)}
    return [
        BidsFile(
            path,
            _entities_of(path.name),
            _metadata([sidecar for place in _places(root, path) for sidecar in sidecars[place]], path),
            f"bids:{dataset}:{path.relative_to(root).as_posix()}",
        )
        for path in paths
    ]


def _places(root: Path, path: Path) -> list[Path]:
    """Folders in which sidecars of a file may lie, the root first."""
    parents = list(path.parents)
    return parents[: parents.index(root) + 1][::-1]


def _entities_of(name: str) -> dict[str, str]:
    parts = name.split(".")[0].split("_")
    pairs = [part.split("-", 1) for part in parts if "-" in part]
    entities = {{"ses": "session", "sub": "subject"}.get(key, key): value for key, value in pairs}
    return entities | {"suffix": parts[-1]}


def _metadata(sidecars: Sequence[Path], path: Path) -> dict[str, Any]:
    """Content of the sidecars that apply to a file (inheritance principle), the nearest and most specific last."""
    *_, suffix = own = path.name.split(".")[0].split("_")
    found: dict[str, Any] = {}
    fitting = [one for one in sidecars if one.stem.split("_")[-1] == suffix and set(one.stem.split("_")) <= set(own)]
    for sidecar in sorted(fitting, key=lambda one: (len(one.parents), one.stem.count("_"))):
        try:
            found |= json.loads(sidecar.read_text())
        except (ValueError, TypeError) as error:
            raise InputError(f"{sidecar} is not JSON: {error}.", "Correct the file.") from None
    return found


@cache
def _pybids_config() -> tuple[dict[str, Any], ...]:
    """Give pybids' own BIDS configuration, with the emg datatype of BIDS 1.11 that it does not know yet."""
    import bids.layout

    path = Path(bids.layout.__file__).parent / "config" / "bids.json"
    config: dict[str, Any] = json.loads(path.read_text())
    for entity in config["entities"]:
        if entity["name"] == "datatype":
            entity["pattern"] = entity["pattern"].replace("(anat|", "(emg|anat|")
    return (config,)


@cache
def entity_names() -> set[str]:
    """Entities that a filter may name, in pybids' spelling."""
    return {entity["name"] for entity in _pybids_config()[0]["entities"]}


def index_subject(bids_dir: Path, subject: str, database_dir: Path | None = None) -> dict[str, tuple[BidsFile, ...]]:
    """Raw files of one subject with inherited metadata, by query. Only this subject's folder is indexed."""
    from bids import BIDSLayout, BIDSLayoutIndexer

    others = re.compile(rf"^/(?!sub-{re.escape(subject)}(/|$))(sub-|code|sourcedata|derivatives|phenotype|\.)")
    indexer = BIDSLayoutIndexer(validate=False, ignore=[others])
    database, mark_whole = _subject_database(bids_dir, subject, database_dir)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pybids warns of its own internals (SQLAlchemy, pandas)
        try:
            layout = BIDSLayout(
                bids_dir, validate=False, indexer=indexer, config=[dict(_pybids_config()[0])], **database
            )
        except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
            raise InputError(
                f"The sidecars of sub-{subject} in {bids_dir} cannot be read: {error}.",
                "Look for a broken JSON file (bids-validator names it).",
            ) from error
        found = {
            name: tuple(
                BidsFile(
                    Path(item.path),
                    {key: str(value) for key, value in item.get_entities().items()},
                    item.get_metadata(),
                    f"bids:raw:{Path(item.path).relative_to(bids_dir).as_posix()}",
                )
                for item in layout.get(subject=subject, **_conditions(query))
                if Path(item.path).is_relative_to(bids_dir / f"sub-{subject}")  # not a copy elsewhere in the dataset
            )
            for name, query in QUERIES.items()
        }
    layout.connection_manager.session.close()
    mark_whole()
    return found


def _conditions(query: Query) -> dict[str, Any]:
    """What pybids is asked for."""
    found: dict[str, Any] = {"suffix": query.suffix, "extension": list(query.extensions)}
    return found | ({"datatype": query.datatype} if query.datatype else {})


def _subject_database(
    bids_dir: Path, subject: str, database_dir: Path | None
) -> tuple[dict[str, Any], Callable[[], object]]:
    """``--bids-database-dir``: one database a subject (no lock between jobs), made anew when the files changed.

    The second value marks it as whole: to be called when it is, so that a killed run leaves no half of one.
    """
    if database_dir is None:
        return {}, lambda: None
    folder = database_dir / f"sub-{subject}"
    paths = sorted((bids_dir / f"sub-{subject}").rglob("*"))
    paths += [path for path in sorted(bids_dir.iterdir()) if path.is_file()]
    listing = "\n".join(f"{path} {path.lstat().st_mtime_ns} {path.lstat().st_size}" for path in paths)
    stamp = folder / "listing.txt"
    stale = not stamp.is_file() or stamp.read_text() != listing
    if stale:
        stamp.unlink(missing_ok=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"--bids-database-dir {database_dir} cannot be written: {error.strerror}.") from None
    return {"database_path": folder, "reset_database": stale}, lambda: write_text(stamp, listing)
