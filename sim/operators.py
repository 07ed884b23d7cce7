"""What a model asks of an accelerator, in order: matrix products for the array, everything else for the vector unit."""

from dataclasses import dataclass
from typing import Literal

from sim.errors import InputError, choose

ProductKind = Literal["linear", "scores", "values"]
PRODUCT_KINDS = {"linear": "stored weights", "scores": "keys of the KV cache", "values": "values of the KV cache"}
"""Kinds of products, and what their second operand ``[k, n]`` is."""

VECTOR_KINDS = {
    "embedding": "rows read from a table",
    "norm": "layer norm, RMS norm",
    "rotary": "rotary position embedding",
    "softmax": "softmax, of attention or of a router, with its scaling, mask and soft cap",
    "activation": "SiLU, GELU, ReLU and the like, with the product of a gated one",
    "elementwise": "additions, products and copies: residuals, biases, masks",
    "quantize": "largest magnitude of each row, scale, round",
}
"""Kinds of vector work."""

ROW_WISE = ("norm", "softmax", "quantize")
"""Kinds that need a row as a whole; the others take each number by itself."""


@dataclass(frozen=True)
class Product:
    """``count`` independent products of activations ``[m, k]`` and weights ``[k, n]``, each with its own operands.

    ``inputs``: places, in the model's sequence of operators, of those whose results are operands. ``weight_format`` is that
    of the weights where it is not the design's (:mod:`sim.widths`). Raises ``InputError`` for sizes below 1 or an unknown kind.
    """

    name: str
    m: int
    k: int
    n: int
    count: int = 1
    kind: ProductKind = "linear"
    inputs: tuple[int, ...] = ()
    weight_format: str = ""

    def __post_init__(self) -> None:
        choose("kind of product", self.kind, PRODUCT_KINDS)
        if min(self.m, self.k, self.n, self.count) < 1:
            raise InputError(
                f"sizes of product {self.name!r} are at least 1, not {self.m}x{self.k}x{self.n}, {self.count} times"
            )

    @property
    def macs(self) -> int:
        return self.m * self.k * self.n * self.count

    @property
    def pieces(self) -> int:
        """Parts that are computed one after the other and of which none needs another."""
        return self.count


@dataclass(frozen=True)
class VectorWork:
    """One pass of the vector unit over numbers of 32 bits.

    ``operations`` that its lanes do in all, ``reads`` and ``writes`` [number] that go in and out, in ``pieces`` that are
    done one after the other and of which none needs another; ``inputs`` as in :class:`Product`. Raises ``InputError`` for
    an unknown kind or counts that cannot be.
    """

    name: str
    kind: str
    operations: int
    reads: int
    writes: int
    pieces: int = 1
    inputs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        choose("kind of vector work", self.kind, VECTOR_KINDS)
        if min(self.operations, self.reads, self.writes) < 0 or self.pieces < 1:
            raise InputError(f"counts of vector work {self.name!r} are at least 0, and pieces at least 1, not {self}")


Operator = Product | VectorWork
