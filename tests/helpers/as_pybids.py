"""What pybids itself says of the files of a dataset: the authority that ours must equal."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import bids.layout
from bids import BIDSLayout, BIDSLayoutIndexer

from bids_stroke.bids.entities import raw_entities
from bids_stroke.bids.layout import Dataset, raw_metadata

Known = dict[str, tuple[dict[str, str], dict[str, Any]]]
"""Path within the dataset -> entities, metadata."""


def by_pybids(root: Path) -> Known:
    """Every file of the subjects but JSON, by one layout of the dataset with the datatype emg added."""
    config = json.loads((Path(bids.layout.__file__).parent / "config" / "bids.json").read_text())
    datatype = next(entity for entity in config["entities"] if entity["name"] == "datatype")
    datatype["pattern"] = datatype["pattern"].replace("(anat|", "(emg|anat|")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pybids warns of its own internals
        layout = BIDSLayout(root, validate=False, config=[config], indexer=BIDSLayoutIndexer(validate=False))
        found = {
            Path(item.path).relative_to(root).as_posix(): (
                {key: str(value) for key, value in item.get_entities().items()},
                dict(item.get_metadata()),
            )
            for item in layout.get()
        }
    layout.connection_manager.session.close()
    layout.connection_manager.engine.dispose()
    return {name: told for name, told in found.items() if name.startswith("sub-") and not name.endswith(".json")}


def by_ours(root: Path) -> Known:
    """The same from our walk."""
    dataset = Dataset.open(root, "raw")
    found = {}
    for subject in dataset.subjects:
        for folder in dataset.folders(subject):
            for name in folder.files:
                entities = raw_entities(folder.within + name)
                suffix = "suffix" in entities and "extension" in entities  # pybids looks for no other's sidecars
                found[folder.within + name] = entities, raw_metadata(folder, name, entities).content if suffix else {}
    return {name: told for name, told in found.items() if not name.endswith(".json")}
