"""ImageNet weights on disk: the names and formats that are read, and what is refused."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from bids_stroke.core.errors import ModelError
from bids_stroke.networks import registry
from bids_stroke.networks.slice_cnn import BACKBONES, SliceCnn
from tests.helpers.imagenet import published

SMALL = "shufflenet_v2_x0_5"
each_backbone = pytest.mark.parametrize("backbone", BACKBONES)


def started(backbone: str, folder: Path, **arguments: int) -> SliceCnn:
    torch.manual_seed(4)
    model = registry.build("slice_cnn", backbone=backbone, pretrained_dir=str(folder), **arguments)
    assert isinstance(model, SliceCnn)
    return model


def holds(model: SliceCnn, weights: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, weights[key]) for key, value in model.backbone.state_dict().items())


@each_backbone
def test_published_files_are_read_for_three_channels_and_for_one(backbone: str, tmp_path: Path) -> None:
    weights = published(backbone)
    assert sum(key.startswith(BACKBONES[backbone].classifier + ".") for key in weights) == 2
    torch.save(OrderedDict(weights), tmp_path / f"{backbone}-0123abcd.pth")
    colour, grey = started(backbone, tmp_path), started(backbone, tmp_path, in_channels=1)
    assert holds(colour, weights)
    image = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        same, seen = colour.backbone.eval()(image.expand(2, 3, 64, 64)), grey.backbone.eval()(image)
    torch.testing.assert_close(seen, same, rtol=1e-3, atol=1e-4)
    assert float(same.std()) > 0


@each_backbone
def test_a_training_step_moves_the_backbone_that_was_loaded(backbone: str, tmp_path: Path) -> None:
    weights = published(backbone)
    save_file(weights, tmp_path / f"{backbone}.safetensors")
    model = started(backbone, tmp_path, in_channels=1).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
    output = model(torch.randn(4, 1, 64, 64), torch.zeros(4, 0))
    nn.functional.mse_loss(output, torch.ones_like(output)).backward()
    optimiser.step()
    first = model.backbone.get_parameter(f"{BACKBONES[backbone].first_layer}.weight")
    assert first.shape[1] == 1
    assert not torch.equal(first, weights[f"{BACKBONES[backbone].first_layer}.weight"].sum(1, keepdim=True))


@pytest.mark.parametrize(
    ("backbone", "name"),
    [
        (SMALL, f"{SMALL}.safetensors"),
        (SMALL, "shufflenetv2_x0.5-f707e7126e.pth"),
        ("shufflenet_v2_x1_0", "shufflenetv2_x1-5666bf0f80.pth"),
        ("fbnetc_100", "fbnetc_100-c345b898.pth"),
        ("fbnetc_100", "fbnetc_100.rmsp_in1k/model.safetensors"),
        ("ghostnet_100", "ghostnet_1x-f97d70db.pth"),
        ("ghostnet_100", "ghostnet_100.in1k/pytorch_model.bin"),
        ("regnety_008", "regnety_008-dc900dbe.pt"),
        ("resnet50", "resnet50_a1_0-14fe96d1.pth"),
    ],
)
def test_files_are_known_by_the_names_that_they_have_when_downloaded(backbone: str, name: str, tmp_path: Path) -> None:
    weights, path = published(backbone), tmp_path / name
    path.parent.mkdir(exist_ok=True)
    (tmp_path / "README.md").write_text("not weights")
    (tmp_path / "vgg16-397923af.pth").write_bytes(b"another network's, never opened")
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    assert holds(started(backbone, tmp_path), weights)


def test_checkpoints_of_training_scripts_are_unwrapped(tmp_path: Path) -> None:
    weights = published(SMALL)
    wrapped = {f"module.{key}": value for key, value in weights.items()}
    wrapped |= {"module.total_ops": torch.zeros(1), "module.conv1.total_params": torch.zeros(1)}
    torch.save({"epoch": 3, "arch": SMALL, "state_dict": wrapped}, tmp_path / f"{SMALL}.pth")
    assert holds(started(SMALL, tmp_path), weights)


def test_safetensors_are_preferred_to_a_second_copy(tmp_path: Path) -> None:
    weights = published(SMALL)
    save_file(weights, tmp_path / f"{SMALL}.safetensors")
    (tmp_path / f"{SMALL}.pth").write_bytes(b"never opened")
    assert holds(started(SMALL, tmp_path), weights)


def test_two_files_for_one_backbone_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("resnet50-0676ba61.pth", "resnet50-11ad3fa6.pth"):
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match=r"resnet50-0676ba61\.pth, resnet50-11ad3fa6\.pth.*Leave one"):
        started("resnet50", tmp_path)


def test_missing_weights_name_the_folder_and_the_file_wanted(tmp_path: Path) -> None:
    torch.save(published("shufflenet_v2_x1_0"), tmp_path / "shufflenetv2_x1_5-7479c9ad.pth")
    with pytest.raises(ModelError, match=r"not found in .*shufflenet_v2_x1_0\.safetensors"):
        started("shufflenet_v2_x1_0", tmp_path)


@pytest.mark.parametrize("extension", [".safetensors", ".pth"])
@pytest.mark.parametrize("content", [b"", b"not a weight file"])
def test_damaged_files_are_named(tmp_path: Path, content: bytes, extension: str) -> None:
    (tmp_path / f"{SMALL}{extension}").write_bytes(content)
    with pytest.raises(ModelError, match=rf"{SMALL}\{extension}.*leave pretrained_dir out"):
        started(SMALL, tmp_path)


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / f"{SMALL}.pth"
    torch.save(published(SMALL), path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ModelError, match=rf"cannot be read: .*{SMALL}\.pth"):
        started(SMALL, tmp_path)


def test_a_pickle_with_more_than_weights_is_refused_and_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Mischief:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (ran,)

    torch.save({"state_dict": published(SMALL), "more": Mischief()}, tmp_path / f"{SMALL}.pth")
    with pytest.raises(ModelError, match="hold more than weights"):
        started(SMALL, tmp_path)
    assert not ran.exists()


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, torch.zeros(3)])
def test_a_file_without_a_table_of_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / f"{SMALL}.pth")
    with pytest.raises(ModelError, match="no table of names and tensors"):
        started(SMALL, tmp_path)


@pytest.mark.parametrize("donor", [SMALL, "resnet50"])
def test_weights_of_another_backbone_are_refused_in_one_line(tmp_path: Path, donor: str) -> None:
    save_file(published(donor), tmp_path / "shufflenet_v2_x1_0.safetensors")
    with pytest.raises(ModelError, match="do not fit") as refused:
        started("shufflenet_v2_x1_0", tmp_path)
    assert len(str(refused.value)) < 900


def test_weights_that_lack_a_layer_are_refused(tmp_path: Path) -> None:
    weights = published(SMALL)
    del weights["conv1.0.weight"]
    save_file(weights, tmp_path / f"{SMALL}.safetensors")
    with pytest.raises(ModelError, match=r"do not fit.*conv1\.0\.weight"):
        started(SMALL, tmp_path)
