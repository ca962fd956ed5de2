"""Two-dimensional image networks on axial BOLD slices, optionally starting from ImageNet weights on disk.

Source: the "ShuffleNet-LSTM" study (ResNet50, FBNet, GhostNet, RegNet and ShuffleNet on 224 x 224 slices).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import timm
import torchvision
from torch import Tensor, nn

from bids_stroke.networks.base import check_inputs, dense_head, require
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
class SliceCnnArguments:
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
        Folder with the backbone's ImageNet weights to start from (`pretrained.find_weights` knows the names and
        formats); None starts from random weights. Nothing is ever downloaded.
    n_covariates : int
        Always 0: this network reads no covariates.

    Raises
    ------
    ModelError
        If a value is out of range.
    """

    backbone: str = "shufflenet_v2_x1_0"
    in_channels: int = PRETRAINED_CHANNELS
    dropout: float = 0.0
    pretrained_dir: str | Path | None = None
    n_covariates: int = 0

    def __post_init__(self) -> None:
        """Check the names and ranges."""
        require(
            self.backbone in BACKBONES,
            f"slice_cnn: there is no backbone {self.backbone!r}.",
            f"Choose one of {', '.join(sorted(BACKBONES))}.",
        )
        require(
            self.in_channels >= 1 and 0 <= self.dropout < 1,
            f"slice_cnn: in_channels={self.in_channels} must be positive and dropout={self.dropout} in 0 to 1.",
            "Correct the member's arguments.",
        )
        require(
            self.n_covariates == 0,
            f"slice_cnn: n_covariates={self.n_covariates}, but this network reads no covariates.",
            "Give n_covariates=0.",
        )


class SliceCnn(nn.Module):
    """Slice -> logit of a poor outcome and standardised score.

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
    """

    def __init__(self, arguments: SliceCnnArguments) -> None:
        super().__init__()
        self.arguments = arguments
        self.backbone, n_features = _build_backbone(arguments.backbone, arguments.in_channels)
        if arguments.pretrained_dir is not None:
            known = BACKBONES[arguments.backbone]
            file = find_weights(Path(arguments.pretrained_dir), arguments.backbone, known.files)
            load_weights(self.backbone, file, known.first_layer, known.classifier)
        self.head = dense_head(n_features, (), arguments.dropout)

    @property
    def feature_layer(self) -> nn.Module:
        """Module whose output is the last feature map, (n, channels, x, y)."""
        return self.backbone.get_submodule(BACKBONES[self.arguments.backbone].feature_layer)

    def forward(self, image: Tensor, covariates: Tensor) -> Tensor:
        """Predict.

        Parameters
        ----------
        image : Tensor, shape (n, in_channels, x, y), float32
            Slices, each side at least 32 pixels (published: 224 x 224).
        covariates : Tensor, shape (n, 0)
            Empty; part of the common contract.

        Returns
        -------
        Tensor, shape (n, 2)
            Logit of a poor outcome, standardised score.

        Raises
        ------
        ModelError
            If a shape differs from what the network was built for.
        """
        check_inputs(image, (self.arguments.in_channels, None, None), covariates, 0)
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
