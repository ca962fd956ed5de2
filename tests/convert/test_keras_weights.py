"""Keras weights read into the state of a network."""

from __future__ import annotations

from pathlib import Path

import torch

from bids_stroke.convert.keras_weights import read_state
from bids_stroke.convert.miccai2025 import FILE_NAME
from bids_stroke.ensemble.weights import restore_network
from bids_stroke.networks.layers.keras import DepthNorm


def test_every_array_has_its_place(folder: Path) -> None:
    state = read_state(folder / FILE_NAME.format("FA"))
    norms = [name for name, layer in restore_network("miccai2025", {}, state, torch.device("cpu")).named_modules()
             if isinstance(layer, DepthNorm)]  # fmt: skip
    assert [len(state[f"{name}.weight"]) for name in norms] == [91, *[46] * 6, 46, 23, 23, 12, 12, 6, 6, 3, 3]
