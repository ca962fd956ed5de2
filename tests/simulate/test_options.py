"""Options of a simulated cohort."""

from __future__ import annotations

import pytest

from bids_stroke.core.errors import UsageError
from bids_stroke.simulate.options import CohortOptions


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"n_subjects": 0}, "n_subjects"),
        ({"seed": -1}, "seed"),
        ({"resolution": "fine"}, "fine"),
        ({"emg_layout": "nowhere"}, "nowhere"),
        ({"missing_rate": {"pet": 0.1}}, "pet"),
        ({"missing_rate": {"dwi": 1.5}}, "dwi"),
        ({"two_sessions": -0.5}, "two_sessions"),
    ],
)
def test_options_out_of_range_are_refused_by_name(wrong, named):
    with pytest.raises(UsageError, match=named):
        CohortOptions(**wrong)
