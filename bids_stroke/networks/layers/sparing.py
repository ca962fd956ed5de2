"""Ways to train with less memory: what the gradient needs is computed once more instead of being kept.

A batch in parts whose gradients are added up would not do: batch normalisation, which every network on images has,
takes its statistics from the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


@contextmanager
def recomputed(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Keep only inputs and outputs of these modules for the gradient; what lies between is computed once more for it.

    To the same bits: random numbers are drawn again, statistics of batch normalisation do not move a second time.
    """
    found = list(modules) if torch.is_grad_enabled() else []
    for module in found:
        again = partial(_contexts, module)
        module.forward = partial(checkpoint, module.forward, use_reentrant=False, context_fn=again)
    try:
        yield
    finally:
        for module in found:
            del module.forward  # the class's own one is seen again


def _contexts(module: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _still(module)


@contextmanager
def _still(module: nn.Module) -> Iterator[None]:
    """Batch normalisation that leaves its running statistics as they are."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None if (count := norm.num_batches_tracked) is None else count.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


@dataclass(frozen=True, eq=False)
class Stage:
    """A batch normalisation over channels, with the layers before and after it, which treat each case by itself."""

    before: nn.Module
    norm: _BatchNorm
    after: nn.Module

    @property
    def parameters(self) -> list[Tensor]:
        """All that is trained."""
        own = (module.parameters() for module in (self.before, self.norm, self.after))
        return [parameter for part in own for parameter in part if parameter.requires_grad]

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (float32) of each channel over the batch."""
        axes = [0, *range(2, x.ndim)]
        found = [torch.var_mean(self.before(case).float(), axes, correction=0) for case in torch.split(x, 1)]
        variances, means = (torch.stack(part).double() for part in zip(*found, strict=True))
        mean = means.mean(0)
        return mean.float(), (variances + (means - mean).square()).mean(0).float()

    def finish(self, z: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        """What comes after the layers before, with given statistics."""
        scale = self.norm.weight * torch.rsqrt(variance + self.norm.eps)
        shape = (-1, *[1] * (z.ndim - 2))
        shift = self.norm.bias - mean * scale
        y: Tensor = self.after(torch.addcmul(shift.reshape(shape), z.float(), scale.reshape(shape)))
        return y

    def move(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics, as torch does: the variance divides by one less."""
        norm = self.norm
        if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
            return
        norm.num_batches_tracked += 1
        share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean, share)
        norm.running_var.lerp_(variance * (count / max(count - 1, 1)), share)


def case_by_case(x: Tensor, stage: Stage) -> Tensor:
    """Outputs of a stage in training mode, by the statistics of the whole batch, with one case at a time in memory.

    Forward the layers before the normalisation are computed twice, and twice again for the gradient: first with the
    statistics as they are, then through the statistics. Last digits differ from those of the whole at once.
    """
    y: Tensor
    y, mean, variance = _CaseByCase.apply(stage, x, *stage.parameters)
    with torch.no_grad():
        sides = stage.before(x[:1]).shape[2:]
        stage.move(mean, variance, len(x) * sides.numel())
    return y


class _CaseByCase(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, stage: Stage, x: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = stage.moments(x)
        y = torch.cat([stage.finish(stage.before(case), mean, variance) for case in torch.split(x, 1)])
        ctx.save_for_backward(x, mean, variance)
        kind = x.device.type
        ctx.stage, ctx.cast = stage, (kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, variance = ctx.saved_tensors
        stage: Stage = ctx.stage
        leaves = [*stage.parameters, mean.detach().requires_grad_(), variance.detach().requires_grad_()]
        total = [torch.zeros_like(leaf) for leaf in leaves]
        felt = torch.zeros_like(x) if ctx.needs_input_grad[1] else None
        shape = (-1, *[1] * (x.ndim - 2))
        kind, dtype, enabled = ctx.cast
        with torch.enable_grad(), torch.autocast(kind, dtype=dtype, enabled=enabled):
            for i, part in enumerate(torch.split(grad, 1)):
                case = x[i : i + 1].detach().requires_grad_(felt is not None)
                y = stage.finish(stage.before(case), *leaves[-2:])
                _add(y, part, (*leaves, case), (*total, felt if felt is None else felt[i : i + 1]))
            *total, by_mean, by_variance = total
            for i in range(len(x)):  # and what each case did to the statistics
                case = x[i : i + 1].detach().requires_grad_(felt is not None)
                z = stage.before(case)
                part = by_mean.reshape(shape) + 2 * by_variance.reshape(shape) * (z.detach() - mean.reshape(shape))
                part = (part / (len(x) * z.shape[2:].numel())).to(z.dtype)
                _add(z, part, (*leaves[:-2], case), (*total, felt if felt is None else felt[i : i + 1]))
        return None, felt, *total


def _add(y: Tensor, grad: Tensor, leaves: tuple[Tensor, ...], totals: tuple[Tensor | None, ...]) -> None:
    """Add the gradients of leaves to their totals; those without a total are not asked for."""
    pairs = [(leaf, total) for leaf, total in zip(leaves, totals, strict=True) if total is not None]
    found = torch.autograd.grad(y, [leaf for leaf, _ in pairs], grad, allow_unused=True)
    for (_, total), part in zip(pairs, found, strict=True):
        if part is not None:
            total.add_(part)
