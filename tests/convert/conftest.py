"""Fixtures of the conversion tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bids_stroke.convert.miccai2025 import FILE_NAME, MAPS
from tests.helpers.keras_files import write_keras


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All six weight files; the six are one, to save time."""
    found = tmp_path_factory.mktemp("keras")
    first = write_keras(found / FILE_NAME.format("FA"))
    for name in MAPS[1:]:
        shutil.copy(first, found / FILE_NAME.format(name))
    return found
