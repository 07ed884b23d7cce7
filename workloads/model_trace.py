"""Traces: what one pass of a model asks of an accelerator, in order, and with which operands where they were kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sim.operators import Operator, Product

Floats = NDArray[np.float32]
Kept = Floats | Callable[[], Floats]
"""Numbers, or what reads them from a file where a network does not hold them."""


def read(kept: Kept) -> Floats:
    """The numbers, wherever they are."""
    return kept() if callable(kept) else kept


@dataclass(frozen=True)
class TracedProduct:
    """A matrix product as the model computed it: activations ``[count, m, k]``, weights ``[count, k, n]``, in fp32.

    The weights of a large model are read from its files each time that they are asked for.
    """

    shape: Product
    activations: Floats
    kept: Kept

    @property
    def weights(self) -> Floats:
        return read(self.kept)

    @property
    def name(self) -> str:
        """The product's name in the model."""
        return self.shape.name

    @property
    def kind(self) -> str:
        """``scores`` or ``values`` of an attention, else ``linear``."""
        return self.shape.kind


@dataclass(frozen=True)
class ModelTrace:
    """One pass of a model: its operators in order, as in :mod:`sim.operators`.

    ``sequence`` is the length [token] of each sequence after the pass, ``tokens`` how many the pass computes in the whole
    batch. ``unknown`` names the operations that are in no table, which were recorded as one operation for each number, with
    the multiply-accumulates in them as far as torch knows. ``operands`` are activations and weights of products, or what reads
    them, by their places among the operators.
    """

    name: str
    parameters: int
    operators: tuple[Operator, ...]
    sequence: int
    tokens: int
    unknown: Mapping[str, int] = field(default_factory=dict)
    operands: Mapping[int, tuple[Floats, Kept]] = field(default_factory=dict)

    @property
    def products(self) -> tuple[Product, ...]:
        """The matrix products alone."""
        return tuple(operator for operator in self.operators if isinstance(operator, Product))

    @property
    def traced(self) -> tuple[TracedProduct, ...]:
        """The products whose operands were kept."""
        placed = ((self.operators[place], *pair) for place, pair in sorted(self.operands.items()))
        return tuple(TracedProduct(shape, a, w) for shape, a, w in placed if isinstance(shape, Product))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all matrix products."""
        return sum(product.macs for product in self.products)

    @property
    def shares(self) -> tuple[float, ...]:
        """Of the model's multiply-accumulates, those of each operator; ``unknown`` has the rest."""
        whole = self._whole
        return tuple(operator.macs / whole if isinstance(operator, Product) else 0.0 for operator in self.operators)

    @property
    def not_understood(self) -> Mapping[str, float]:
        """Of the model's multiply-accumulates, those of each unknown operation, the largest first."""
        return {name: macs / self._whole for name, macs in sorted(self.unknown.items(), key=lambda item: -item[1])}

    @property
    def _whole(self) -> int:
        return max(1, self.macs + sum(self.unknown.values()))
