"""Established biomarkers as the numbers of a network that is fitted in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor

from bids_stroke.core.biomarkers import BIOMARKERS
from bids_stroke.networks.base import require
from bids_stroke.networks.shallow import ShallowArguments, ShallowNetwork


@dataclass(frozen=True)
class BiomarkersArguments(ShallowArguments):
    """What a `Biomarkers` network reads.

    Attributes
    ----------
    columns : tuple of str
        Names of biomarkers.
    """

    columns: tuple[str, ...] = tuple(BIOMARKERS)

    def check(self) -> None:
        """Check that all of them are known."""
        unknown = [name for name in self.columns if name not in BIOMARKERS]
        require(
            bool(self.columns) and not unknown,
            f"columns names {', '.join(unknown) or 'nothing'}.",
            f"Choose from {', '.join(BIOMARKERS)}.",
        )


class Biomarkers(ShallowNetwork):
    """Linear functions, or small trees, of biomarkers and of which of them are missing.

    Input: rows (n, columns), NaN where a number is not known.

    Features: each number less what is typical (`Biomarker.typical`), those without an upper limit as log(1 + x), 0
    where it is missing; then 1 for each that is missing. Missing is therefore no extreme value, and is weighed apart.

    >>> known = torch.tensor([[0.5, float("nan")]])
    >>> Biomarkers(BiomarkersArguments(columns=("plic_fa_left", "plic_fa_right"))).features(known).tolist()
    [[0.0, 0.0, 0.0, 1.0]]
    """

    arguments_class = BiomarkersArguments
    arguments: BiomarkersArguments

    def __init__(self, arguments: BiomarkersArguments) -> None:
        super().__init__(arguments, 2 * len(arguments.columns))
        self.input_shape = (len(arguments.columns),)

    @classmethod
    def from_input(cls, modality: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The columns that are read."""
        return {"columns": list(inputs["columns"])}

    def column_names(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """The biomarkers' names in words, then that they are missing."""
        words = [BIOMARKERS[name].words for name in self.arguments.columns]
        return (*words, *(f"{text}: missing" for text in words))

    def features(self, image: Tensor) -> Tensor:
        """The numbers (n, columns), counted from what is typical, and what is missing: (n, 2 * columns) float64."""
        known = [BIOMARKERS[name] for name in self.arguments.columns]
        typical = image.new_tensor([one.typical for one in known], dtype=torch.float64)
        unlimited = torch.tensor([one.limits == (0.0, inf) for one in known], device=image.device)
        value = image.double()
        apart = torch.where(unlimited, torch.log1p(value.clamp(min=0.0)) - torch.log1p(typical), value - typical)
        missing = torch.isnan(value)
        return torch.cat([torch.where(missing, 0.0, apart), missing.double()], dim=1)
