"""Fixtures of the diffusion tests: scans that are made once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_stroke.imaging.images import array
from bids_stroke.imaging.standard_space import template
from bids_stroke.imaging.transforms import resample
from tests.helpers.diffusion import COARSE
from tests.helpers.phantom import Phantom, make_phantom
from tests.helpers.template_scan import TemplateScan, grid, scan


@pytest.fixture(scope="session")
def still() -> TemplateScan:
    return scan(grid())


@pytest.fixture(scope="session")
def brain() -> NDArray[np.bool_]:
    return np.asarray(array(resample(template("mask"), grid())) > 0.5)


@pytest.fixture(scope="session")
def small() -> Phantom:
    return make_phantom(**COARSE, n_directions=12, n_b0=2)
