"""What every network has from its base class, on the smallest one that there can be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from bids_stroke.core.errors import ModelError
from bids_stroke.networks.base import N_OUTPUTS, Arguments, Network, dense_head, feature_layer, require_dropout


@dataclass(frozen=True)
class MeanArguments(Arguments):
    takes_covariates = True
    factor: float = 1.0


class Mean(Network):
    arguments_class = MeanArguments

    def __init__(self, arguments: MeanArguments) -> None:
        super().__init__(arguments)
        self.input_shape = (2, None)
        self.factor = arguments.factor

    def compute(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Mean of image and covariates, twice."""
        mean = torch.cat([image.flatten(1), covariates], dim=1).mean(1) * self.factor
        return torch.stack([mean, mean], dim=1)


def test_a_subclass_says_only_what_it_computes() -> None:
    network = Mean(MeanArguments(n_covariates=1, factor=2.0))
    image, covariates = torch.tensor([[[1.0], [2.0]]]), torch.tensor([[3.0]])
    assert network(image, covariates).tolist() == [[4.0, 4.0]]
    assert Mean.from_input("fa", {}) == {}
    assert Mean.has_score and not Mean.shallow
    for wrong, message in [
        ((image[:, :1], covariates), r"expects input of shape \(n, 2, any\), got \(1, 1, 1\)"),
        ((image, covariates[:, :0]), r"expects covariates of shape \(1, 1\), got \(1, 0\)"),
    ]:
        with pytest.raises(ModelError, match=message):
            network(*wrong)


def test_a_network_without_compute_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Network(Arguments())  # type: ignore[abstract]


@pytest.mark.parametrize("model", [Mean(MeanArguments()), nn.Linear(1, 1)])
def test_what_has_no_feature_map_cannot_be_explained(model: nn.Module) -> None:
    with pytest.raises(ModelError, match=f"{type(model).__name__} has no feature map"):
        feature_layer(model)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan")])
def test_dropout_is_a_probability_below_1(dropout: float) -> None:
    with pytest.raises(ModelError, match="outside 0 to 1"):
        require_dropout(dropout)
    require_dropout(0.0)


@pytest.mark.parametrize("dense", [(), (4,), (4, 3)])
def test_dense_layers_end_in_the_two_outputs(dense: tuple[int, ...]) -> None:
    head = dense_head(5, dense, 0.1)
    assert head(torch.zeros(3, 5)).shape == (3, N_OUTPUTS)
    assert [layer.out_features for layer in head if isinstance(layer, nn.Linear)] == [*dense, N_OUTPUTS]
