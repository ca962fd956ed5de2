"""Two-dimensional image networks on axial BOLD slices, optionally starting from ImageNet weights on disk.

Source: the "ShuffleNet-LSTM" study (ResNet50, FBNet, GhostNet, RegNet and ShuffleNet on 224 x 224 slices).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import timm
import torchvision
from torch import Tensor, nn

from bids_stroke.networks.base import Arguments, Network, dense_head, require
from bids_stroke.networks.layers.imagenet import find_weights, load_weights

PRETRAINED_CHANNELS = 3


@dataclass(frozen=True)
class Backbone:
    """Where a backbone comes from and how its parts are called there.

    Attributes
    ----------
    library : {"timm", "torchvision"}
        Package that builds it under the registry's name.
    feature_layer : str
        Submodule whose output is the last feature map.
    classifier : str
        Submodule with the ImageNet classes, left out here.
    first_layer : str
        Convolution that reads the image.
    files : tuple of str
        Beginnings of the names of files with its ImageNet weights, besides the registry's name.
    """

    library: Literal["timm", "torchvision"]
    feature_layer: str
    classifier: str
    first_layer: str
    files: tuple[str, ...] = ()


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        "shufflenet_v2_x1_0": Backbone("torchvision", "conv5", "fc", "conv1.0", ("shufflenetv2_x1-",)),
        "shufflenet_v2_x0_5": Backbone("torchvision", "conv5", "fc", "conv1.0", ("shufflenetv2_x0.5-",)),
        "resnet50": Backbone("timm", "layer4", "fc", "conv1"),
        "fbnetc_100": Backbone("timm", "bn2", "classifier", "conv_stem"),
        "ghostnet_100": Backbone("timm", "blocks", "classifier", "conv_stem", ("ghostnet_1x-",)),
        "regnety_008": Backbone("timm", "s4", "head.fc", "stem.conv"),
    }
)


@dataclass(frozen=True)
class SliceCnnArguments(Arguments):
    """Choice of a `SliceCnn`.

    Attributes
    ----------
    backbone : str
        Key of `BACKBONES`.
    in_channels : int
        Channels of a slice.
    dropout : float
        Dropout before the dense layer, 0 to 1.
    pretrained_dir : str, Path or None
        Folder with the backbone's ImageNet weights to start from (`imagenet.find_weights` knows the names and
        formats); None starts from random weights. Nothing is ever downloaded.
    """

    backbone: str = "shufflenet_v2_x1_0"
    in_channels: int = PRETRAINED_CHANNELS
    dropout: float = 0.0
    pretrained_dir: str | Path | None = None

    def check(self) -> None:
        """Check the names and ranges."""
        require(
            self.backbone in BACKBONES,
            f"there is no backbone {self.backbone!r}.",
            f"Choose one of {', '.join(sorted(BACKBONES))}.",
        )
        require(
            self.in_channels >= 1 and 0 <= self.dropout < 1,
            f"in_channels={self.in_channels} must be positive and dropout={self.dropout} in 0 to 1.",
        )


class SliceCnn(Network):
    """A backbone of another library on one slice, and one dense layer.

    Input: slices (n, in_channels, x, y), each side at least 32 pixels (published: 224 x 224).

    Every parameter is trained, and batch normalisation too: maps of BOLD are so unlike photographs that the statistics
    of ImageNet would not fit them, and the trainer settles them on the training samples at the end.

    Parameters
    ----------
    arguments : SliceCnnArguments
        Choice of backbone and starting weights.

    Raises
    ------
    ModelError
        If the starting weights are missing or do not fit.

    Examples
    --------
    >>> from torch import zeros
    >>> SliceCnn(SliceCnnArguments(backbone="shufflenet_v2_x0_5"))(zeros(2, 3, 32, 32), zeros(2, 0)).shape
    torch.Size([2, 2])
    """

    arguments_class = SliceCnnArguments
    arguments: SliceCnnArguments

    def __init__(self, arguments: SliceCnnArguments) -> None:
        super().__init__(arguments)
        self.input_shape = (arguments.in_channels, None, None)
        self.backbone, n_features = _build_backbone(arguments.backbone, arguments.in_channels)
        if arguments.pretrained_dir is not None:
            known = BACKBONES[arguments.backbone]
            file = find_weights(Path(arguments.pretrained_dir), arguments.backbone, known.files)
            load_weights(self.backbone, file, known.first_layer, known.classifier)
        self.head = dense_head(n_features, (), arguments.dropout)

    @classmethod
    def from_input(cls, modality: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """As many channels as maps are read."""
        return {"in_channels": len(inputs["maps"])}

    @property
    def feature_layer(self) -> nn.Module:
        """Module whose output is the last feature map, (n, channels, x, y)."""
        return self.backbone.get_submodule(BACKBONES[self.arguments.backbone].feature_layer)

    @property
    def stages(self) -> Iterable[nn.Module]:
        """The parts of the backbone."""
        return self.backbone.children()

    def compute(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Slices (n, in_channels, x, y) -> outputs (n, 2)."""
        output: Tensor = self.head(self.backbone(image))
        return output


def _build_backbone(name: str, in_channels: int) -> tuple[nn.Module, int]:
    """Return the network without its classifier, and the number of features that it gives."""
    backbone: Any  # both libraries set the attributes read here dynamically
    if BACKBONES[name].library == "timm":
        backbone = timm.create_model(name, pretrained=False, num_classes=0, in_chans=in_channels)
        return backbone, int(backbone.head_hidden_size)
    backbone = torchvision.models.get_model(name, weights=None)
    if in_channels != PRETRAINED_CHANNELS:
        stem = backbone.conv1[0]
        backbone.conv1[0] = nn.Conv2d(in_channels, stem.out_channels, 3, stride=2, padding=1, bias=False)
    n_features = int(backbone.fc.in_features)
    backbone.fc = nn.Identity()
    return backbone, n_features
