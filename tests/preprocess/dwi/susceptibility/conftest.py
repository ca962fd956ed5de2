"""Fixtures of the susceptibility tests."""

from __future__ import annotations

import pytest

from tests.helpers.phantom import Phantom, make_phantom
from tests.helpers.susceptibility import GRID, PEAK_HZ


@pytest.fixture(scope="session")
def distorted() -> Phantom:
    return make_phantom(**GRID, field_hz=PEAK_HZ, pairs="b0")
