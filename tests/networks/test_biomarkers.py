"""The numbers that a network makes of biomarkers."""

from __future__ import annotations

import pytest
import torch

from bids_stroke.core.biomarkers import BIOMARKERS
from bids_stroke.core.errors import ModelError
from bids_stroke.networks import registry
from bids_stroke.networks.shallow import ShallowNetwork


def features(columns: list[str], rows: list[list[float]]) -> torch.Tensor:
    network = registry.build("biomarkers", columns=columns)
    assert isinstance(network, ShallowNetwork)
    return network.features(torch.tensor(rows))


def test_counted_from_what_is_typical_and_long_tails_as_logarithms() -> None:
    columns = ["bsi", "lesion_volume_ml", "hand_connectivity_z"]
    found = features(columns, [[0.3, 20.0, -0.1]])[0, :3].tolist()
    typical = [BIOMARKERS[name].typical for name in columns]
    assert found == pytest.approx([0.3 - typical[0], torch.log1p(torch.tensor(20.0)).item(), -0.1 - typical[2]])


def test_missing_is_told_and_is_no_extreme_value() -> None:
    found = features(["alpha_peak_hz", "bsi"], [[float("nan"), 0.1], [10.0, float("nan")]])
    assert found[:, 2:].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert found[0, 0] == found[1, 0] == 0.0  # 10 Hz is typical


def test_a_column_of_another_version_is_refused() -> None:
    with pytest.raises(ModelError, match="columns names grip_strength"):
        registry.build("biomarkers", columns=["grip_strength"])
