"""Words within labels that know neither blanks nor hyphens."""

from __future__ import annotations

import pytest

from bids_stroke.core.image_labels import has_word

WORDS = frozenset({"adc", "fa", "colfa", "tracew", "tensor", "md"})


@pytest.mark.parametrize(
    "label",
    ["ADC", "adc", "FA", "ep2dDiffADC", "b1000adc", "DTIFA", "FAmap", "dtifamap", "ColFA", "ep2dTRACEW2", "64dirTENSOR",
     "headADC", "axADC", "meanMD", "ADC2"],
)  # fmt: skip
def test_words_are_found_within_labels(label: str) -> None:
    assert has_word(label, WORDS)


@pytest.mark.parametrize(
    "label",
    ["FAST", "fast", "headcoil", "MDDW64", "mddw", "b1000", "norm", "alfa", "sofa", "FAIR", "broadcast", "AP", "",
     "MDEFT", "tensorflow", "64dir"],
)  # fmt: skip
def test_letters_within_other_words_are_not(label: str) -> None:
    assert not has_word(label, WORDS)
