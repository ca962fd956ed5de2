"""The collector is paused, and afterwards as it was, whatever happened."""

from __future__ import annotations

import gc

import pytest

from bids_stroke.bids.collector import nothing_collected


def test_the_collector_rests_within_and_works_again_afterwards() -> None:
    assert gc.isenabled()
    with nothing_collected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_works_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="broken"), nothing_collected():
        raise ValueError("broken")
    assert gc.isenabled()


def test_one_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with nothing_collected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
