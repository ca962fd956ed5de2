"""Fixtures of the tests of images."""

from __future__ import annotations

import nibabel as nib
import pytest

from bids_stroke.imaging.standard_space import standard_grid, template
from bids_stroke.imaging.transforms import resample


@pytest.fixture(scope="session")
def target() -> nib.Nifti1Image:
    """The template at 4 mm: fast."""
    return resample(template("T1w"), standard_grid(4.0))
