"""The device that is asked for is the one that computes."""

from __future__ import annotations

import pytest
import torch

from bids_stroke.core.errors import UsageError
from bids_stroke.networks.device import resolve_device, threads_for
from bids_stroke.networks.lstm import StackedLstm
from bids_stroke.networks.tcn import Tcn


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_explicit_gpu_never_falls_back() -> None:
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(UsageError):
        resolve_device("cuda")


def test_a_network_that_says_so_has_one_thread_and_then_the_old_number_is_back() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with pytest.raises(ZeroDivisionError), threads_for(StackedLstm):
            assert torch.get_num_threads() == 1
            raise ZeroDivisionError
        assert torch.get_num_threads() == 3
        with threads_for(Tcn):
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
