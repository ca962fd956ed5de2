"""How a fit went, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """What a network said of its validation rows after each epoch."""

    losses: Array
    """(epochs,) mean loss of the validation units."""
    probabilities: Array
    """(epochs, validation rows)."""
    scores: Array
    """(epochs, validation rows), in the outcome's units."""

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor] | None, n_rows: int) -> Curve:
        """From `tensors`; without, the curve before the first epoch."""
        if tensors is None:
            return cls(np.empty(0), np.empty((0, n_rows)), np.empty((0, n_rows)))
        return cls(**{name: values.numpy() for name, values in tensors.items()})

    def tensors(self) -> dict[str, Tensor]:
        """The arrays by name, for a file."""
        arrays = {"losses": self.losses, "probabilities": self.probabilities, "scores": self.scores}
        return {name: torch.from_numpy(values) for name, values in arrays.items()}

    def then(self, loss: float, probabilities: Array, scores: Array) -> Curve:
        """One epoch longer."""
        return Curve(
            np.append(self.losses, loss), np.vstack([self.probabilities, probabilities]),
            np.vstack([self.scores, scores]),
        )  # fmt: skip

    def stopped(self, patience: int) -> bool:
        """Whether the loss has not fallen for more than ``patience`` epochs."""
        return len(self.losses) > 0 and len(self.losses) - int(np.argmin(self.losses)) > patience

    def at(self, epoch: int) -> tuple[Array, Array]:
        """Probabilities and scores after an epoch (counted from 1), or after the last one where it stopped before."""
        i = min(epoch, len(self.losses)) - 1
        return self.probabilities[i], self.scores[i]


def best_epoch(curves: Sequence[Curve]) -> int:
    """Epoch (counted from 1) with the least mean loss over validation units; a stopped curve keeps its last loss."""
    longest = max(len(curve.losses) for curve in curves)
    padded = [np.pad(curve.losses, (0, longest - len(curve.losses)), mode="edge") for curve in curves]
    sizes = [curve.probabilities.shape[1] for curve in curves]
    return int(np.argmin(np.average(padded, axis=0, weights=sizes))) + 1
