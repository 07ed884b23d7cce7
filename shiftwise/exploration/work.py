"""What a model asks of an array and a vector unit, as arrays: operators that are alike once, with how often they occur."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.design import CACHE_KINDS, DesignPoint
from sim.operators import Operator, Product, VectorWork
from sim.schedule.model import with_quantization, written_bits
from workloads.passes import Phase

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Products:
    """Sizes ``[products]`` of products ``[m, k] x [k, n]``, each with ``count`` repetitions, and so many ``alike``."""

    m: Ints
    k: Ints
    n: Ints
    count: Ints
    alike: Ints

    @property
    def macs(self) -> int:
        return int((self.m * self.k * self.n * self.count * self.alike).sum())


@dataclass(frozen=True, eq=False)
class Vectors:
    """Numbers ``[works]`` of vector work: operations, numbers read and written, bits written, and how many are alike."""

    operations: Ints
    reads: Ints
    writes: Ints
    bits: Ints
    alike: Ints


@dataclass(frozen=True, eq=False)
class Work:
    """One pass of a model that computes so many ``tokens``: products with weights, those with the KV cache, vector work."""

    tokens: int
    weights: Products
    cache: Products
    both: Products
    lowered: tuple[Operator, ...]
    _vectors: dict[tuple[int, int], Vectors] = field(default_factory=dict)
    _by_format: dict[frozenset[tuple[str, str]], dict[str, Products]] = field(default_factory=dict)

    def by_format(self, layers: Mapping[str, str]) -> dict[str, Products]:
        """The products with weights by the format of their layers, which are all in ``layers``."""
        key = frozenset(layers.items())
        if key not in self._by_format:
            found: dict[str, list[Product]] = {}
            for product in (o for o in self.lowered if isinstance(o, Product) and o.kind not in CACHE_KINDS):
                found.setdefault(layers[product.name], []).append(product)
            self._by_format[key] = {name: _products(own) for name, own in found.items()}
        return self._by_format[key]

    def vectors(self, design: DesignPoint) -> Vectors:
        """The vector work, whose numbers leave as codes of the design's formats where products need them."""
        bits = design.activation.bits, design.attention.weight.bits
        if bits not in self._vectors:
            self._vectors[bits] = _vectors(self.lowered, written_bits(design, self.lowered))
        return self._vectors[bits]


@lru_cache(maxsize=16)
def work_of(model: str, phase: Phase, sequence: int | None) -> Work:
    """The work of one pass of one sequence. Raises ``InputError`` as :func:`workloads.shapes.shapes` does."""
    from workloads.shapes import shapes  # here, for what is asked is checked without torch, which takes seconds to load

    found = shapes(model, phase, 1, sequence)
    products = found.products
    return Work(
        found.tokens,
        _products([p for p in products if p.kind not in CACHE_KINDS]),
        _products([p for p in products if p.kind in CACHE_KINDS]),
        _products(list(products)),
        with_quantization(found.operators),
    )


def _products(products: list[Product]) -> Products:
    return Products(*_columns(Counter((p.m, p.k, p.n, p.count) for p in products), 4))


def _vectors(lowered: tuple[Operator, ...], bits: Any) -> Vectors:
    works = ((place, o) for place, o in enumerate(lowered) if isinstance(o, VectorWork))
    return Vectors(*_columns(Counter((o.operations, o.reads, o.writes, bits[place]) for place, o in works), 4))


def _columns(counted: Counter[tuple[int, ...]], columns: int) -> list[Ints]:
    rows = np.array([(*sizes, alike) for sizes, alike in counted.items()], dtype=np.int64).reshape(-1, columns + 1)
    return list(rows.T)
