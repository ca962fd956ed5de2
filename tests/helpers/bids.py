"""Small BIDS datasets for tests: files with given text, or empty ones where nobody reads them."""

from __future__ import annotations

import json
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
