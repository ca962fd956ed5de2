"""Every network of the registry keeps the common contract, and so will the next one."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from bids_stroke.core.errors import ModelError
from bids_stroke.core.modalities import BIOMARKERS, CLINICAL, MODALITIES, record_of
from bids_stroke.features.readers import complete_inputs
from bids_stroke.networks import registry
from bids_stroke.networks.base import N_OUTPUTS, POOR_LOGIT, SCORE, Arguments, Network, feature_layer
from bids_stroke.networks.slice_cnn import BACKBONES
from tests.helpers.networks import SAMPLES, Sample, batch, make

VARIANTS = {
    **SAMPLES,
    "cbam_resnet3d without covariates": SAMPLES["cbam_resnet3d"].but(n_covariates=0),
    "regions in trees": SAMPLES["regions"].but(n_trees=3),
    "regions in waves": SAMPLES["regions"].but(n_waves=5),
    "the tract of regions": SAMPLES["regions"].but(numbers="tract"),
    **{f"slice_cnn {name}": SAMPLES["slice_cnn"].but(backbone=name) for name in BACKBONES},
}
each_sample = pytest.mark.parametrize("item", SAMPLES.values(), ids=SAMPLES)
each_variant = pytest.mark.parametrize("item", VARIANTS.values(), ids=VARIANTS)
TRAINED = {name: item for name, item in VARIANTS.items() if not registry.NETWORKS[item.network].network.shallow}
"""By epochs: with parameters that an optimiser moves."""
each_trained = pytest.mark.parametrize("trained", TRAINED.values(), ids=TRAINED)


def test_every_network_of_the_registry_is_tested() -> None:
    assert list(SAMPLES) == list(registry.NETWORKS), "tests/helpers/networks.py has a line for each network"


@each_sample
def test_entry_is_complete(item: Sample) -> None:
    network, place = registry.NETWORKS[item.network].network, registry.NETWORKS[item.network].path
    assert issubclass(network, Network)
    assert not inspect.isabstract(network)
    assert network.forward is Network.forward, "the checks of the base class stand before `compute`"
    assert is_dataclass(network.arguments_class) and issubclass(network.arguments_class, Arguments)
    assert network.arguments_class().n_covariates in (0, 3), "every argument has a default"
    assert place == f"{network.__module__}:{network.__name__}"
    assert network.__doc__ and not network.__doc__.startswith(str(Network.__doc__)[:40])
    for part in ("\n\n    Input: ", "(n, ", ">>> "):
        assert part in network.__doc__, "the docstring tells what it is, the shape of its input, and shows it"
    documented = "".join(parent.__doc__ or "" for parent in network.arguments_class.__mro__)
    for field in fields(network.arguments_class):
        assert f"{field.name} : " in documented


@each_variant
def test_output_is_finite_and_has_two_columns(item: Sample) -> None:
    network = make(item)
    output = network(*batch(item))
    assert output.shape == (4, N_OUTPUTS)
    assert output.dtype == (torch.float64 if network.shallow else torch.float32)
    assert torch.isfinite(output[:, POOR_LOGIT]).all()
    assert (torch.isfinite(output[:, SCORE]) if network.has_score else output[:, SCORE].isnan()).all()
    assert output[:, POOR_LOGIT].std() > 0, "the cases differ"


@each_trained
def test_gradient_reaches_every_parameter(trained: Sample) -> None:
    model = make(trained)
    for layer in model.modules():  # some libraries close the last normalisation of a residual branch at the start
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
        if isinstance(layer, nn.Linear) and layer.out_features == 1:  # a single unit may be closed for all cases
            nn.init.ones_(layer.bias)
    output = model(*batch(trained))[:, : N_OUTPUTS if model.has_score else SCORE]
    # Whichever cases a unit is open for, their factors do not add up to 0: a kernel may draw other starting weights.
    factors = torch.tensor([[1.0, -2.0], [3.0, 1.0], [-1.5, 2.5], [0.25, 0.7]])
    (output * factors[:, : output.shape[1]]).sum().backward()
    without = [key for key, p in model.named_parameters() if p.grad is None or not torch.count_nonzero(p.grad)]
    assert without == []


@each_variant
def test_same_seed_same_weights_other_seed_other_weights(item: Sample) -> None:
    inputs = batch(item, n=2)
    first, again, other = (make(item, seed).eval()(*inputs)[:, POOR_LOGIT] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@each_variant
def test_weights_survive_safetensors(item: Sample, tmp_path: Path) -> None:
    model, fresh = make(item, 0), make(item, 1)
    inputs = batch(item)
    model(*inputs)  # moves the batch-normalisation statistics away from their start
    save_file(model.state_dict(), tmp_path / "member.safetensors")
    fresh.load_state_dict(load_file(tmp_path / "member.safetensors"))
    assert torch.equal(model.eval()(*inputs)[:, POOR_LOGIT], fresh.eval()(*inputs)[:, POOR_LOGIT])


@each_variant
def test_prediction_does_not_depend_on_the_batch(item: Sample) -> None:
    model = make(item).eval()
    image, covariates = batch(item)
    with torch.inference_mode():
        alone = torch.cat([model(image[i : i + 1], covariates[i : i + 1]) for i in range(4)])
        together = model(image, covariates)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4, equal_nan=True)


@each_sample
def test_arguments_survive_json(item: Sample) -> None:
    written = json.loads(json.dumps({**registry.NETWORKS[item.network].defaults, **item.arguments}))
    model, loaded = make(item), make(Sample(item.network, item.shape, written))
    assert model.arguments == loaded.arguments
    assert model.state_dict().keys() == loaded.state_dict().keys()


@each_sample
def test_its_input_decides_arguments_that_it_has(item: Sample) -> None:
    spec = registry.NETWORKS[item.network]
    for modality in [name for name in (*MODALITIES, BIOMARKERS, CLINICAL) if record_of(name).sample == spec.kind]:
        given = spec.network.from_input(modality, complete_inputs(modality, {}))
        assert given.keys() <= spec.defaults.keys()
        arguments = registry.build(item.network, **given).arguments
        assert {key: getattr(arguments, key) for key in given} == {
            key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
        }


@each_sample
def test_unknown_argument_is_named_and_the_known_ones_listed(item: Sample) -> None:
    with pytest.raises(ModelError, match=rf"{item.network} has no argument depht.*n_covariates"):
        registry.build(item.network, depht=3)


@each_sample
def test_covariates_are_taken_or_refused_as_the_class_says(item: Sample) -> None:
    with pytest.raises(ModelError, match=f"^{item.network}: n_covariates=-1"):
        make(item.but(n_covariates=-1))
    if registry.NETWORKS[item.network].network.arguments_class.takes_covariates:
        network, (image, covariates) = make(item).eval(), batch(item)
        assert covariates.shape[1] > 0
        with torch.inference_mode():
            both = [network(image, values)[:, POOR_LOGIT] for values in (covariates, covariates + 1)]
        assert not torch.allclose(*both)
    else:
        with pytest.raises(ModelError, match=f"^{item.network}: n_covariates=2, but this network reads no covariates"):
            make(item.but(n_covariates=2))


@each_sample
def test_wrong_input_shape_is_refused(item: Sample) -> None:
    model = make(item).eval()
    image, covariates = batch(item)
    fixed = [axis for axis, size in enumerate(model.input_shape, start=1) if size is not None]
    assert fixed, "at least its channels"
    larger = [image.new_zeros([size + (i == axis) for i, size in enumerate(image.shape)]) for axis in fixed]
    for other in (image[:, None], *larger):
        with pytest.raises(ModelError, match="expects input of shape"):
            model(other, covariates)
    for other in (torch.zeros(4, 9), covariates[:2]):
        with pytest.raises(ModelError, match="expects covariates of shape"):
            model(image, other)


@pytest.mark.parametrize("trained", [item for name, item in TRAINED.items() if name in SAMPLES], ids=str)
def test_network_learns_both_outputs(trained: Sample) -> None:
    """A planted difference between cases is found within a few steps."""
    target = torch.tensor([1.0, 0.0, 1.0, 0.0])
    known = registry.NETWORKS[trained.network].defaults
    model = make(trained.but(dropout=0.0) if "dropout" in known else trained)
    image, covariates = batch(trained)
    image = image * 0.1 + target.reshape(4, *[1] * (image.ndim - 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(25):
        output = model(image, covariates)
        loss = nn.functional.binary_cross_entropy_with_logits(output[:, POOR_LOGIT], target)
        if model.has_score:
            loss = loss + nn.functional.mse_loss(output[:, SCORE], 2 * target - 1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@each_sample
def test_last_feature_map_can_be_explained_or_is_said_to_be_none(item: Sample) -> None:
    model = make(item).eval()
    if not hasattr(model, "feature_layer"):
        with pytest.raises(ModelError, match=f"{type(model).__name__} has no feature map"):
            feature_layer(model)
        return
    maps: list[torch.Tensor] = []
    feature_layer(model).register_forward_hook(lambda _m, _i, output: maps.append(output))
    output = model(*batch(item))
    (gradient,) = torch.autograd.grad(output[:, POOR_LOGIT].sum(), maps[0])
    assert maps[0].ndim == len(item.shape) + 1
    assert torch.count_nonzero(gradient) > 0


def test_unknown_network_is_refused_with_the_choice() -> None:
    with pytest.raises(ModelError, match=r"'vgg'.*cbam_resnet3d,.*slice_cnn"):
        registry.build("vgg")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("cbam_resnet3d", {"widths": (8, 8, 8)}, "widths"),
        ("cbam_resnet3d", {"downsample": 0}, "downsample"),
        ("cbam_resnet3d", {"dropout": 1.5}, "dropout"),
        ("miccai2025", {"n_covariates": 0}, "n_covariates=0"),
        ("miccai2025", {"depth": 0}, "depth=0"),
        ("miccai2025", {"dropout": 1.0}, "dropout"),
        ("slice_cnn", {"backbone": "vgg16"}, "vgg16.*shufflenet_v2_x1_0"),
        ("slice_cnn", {"in_channels": 0}, "in_channels"),
        ("lstm", {"hidden": ()}, "hidden"),
        ("lstm", {"dropout": -0.1}, "dropout"),
        ("tcn", {"widths": ()}, "widths"),
        ("tcn", {"kernel": 0}, "kernel"),
        ("regions", {"n_parcels": 0}, "n_parcels=0"),
        ("regions", {"shrink": 9}, "shrink=9"),
        ("regions", {"n_trees": -1}, "n_trees=-1"),
        ("regions", {"n_waves": 5, "n_trees": 5}, "n_waves=5"),
        ("band_power", {"rate": 6.0}, "6 Hz"),
        ("band_power", {"n_channels": 0}, "n_channels=0"),
        ("coherence", {"rate": 50.0}, "50 Hz"),
        ("coherence", {"n_channels": 3, "sites": [0, 1, 2]}, r"sites=\[0, 1, 2\]"),
        ("coherence", {"n_channels": 3, "sites": [5]}, r"sites=\[5\]"),
        ("early_fusion", {"part_blocks": []}, "part_blocks"),
    ],
)
def test_argument_out_of_range_is_refused(name: str, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=f"^{name}: .*{message}"):
        registry.build(name, **arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "place"),
    [
        ("lstm", {"hidden": "long"}, r"lstm\.hidden is 'long'"),
        ("regions", {"quantity": "colour"}, r"regions\.quantity is 'colour'"),
        ("covariates", {"n_covariates": 1.5}, r"covariates\.n_covariates is 1\.5"),
    ],
)
def test_argument_of_a_wrong_kind_is_refused(name: str, arguments: dict[str, object], place: str) -> None:
    with pytest.raises(ModelError, match=f"^{place}"):
        registry.build(name, **arguments)
