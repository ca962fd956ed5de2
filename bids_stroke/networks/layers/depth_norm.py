"""Batch normalisation along the third spatial axis on the CPU, in training: statistics, ReLU, pooling and gradient.

torch's own kernel wants that axis second: it copies the features, strides through them and keeps several of them for
the gradient. Here all goes in their own order, a piece that fits the processor's cache at a time, and the features
after the normalisation, which at 91 x 109 x 91 voxels and 32 channels take 115 MB a map, are never kept whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

PIECE = 1 << 18
"""Numbers that are worked on at once (1 MB)."""


@dataclass(frozen=True)
class How:
    """The normalisation's ``eps``, and what follows it in the same pass: a ReLU, then `pool`."""

    eps: float
    relu: bool = False
    pool: bool = False


class NormFunction(torch.autograd.Function):
    """Normalise by the batch's own statistics: ``apply(x, gamma, beta, how) -> y, mean, variance``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor, beta: Tensor, how: How) -> tuple[Tensor, ...]:
        """Normalise.

        Parameters
        ----------
        ctx : object
            Of autograd.
        x : Tensor, shape (n, c, x, y, z), float32
            Output of a convolution, on the CPU.
        gamma, beta : Tensor, shape (z,)
            Scale and shift to learn.
        how : How
            Added to the variance, and what follows.

        Returns
        -------
        y : Tensor, shape (n, c, x, y, z), or half of each side (rounded up) if pooled
        mean, variance : Tensor, shape (z,), float32
            Of the batch; the variance divides by the number of values, as Keras' does.
        """
        x = x.contiguous()
        mean, variance = _moments(x.reshape(-1, x.shape[4]))
        rate = torch.rsqrt(variance + how.eps)
        scale = (gamma.double() * rate).float()
        shift = (beta.double() - mean * gamma.double() * rate).float()
        ctx.save_for_backward(x, scale, shift, mean.float(), rate.float())
        ctx.how = how
        if how.pool:
            y = torch.cat([pool(_normalised(case, scale, shift, how.relu)) for case in _pieces(x, 1)])
        else:
            y = _normalised(x, scale, shift, how.relu)
        means, variances = mean.float(), variance.float()
        ctx.mark_non_differentiable(means, variances)
        return y, means, variances

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, gamma and beta."""
        x, scale, shift, mean, rate = ctx.saved_tensors
        felt = torch.empty_like(x)
        if ctx.how.pool:
            for case, part in zip(_pieces(felt, 1), _pieces(grad, 1), strict=True):
                spread(part, case)
        else:
            felt.copy_(grad)
        flat, features = felt.view(-1, x.shape[4]), x.view(-1, x.shape[4])
        total, along = torch.zeros(2, x.shape[4], dtype=torch.float64)
        rows = max(1, PIECE // x.shape[4])
        for piece, values in zip(_pieces(flat, rows), _pieces(features, rows), strict=True):
            if ctx.how.relu:
                piece.mul_(torch.addcmul(shift, values, scale) > 0)
            total += piece.sum(0)
            along += ((values - mean) * piece).sum(0)
        slope = -scale.double() * rate.double() ** 2 * along / len(flat)
        offset = (-scale.double() * total / len(flat) - slope * mean.double()).float()
        for piece, values in zip(_pieces(flat, rows), _pieces(features, rows), strict=True):
            torch.addcmul(offset, piece, scale, out=piece).addcmul_(values, slope.float())
        return felt, (along * rate.double()).float(), total.float(), None


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each column of (n, z) float32, in float64, from one pass.

    Sums are taken of differences from a rough mean: those of plain squares would lose the variance of a plane whose
    mean is far from 0.
    """
    n, columns = values.shape
    rough = values[:: max(1, n // 4096)].mean(0)
    first, second = torch.zeros(2, columns, dtype=torch.float64)
    for piece in _pieces(values, max(1, PIECE // columns)):
        apart = piece - rough
        first += apart.sum(0)
        second += apart.square_().sum(0)
    return rough + first / n, (second / n - (first / n) ** 2).clamp_(min=0)


def _pieces(x: Tensor, rows: int) -> tuple[Tensor, ...]:
    return torch.split(x, rows)


def _normalised(x: Tensor, scale: Tensor, shift: Tensor, relu: bool) -> Tensor:
    y = torch.addcmul(shift, x, scale)
    return y.relu_() if relu else y


def pool(x: Tensor, before: list[int] | None = None) -> Tensor:
    """Average of 3 x 3 x 3 voxels, stride 2, over those that there are, one axis after the other.

    Half the time of torch's kernel; last digits differ.

    Parameters
    ----------
    x : Tensor, shape (n, c, x, y, z), float32
        Features.
    before : list of int, optional
        Voxels (0 or 1) that each side is padded with in front; TensorFlow's 'same' rule by default.
    """
    padding = [side % 2 for side in x.shape[2:]] if before is None else before
    return pool_sums(x, padding).div_(pool_counts(x.shape[2:], padding))


def pool_sums(x: Tensor, before: list[int]) -> Tensor:
    """What `pool` divides by `pool_counts`."""
    for axis, front in zip((2, 3, 4), before, strict=True):
        x = _sum_of_three(x, axis, front)
    return x


def spread(grad: Tensor, whole: Tensor) -> None:
    """Write the gradient of `pool`, with its default padding, into ``whole``, shaped as the features."""
    sides = whole.shape[2:]
    grad = grad / pool_counts(sides, [side % 2 for side in sides])
    for axis in (4, 3):
        shape = [*grad.shape[:axis], whole.shape[axis], *grad.shape[axis + 1 :]]
        wider = grad.new_empty(shape)
        _to_three(grad, axis, wider)
        grad = wider
    _to_three(grad, 2, whole)


def pool_counts(sides: torch.Size, padding: list[int]) -> Tensor:
    """How many voxels there are below each pooled one, (x, y, z) of the pooled features."""
    divisor = torch.ones(())
    for axis, (side, front) in enumerate(zip(sides, padding, strict=True), start=2):
        shape = [-1 if i == axis else 1 for i in range(5)]
        divisor = divisor * _sum_of_three(torch.ones(side).reshape(shape), axis, front)
    return divisor


def _sum_of_three(x: Tensor, axis: int, before: int) -> Tensor:
    """Sums of three neighbours from every second one on; with ``before`` 1, every second one is in the middle."""
    x = x.movedim(axis, 0)
    even, odd = x[0::2], x[1::2]
    sums, pairs = torch.empty_like(even), len(odd)
    torch.add(even[:pairs], odd, out=sums[:pairs])
    sums[pairs:] = even[pairs:]
    if before:
        sums[1:].add_(odd[: len(even) - 1])
    else:
        sums[: len(even) - 1].add_(even[1:])
    return sums.movedim(0, axis)


def _to_three(grad: Tensor, axis: int, whole: Tensor) -> None:
    """The transpose of `_sum_of_three` for 'same' padding: each number goes back to its three, in ``whole``."""
    here, parts = grad.movedim(axis, 0), whole.movedim(axis, 0)
    even, odd = parts[0::2], parts[1::2]
    even.copy_(here)
    if whole.shape[axis] % 2:
        torch.add(here[:-1], here[1:], out=odd)
    else:
        odd.copy_(here)
        even[1:].add_(here[:-1])
