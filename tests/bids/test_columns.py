"""Words and numbers of columns."""

from __future__ import annotations

from bids_stroke.bids.columns import number_of, sex_of, unit_of


def test_words_that_contain_others_are_told_apart() -> None:
    assert [sex_of(text) for text in ("female", "Male", "male or female", "feminine", "f")] == [
        "female", "male", "", "", "female",
    ]  # fmt: skip
    assert [unit_of(text) for text in ("a", "a score", "Years.", "year or month", "y")] == [
        "year",
        "",
        "year",
        "",
        "year",
    ]
    assert [number_of(text) for text in ("5", "5,25", "5.5", "5,250", "5+", "+5", "")] == [
        5.0, 5.25, 5.5, None, 5.0, None, None,
    ]  # fmt: skip
