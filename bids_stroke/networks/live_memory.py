"""How much memory a network needs, before any of it is taken.

The network is run on tensors without data (torch's fake tensors), and what is alive at each moment counted: a second,
whatever the size. Of what its libraries need inside an operation nothing is seen, but for oneDNN's LSTM.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bids_stroke.networks import registry
from bids_stroke.networks.base import Network

LSTM_WORKSPACE = 72
"""Bytes that oneDNN's LSTM keeps for the gradient by number of its output: fake tensors know none of it."""
STATES = 3
"""Copies of the weights that a training keeps beside them and their gradient: two of Adam, one averaged."""
BATCHES = 2
"""Copies of the batch: as it was drawn, and augmented."""


@dataclass(frozen=True)
class Load:
    """A network, and one batch of its inputs.

    Attributes
    ----------
    network : str
        Key of `registry.NETWORKS`.
    arguments : mapping
        Its arguments.
    shape : tuple of int
        Of one sample.
    n : int
        Samples.
    """

    network: str
    arguments: Mapping[str, Any]
    shape: tuple[int, ...]
    n: int


class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the bytes of all tensors that are made inside, as long as anybody holds them.

    Attributes
    ----------
    now, peak : int
        Bytes alive, and the most so far.
    """

    def __init__(self, *, training: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._training = training
        self.now = self.peak = 0
        self._alive: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it gives."""
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor):
                self.add(tensor)
        if self._training and func is torch.ops.aten.mkldnn_rnn_layer.default:
            self.add(found[3], LSTM_WORKSPACE * found[0].numel())
        return found

    def add(self, tensor: Tensor, more: int = 0) -> None:
        """Count a tensor, if it is new, and bytes that live as long as it."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._alive:
            self._alive[key] = 0
            weakref.finalize(storage, self._gone, key)
            more += storage.nbytes()
        self._alive[key] += more
        self.now += more
        self.peak = max(self.peak, self.now)

    def _gone(self, key: int) -> None:
        self.now -= self._alive.pop(key)


def step_bytes(load: Load, *, sparing: bool = False) -> int:
    """Most bytes alive at once in a training step, `STATES` and the batch among them; ``sparing`` as in `Network`."""
    with _without_data(load) as (network, image, covariates):
        network.train().sparing = sparing
        with Live(training=True) as live:
            torch.nan_to_num(network(image, covariates).float()).sum().backward()  # type: ignore[no-untyped-call]
        return int(live.peak + (1 + STATES) * _weights(network) + BATCHES * image.nbytes)


def prediction_bytes(load: Load) -> int:
    """Most bytes alive at once in a prediction.

    Counted with gradients on, but none kept: without them some layers go ways that need data (and less memory).
    """
    with _without_data(load) as (network, image, covariates):
        network.eval()
        nothing = torch.empty(0)
        with Live(training=False) as live, saved_tensors_hooks(lambda _: nothing, lambda nothing: nothing):
            network(image, covariates)
        return int(live.peak + _weights(network) + image.nbytes)


@contextmanager
def _without_data(load: Load) -> Iterator[tuple[Network, Tensor, Tensor]]:
    """The network with a batch, all without data; no random number is drawn from anybody's."""
    made = registry.NETWORKS[load.network].network  # imported before: what its libraries make must have data
    arguments = {key: value for key, value in load.arguments.items() if key != "pretrained_dir"}
    with torch.random.fork_rng([]), FakeTensorMode():
        network = made(registry.checked_arguments(load.network, arguments))
        yield network, torch.empty(load.n, *load.shape), torch.empty(load.n, network.arguments.n_covariates)


def _weights(network: Network) -> int:
    return sum(parameter.nbytes for parameter in network.parameters())
