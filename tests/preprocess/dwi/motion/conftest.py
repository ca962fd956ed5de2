"""Fixtures of the motion tests."""

from __future__ import annotations

import pytest

from tests.helpers.diffusion import WHOLE_HEAD
from tests.helpers.phantom import Phantom, make_phantom


@pytest.fixture(scope="session")
def moved() -> Phantom:
    return make_phantom(seed=2, n_directions=16, n_b0=2, motion=1.0, eddy=0.03, outliers=4, **WHOLE_HEAD)
