"""The matrix products among torch's aten operations, by their sizes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Sizes:
    """A product's ``m, k, n, count``, its operands, and what is added to it."""

    m: int
    k: int
    n: int
    count: int
    operands: tuple[Tensor, Tensor]
    bias: Tensor | None = None


def _mm(result: Tensor, a: Tensor, b: Tensor) -> Sizes:
    return Sizes(a.shape[0], a.shape[1], result.shape[1], 1, (a, b))


def _addmm(result: Tensor, bias: Tensor, a: Tensor, b: Tensor) -> Sizes:
    return replace(_mm(result, a, b), bias=bias)


def _bmm(result: Tensor, a: Tensor, b: Tensor) -> Sizes:
    return Sizes(a.shape[1], a.shape[2], result.shape[2], a.shape[0], (a, b))


def _baddbmm(result: Tensor, bias: Tensor, a: Tensor, b: Tensor) -> Sizes:
    return replace(_bmm(result, a, b), bias=bias)


def _convolution(result: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Sizes:
    """Patches of the input (im2col) by the weights of a patch: ``m`` output positions, ``n`` channels of a group.

    A transposed one spreads each input position instead: ``m`` input positions, ``n`` weights of a patch.
    """
    *_, transposed, _, groups = options
    if transposed:
        positions, k, n = x.shape[0] * prod(x.shape[2:]), weight.shape[0] // groups, prod(weight.shape[1:])
    else:
        positions, k, n = result.shape[0] * prod(result.shape[2:]), prod(weight.shape[1:]), weight.shape[0] // groups
    return Sizes(positions, k, n, groups, (x, weight), bias)


PRODUCTS: dict[str, Callable[..., Sizes]] = {
    "mm": _mm,
    "addmm": _addmm,
    "bmm": _bmm,
    "baddbmm": _baddbmm,
    "convolution": _convolution,
}
"""By the name of the aten operation without its overload: from its result and arguments to the product."""
