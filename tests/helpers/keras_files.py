"""Weight files as Keras writes them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import torch

FIELDS = {"weight": "kernel:0", "bias": "bias:0"}
NORM_FIELDS = {
    "weight": "gamma:0", "bias": "beta:0", "running_mean": "moving_mean:0", "running_var": "moving_variance:0"
}  # fmt: skip


def write_keras(path: Path, seed: int = 0) -> Path:
    """A weight file as Keras writes it, of random numbers."""
    from bids_stroke.networks import registry

    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = registry.build("miccai2025")
    with h5py.File(path, "w") as file:
        names = ["input0"]
        file.create_group("input0").attrs["weight_names"] = np.array([], dtype="S1")
        for i, (_, layer) in enumerate(model.named_modules()):
            fields = NORM_FIELDS if isinstance(layer, torch.nn.BatchNorm1d) else FIELDS
            if not hasattr(layer, "weight"):
                continue
            names.append(f"layer_{i}")
            group = file.create_group(names[-1])
            group.attrs["weight_names"] = [f"{names[-1]}/{field}".encode() for field in fields.values()]
            for ours, theirs in fields.items():
                values = getattr(layer, ours).detach().numpy()
                order = {5: (2, 3, 4, 1, 0), 2: (1, 0), 1: (0,)}[values.ndim]
                group[f"{names[-1]}/{theirs}"] = values.transpose(order)
        file.attrs["layer_names"] = [name.encode() for name in names]
    return path
