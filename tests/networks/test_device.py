"""The device that is asked for is the one that computes."""

from __future__ import annotations

import pytest
import torch

from bids_stroke.core.errors import UsageError
from bids_stroke.networks.device import resolve_device


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_explicit_gpu_never_falls_back() -> None:
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(UsageError):
        resolve_device("cuda")
