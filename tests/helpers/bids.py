"""Small BIDS datasets for tests: files with given text, or empty ones where nobody reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DESCRIPTION = {"Name": "Test cohort", "BIDSVersion": "1.11.1", "DatasetType": "raw"}


def make_dataset(root: Path, files: Mapping[str, Any] = {}) -> Path:
    """Write a dataset: JSON for dictionaries, text for strings, an empty file for None."""
    for name, content in {"dataset_description.json": DESCRIPTION, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content) if isinstance(content, dict) else content or "")
    return root


def path_that_is_too_long(folder: Path) -> None:
    """Put folders into each other until their path is longer than the system takes: not even root can list the last."""
    place = os.open(folder, os.O_RDONLY)
    for _ in range(18):
        os.mkdir("a" * 250, dir_fd=place)
        inner = os.open("a" * 250, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
