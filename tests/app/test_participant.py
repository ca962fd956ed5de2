"""What is said of a unit that has ended."""

from __future__ import annotations

import pytest

from bids_stroke.app.participant import stages_in_words
from bids_stroke.app.unit.run import UnitResult
from bids_stroke.core.records import UnitStatus


@pytest.mark.parametrize(
    ("seconds", "why", "words"),
    [
        ({}, {}, ""),
        ({"anat": 30.21, "figures": 1}, dict.fromkeys(["anat", "figures"], "not run before"), "anat 30.2, figures 1.0"),
        ({"anat": 30.21, "figures": 1}, dict.fromkeys(["anat", "figures"], "--force"), "anat 30.2, figures 1.0"),
        (
            {"anat": 30, "dwi": 40, "figures": 1},
            {"anat": "code changed", "lesion": "", "dwi": "code changed", "figures": "not run before"},
            "anat 30.0, dwi 40.0: code changed; figures 1.0",
        ),
    ],
)
def test_stages_with_one_reason_stand_together(seconds: dict, why: dict, words: str) -> None:
    assert stages_in_words(UnitResult(UnitStatus("1", None, "done"), seconds, why)) == words
