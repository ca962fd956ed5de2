"""Cohorts of the tests of training: made once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_stroke.core.records import Labelled
from tests.helpers.units import labelled, lesion, rhythm_cohort, write_volume


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    return rhythm_cohort(tmp_path_factory.mktemp("planted"), 24)


@pytest.fixture(scope="session")
def lesion_cohort(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    """Large lesions go with poor outcomes; every eighth unit lacks the map, every eighth all covariates."""
    folder, rng = tmp_path_factory.mktemp("shallow"), np.random.default_rng(0)
    units = []
    for i in range(32):
        score = float(rng.integers(2, 16) if i % 2 else rng.integers(20, 34))
        size = int(np.clip(22 - score / 2 + rng.normal(0, 2), 2, 25))
        path = write_volume(folder / f"sub-{i:02d}_lesion.nii", lesion(rng, size, bool(i % 3)))
        item = labelled(folder, f"{i:02d}", score, {} if i % 8 == 7 else {"lesion": [path]})
        units.append(replace(item, unit=replace(item.unit, covariates={})) if i % 8 == 3 else item)
    return units
