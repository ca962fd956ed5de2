"""Fixtures shared by all tests: where the real data are, and a small synthetic dataset made once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MNE_DONTWRITE_HOME", "true")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real test data (``BIDS_STROKE_TEST_DATA``); a test that needs it is skipped, visibly, without."""
    folder = Path(os.environ.get("BIDS_STROKE_TEST_DATA", ROOT.parent / "shared" / "data")).resolve()
    if not (folder / "bids_real_open").is_dir():
        pytest.skip(f"real test data not found in {folder} (set BIDS_STROKE_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def example() -> Path:
    """The example dataset of the repository (read only: tests that change it copy it first)."""
    return ROOT / "example_bids_dataset"
