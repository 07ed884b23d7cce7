"""Tiles of exact integer sums: pack a block of weights, multiply and add, and what is done with the sums.

Two forms of the same sum, both exact while a sum fits 32 bits (the additions are modulo 2**32, so partial sums may
even wrap):

``bytes``  four products a lane, ``acc += sum_i (w_i + 128) * a_i`` by ``vpdpbusd``, which is exact: it extends each
           16-bit product before it adds and does not saturate. The sums start from ``-128 * sum_k a_k``.
``pairs``  two products of 16-bit integers a lane, in LLVM's plain vector arithmetic, for any machine and for operands
           of more than eight bits. The products fit 31 bits unless both are -2**15.
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from sim.kernels.tiles import BYTES, COLUMNS, INT32, INT64, LANES, PAIRS, SUMS, VECTORS
from sim.kernels.tiles import has_vnni, place, repeat, splat, store, vectors

FLOATS = ir.VectorType(ir.FloatType(), LANES)


def _four_products(builder: Any, total: Any, w: Any, a: Any) -> Any:
    name = "llvm.x86.avx512.vpdpbusd.512"
    known = builder.module.globals.get(name)
    function = known or ir.Function(builder.module, ir.FunctionType(SUMS, [SUMS, BYTES, BYTES]), name)
    return builder.call(function, [total, builder.bitcast(w, BYTES), builder.bitcast(a, BYTES)])


def _halves(builder: Any, pair: Any) -> tuple[Any, Any]:
    by = ir.Constant(SUMS, [16] * LANES)
    return builder.ashr(builder.shl(pair, by), by), builder.ashr(pair, by)


def _two_products(builder: Any, total: Any, w: Any, a: Any) -> Any:
    for x, y in zip(_halves(builder, w), _halves(builder, a), strict=True):
        total = builder.add(total, builder.mul(x, y))
    return total


def _sums(builder: Any, rows: int, vnni: bool, start: list[Any], a: Any, a_stride: Any, w: Any, steps: Any) -> list[Any]:
    product = _four_products if vnni else _two_products

    def step(k: Any, totals: list[Any]) -> list[Any]:
        weights = vectors(builder, builder.gep(w, [builder.mul(k, INT64(VECTORS))]), VECTORS)
        results = []
        for row in range(rows):
            at = builder.add(builder.mul(a_stride, INT64(row)), k)
            four = splat(builder, builder.load(builder.gep(a, [at]), align=1))
            mine = totals[row * VECTORS : (row + 1) * VECTORS]
            results += [product(builder, total, weight, four) for total, weight in zip(mine, weights, strict=True)]
        return results

    return repeat(builder, steps, start, step)
