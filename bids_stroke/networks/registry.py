"""The networks of the ensemble, by name: one line each; a network is imported when it is asked for.

Weights start from torch's generator: call ``torch.manual_seed`` before `build` to repeat them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bids_stroke.core.errors import ModelError
from bids_stroke.core.modalities import Sample

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from bids_stroke.networks.base import Arguments, Network


@dataclass(frozen=True)
class NetworkSpec:
    """One entry of the registry: what must be known of a network before it is imported.

    The rest the class says itself (`base.Network`). The libraries behind some networks take seconds to import.

    Attributes
    ----------
    path : str
        ``module:class``.
    kind : {"volume", "slice", "window", "row", "numbers", "none"}
        What one input is: it reads the modalities whose `Modality.sample` is the same.
    """

    path: str
    kind: Sample

    @property
    def network(self) -> type[Network]:
        """The class, imported."""
        module, name = self.path.split(":")
        found: type[Network] = getattr(import_module(module), name)
        return found

    @property
    def defaults(self) -> dict[str, Any]:
        """Every argument with its default."""
        return asdict(self.network.arguments_class())

    @cached_property
    def reader(self) -> TypeAdapter[Arguments]:
        """Checks the kinds of arguments; it takes as long to make as a network."""
        from pydantic import TypeAdapter

        return TypeAdapter(self.network.arguments_class)


NETWORKS: Mapping[str, NetworkSpec] = MappingProxyType(
    {
        "cbam_resnet3d": NetworkSpec("bids_stroke.networks.cbam_resnet3d:CbamResnet3d", kind="volume"),
        "miccai2025": NetworkSpec("bids_stroke.networks.miccai2025:Miccai2025", kind="volume"),
        "slice_cnn": NetworkSpec("bids_stroke.networks.slice_cnn:SliceCnn", kind="slice"),
        "lstm": NetworkSpec("bids_stroke.networks.lstm:StackedLstm", kind="window"),
        "tcn": NetworkSpec("bids_stroke.networks.tcn:Tcn", kind="window"),
        "regions": NetworkSpec("bids_stroke.networks.regions:Regions", kind="volume"),
        "band_power": NetworkSpec("bids_stroke.networks.band_power:BandPower", kind="window"),
        "coherence": NetworkSpec("bids_stroke.networks.coherence:Coherence", kind="window"),
        "biomarkers": NetworkSpec("bids_stroke.networks.biomarkers:Biomarkers", kind="row"),
        "early_fusion": NetworkSpec("bids_stroke.networks.early_fusion:EarlyFusion", kind="numbers"),
        "covariates": NetworkSpec("bids_stroke.networks.covariates_only:CovariatesOnly", kind="none"),
    }
)


def build(name: str, **arguments: Any) -> Network:
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

    Examples
    --------
    >>> build("lstm", n_channels=3).arguments
    LstmArguments(n_covariates=0, n_channels=3, hidden=(128, 64, 32), dropout=0.3)
    """
    checked = checked_arguments(name, arguments)
    return NETWORKS[name].network(checked)


def checked_arguments(name: str, arguments: Mapping[str, Any]) -> Arguments:
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
        return spec.network.arguments_class()
    from pydantic import ValidationError

    try:
        return spec.reader.validate_python(dict(arguments))
    except ModelError as error:
        raise ModelError(f"{name}: {error.message}", remedy=error.remedy) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in (name, *first["loc"]))
        raise ModelError(
            f"{place} is {first['input']!r}: {first['msg']}.", remedy="Correct the kind of the member's arguments."
        ) from error
