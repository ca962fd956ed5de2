"""What is implausible about a brain is said."""

from __future__ import annotations

import pytest

from bids_stroke.preprocess.anat.quality import quality_warnings

GOOD = {"brain_volume_ml": 1400.0, "affine_determinant": 0.9, "brain_dice_template": 0.97, "brain_asymmetry": 0.01}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"affine_determinant": 0.3}, "determinant"),
        ({"brain_dice_template": 0.6}, "Dice"),
        ({"brain_volume_ml": 450.0}, "450 ml"),
        ({"brain_asymmetry": -0.2}, "smaller on the left"),
        ({"brain_asymmetry": 0.2}, "smaller on the right"),
    ],
)
def test_what_is_implausible_is_said(wrong: dict[str, float], words: str) -> None:
    assert quality_warnings(GOOD) == []
    warnings = quality_warnings(GOOD | wrong)
    assert len(warnings) == 1
    assert words in warnings[0]
