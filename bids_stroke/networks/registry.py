"""The networks of the ensemble, by name: the registry imports a network when it is asked for.

Every network has the same ``forward(image, covariates) -> Tensor (n, 2)``: column 0 is the logit of a poor outcome,
column 1 the predicted score in standardised units, NaN where the network has none (`NetworkSpec.has_score`).
Networks without covariates take a tensor of shape (n, 0).
Weights start from torch's generator: call ``torch.manual_seed`` before `build` to repeat them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from bids_stroke.core.errors import ModelError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from torch import nn

__all__ = ["NETWORKS", "NetworkSpec", "build", "checked_arguments", "feature_layer"]


@dataclass(frozen=True)
class NetworkSpec:
    """One entry of the registry.

    Attributes
    ----------
    load : callable
        Imports the network and gives its class and that of its arguments: only what is used is imported, because
        the libraries behind some networks take seconds.
    kind : {"volume", "slice", "window", "numbers", "none"}
        What one input is: a 3D map, an axial slice, a window of a time series, what other members make of theirs, or
        no image at all.
    takes_covariates : bool
        Whether ``n_covariates`` may be above 0.
    has_score : bool
        Whether column 1 of the output is a score; else it is NaN.
    shallow : bool
        Whether it is fitted in one go (a `shallow.ShallowNetwork`), not by epochs.
    """

    load: Callable[[], tuple[Callable[[Any], nn.Module], type[Any]]]
    kind: Literal["volume", "slice", "window", "numbers", "none"]
    takes_covariates: bool = False
    has_score: bool = True
    shallow: bool = False

    @property
    def build(self) -> Callable[[Any], nn.Module]:
        """Makes the network from its arguments."""
        return self.load()[0]

    @property
    def arguments(self) -> type[Any]:
        """Frozen dataclass of the arguments; checks them when made."""
        return self.load()[1]

    @property
    def defaults(self) -> dict[str, Any]:
        """Every argument with its default."""
        return asdict(self.arguments())

    @cached_property
    def reader(self) -> TypeAdapter[Any]:
        """Checks the kinds of arguments; it takes as long to make as a network."""
        from pydantic import TypeAdapter

        return TypeAdapter(self.arguments)


def _cbam_resnet3d() -> tuple[Callable[[Any], nn.Module], type[Any]]:
    from bids_stroke.networks.cbam_resnet3d import CbamResnet3d, CbamResnet3dArguments

    return CbamResnet3d, CbamResnet3dArguments


def _miccai2025() -> tuple[Callable[[Any], nn.Module], type[Any]]:
    from bids_stroke.networks.miccai2025 import Miccai2025, Miccai2025Arguments

    return Miccai2025, Miccai2025Arguments


def _slice_cnn() -> tuple[Callable[[Any], nn.Module], type[Any]]:
    from bids_stroke.networks.slice_cnn import SliceCnn, SliceCnnArguments

    return SliceCnn, SliceCnnArguments


def _lstm() -> tuple[Callable[[Any], nn.Module], type[Any]]:
    from bids_stroke.networks.lstm import LstmArguments, StackedLstm

    return StackedLstm, LstmArguments


def _regions() -> tuple[Callable[[Any], nn.Module], type[Any]]:
    from bids_stroke.networks.regions import Regions, RegionsArguments

    return Regions, RegionsArguments


def _band_power() -> tuple[Callable[[Any], nn.Module], type[Any]]:
    from bids_stroke.networks.band_power import BandPower, BandPowerArguments

    return BandPower, BandPowerArguments


def _coherence() -> tuple[Callable[[Any], nn.Module], type[Any]]:
    from bids_stroke.networks.coherence import Coherence, CoherenceArguments

    return Coherence, CoherenceArguments


def _early_fusion() -> tuple[Callable[[Any], nn.Module], type[Any]]:
    from bids_stroke.networks.early_fusion import EarlyFusion, EarlyFusionArguments

    return EarlyFusion, EarlyFusionArguments


def _covariates() -> tuple[Callable[[Any], nn.Module], type[Any]]:
    from bids_stroke.networks.covariates_only import CovariatesArguments, CovariatesOnly

    return CovariatesOnly, CovariatesArguments


NETWORKS: Mapping[str, NetworkSpec] = MappingProxyType(
    {
        "cbam_resnet3d": NetworkSpec(_cbam_resnet3d, "volume", takes_covariates=True),
        "miccai2025": NetworkSpec(_miccai2025, "volume", takes_covariates=True, has_score=False),
        "slice_cnn": NetworkSpec(_slice_cnn, "slice"),
        "lstm": NetworkSpec(_lstm, "window"),
        "regions": NetworkSpec(_regions, "volume", takes_covariates=True, shallow=True),
        "band_power": NetworkSpec(_band_power, "window", takes_covariates=True, shallow=True),
        "coherence": NetworkSpec(_coherence, "window", takes_covariates=True, shallow=True),
        "early_fusion": NetworkSpec(_early_fusion, "numbers", takes_covariates=True, shallow=True),
        "covariates": NetworkSpec(_covariates, "none", takes_covariates=True, shallow=True),
    }
)


def build(name: str, **arguments: Any) -> nn.Module:
    """Build a network with fresh weights, in training mode.

    Parameters
    ----------
    name : str
        Key of `NETWORKS`.
    **arguments
        Fields of the network's arguments; those left out take their defaults.

    Raises
    ------
    ModelError
        If the name or an argument is unknown, or a value out of range.
    """
    checked = checked_arguments(name, arguments)
    return NETWORKS[name].build(checked)


def checked_arguments(name: str, arguments: Mapping[str, Any]) -> Any:
    """The dataclass of a network's arguments, without building it.

    Raises
    ------
    ModelError
        If the name or an argument is unknown, or a value of the wrong kind or out of range.
    """
    if name not in NETWORKS:
        raise ModelError(f"There is no network {name!r}.", remedy=f"Choose one of {', '.join(sorted(NETWORKS))}.")
    spec = NETWORKS[name]
    known = spec.defaults
    if unknown := sorted(set(arguments) - set(known)):
        raise ModelError(
            f"{name} has no argument {', '.join(unknown)}.", remedy=f"Its arguments are {', '.join(known)}."
        )
    if known | dict(arguments) == known:  # as of any published network: pydantic takes longer than to build it
        return spec.arguments()
    from pydantic import ValidationError

    try:
        return spec.reader.validate_python(dict(arguments))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in (name, *first["loc"]))
        raise ModelError(
            f"{place} is {first['input']!r}: {first['msg']}.", remedy="Correct the kind of the member's arguments."
        ) from error


def feature_layer(model: nn.Module) -> nn.Module:
    """Return the module whose output is the last feature map, for Grad-CAM.

    Raises
    ------
    ModelError
        If the network has no feature map (`lstm`).
    """
    from torch import nn

    layer = getattr(model, "feature_layer", None)
    if not isinstance(layer, nn.Module):
        raise ModelError(
            f"{type(model).__name__} has no feature map to explain.", remedy="Use a volume or slice network."
        )
    return layer
