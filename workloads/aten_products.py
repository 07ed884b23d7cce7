"""The matrix products among torch's aten operations: their factors, and the operation's result from the product's.

Only three are here; :mod:`workloads.rewrites` says how others come down to them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import torch
from torch import Tensor


@dataclass(frozen=True)
class Factors:
    """``left [count, m, k]`` and ``right [count, k, n]``, and the result of the operation from ``[count, m, n]``.

    ``operands`` are the two tensors as the operation has them, whose storages the factors may share or not.
    """

    left: Tensor
    right: Tensor
    operands: tuple[Tensor, Tensor]
    result: Callable[[Tensor], Tensor]


def _mm(a: Tensor, b: Tensor) -> Factors:
    return Factors(a[None], b[None], (a, b), lambda y: y[0])


def _bmm(a: Tensor, b: Tensor) -> Factors:
    return Factors(a, b, (a, b), lambda y: y)


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Factors:
    """``x [batch, channels, *size]``, a product for each group of channels.

    Patches of the input (im2col) by the weights of a patch: ``m`` output positions, ``n`` channels of a group. A
    transposed one spreads each input position instead: ``m`` input positions, ``n`` weights of a patch.
    """
    del bias
    kernel, axes = weight.shape[2:], range(len(stride))
    patches = x
    if not transposed:
        padded = torch.nn.functional.pad(x, [p for p in reversed(padding) for _ in range(2)])
        size = [(padded.shape[2 + i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in axes]
        steps = padded.stride()
        over = [steps[2 + i] * stride[i] for i in axes], [steps[2 + i] * dilation[i] for i in axes]
        patches = padded.as_strided((*padded.shape[:2], *size, *kernel), (*steps[:2], *over[0], *over[1]))
    positions = patches.shape[2 : 2 + len(stride)]
    grouped = patches.view(len(x), groups, -1, *patches.shape[2:]).movedim((1, 2), (0, 2 + len(stride)))
    left = grouped.reshape(groups, len(x) * prod(positions), -1)
    right = weight.reshape(groups, len(weight) // groups, -1)

    def convolved(y: Tensor) -> Tensor:
        return y.reshape(groups, len(x), *positions, -1).movedim((0, -1), (1, 2)).flatten(1, 2)

    def spread(y: Tensor) -> Tensor:
        y = y.reshape(groups, len(x), *positions, -1, *kernel)
        y = y.movedim((0, *range(2 + len(stride), y.ndim)), (1, *range(2, 3 + len(stride)))).flatten(1, 2)
        patches_of = y.flatten(2, 1 + len(stride))
        size = [(positions[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + output_padding[i] + 1 for i in axes]
        out = y.new_zeros(len(x), y.shape[1], *size)
        for number, place in enumerate(product(*map(range, kernel))):
            first = [place[i] * dilation[i] for i in axes]
            where = [slice(first[i], first[i] + (positions[i] - 1) * stride[i] + 1, stride[i]) for i in axes]
            out[:, :, *where] += patches_of[:, :, number]
        return out[:, :, *(slice(padding[i], size[i] - padding[i]) for i in axes)]

    if transposed:
        return Factors(left, right, (x, weight), spread)
    return Factors(left, right.mT, (x, weight), convolved)


PRODUCTS: dict[str, Callable[..., Factors]] = {"mm": _mm, "bmm": _bmm, "convolution": _convolution}
"""By the name of the aten operation without its overload: from its arguments to the product's factors."""
