"""A unit that has every kind of output, for the tests of figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_stroke.core.records import StepReport
from bids_stroke.derivatives.outputs import Outputs
from tests.helpers.figures import make_unit


@pytest.fixture
def unit(tmp_path: Path) -> tuple[Outputs, dict[str, StepReport]]:
    return make_unit(tmp_path)
