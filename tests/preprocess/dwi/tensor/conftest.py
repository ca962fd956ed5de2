"""Fixtures of the tensor's tests."""

from __future__ import annotations

import pytest

from tests.helpers.phantom import Phantom, make_phantom


@pytest.fixture(scope="session")
def fine() -> Phantom:
    return make_phantom(n_directions=20, n_b0=2)
