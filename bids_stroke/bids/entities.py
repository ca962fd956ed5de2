"""Entities of a file's name: by the patterns of pybids' own configuration, or by the name alone.

pybids stays the authority on what raw files are called, but is not imported: its configuration is a JSON file, and
importing it costs as much as the plan of a thousand people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Comparable = frozenset[tuple[str, str | int]]
"""Entities as they are compared: ``run-1`` and ``run-01`` are the same."""

_NUMBER = "int"
_LABEL = re.compile(r"[a-zA-Z0-9+]+")


@cache
def pybids_config() -> Mapping[str, Any]:
    """Pybids' configuration for raw BIDS, with the datatype ``emg`` of BIDS 1.11 that it does not know yet."""
    spec = find_spec("bids")  # finds the package without running it
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pybids is not installed", name="bids")
    path = Path(spec.origin).parent / "layout" / "config" / "bids.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for entity in config["entities"]:
        if entity["name"] == "datatype" and "emg" not in entity["pattern"]:
            entity["pattern"] = entity["pattern"].replace("(anat|", "(emg|anat|")
    return config


@cache
def entity_names() -> set[str]:
    """Entities that a filter may name, in pybids' spelling."""
    return {entity["name"] for entity in pybids_config()["entities"]}


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((entity["name"], re.compile(entity["pattern"])) for entity in pybids_config()["entities"])


@cache
def _numbers() -> frozenset[str]:
    return frozenset(entity["name"] for entity in pybids_config()["entities"] if entity.get("dtype") == _NUMBER)


@lru_cache(maxsize=4096)
def _matched(path: str) -> Mapping[str, str]:
    found = ((name, pattern.search(path)) for name, pattern in _patterns())
    return {name: match[1] for name, match in found if match is not None}


def raw_entities(within: str) -> dict[str, str]:
    """Entities of a raw file as pybids gives them, with ``suffix``, ``datatype`` and ``extension``.

    Parameters
    ----------
    within : str
        Path from the root of the dataset: ``sub-01/anat/sub-01_T1w.nii.gz``. pybids itself looks at the whole path,
        so that a dataset below a folder ``/data/sub-07`` has one subject, 07; here only the dataset counts.
    """
    subject = within[4:].split("/", 1)[0] if within.startswith("sub-") else ""
    if not _LABEL.fullmatch(subject):
        return dict(_matched(f"/{within}"))
    # people's files are named alike: without their labels, most names have been matched before
    return {**_matched(f"/{within}".replace(f"sub-{subject}", "sub-0")), "subject": subject}


def named_entities(within: str) -> dict[str, str]:
    """Entities of a derivative by its name alone: all that it has, known to pybids or not, with ``suffix``.

    >>> named_entities("sub-01/anat/sub-01_label-L_desc-lesion_mask.nii.gz")
    {'subject': '01', 'label': 'L', 'desc': 'lesion', 'suffix': 'mask'}
    """
    parts = within.rsplit("/", 1)[-1].split(".")[0].split("_")
    pairs = [part.split("-", 1) for part in parts if "-" in part]
    entities = {{"ses": "session", "sub": "subject"}.get(key, key): value for key, value in pairs}
    return entities | {"suffix": parts[-1]}


def comparable(entities: Mapping[str, str]) -> Comparable:
    """What a file and its sidecars must have in common: all entities but suffix and extension."""
    numbers = _numbers()
    return frozenset(
        [
            (name, int(value) if name in numbers and value.isdecimal() else value)
            for name, value in entities.items()
            if name not in ("suffix", "extension")
        ]
    )
