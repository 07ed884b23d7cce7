"""The register-blocked inner loops of the fast kernels, written in LLVM's own language.

numba compiles scalar loops; it keeps no block of sums in vector registers. A *tile* does: ``rows`` x 64 sums stay in
registers while ``steps`` steps along ``k`` are added to them, each step in order. Every tile is plain LLVM on vectors,
which LLVM maps to whatever the machine has, with the same bits; the one machine instruction named here is VNNI's
``vpdpbusd`` (four products of an unsigned and a signed byte, added to 32 bits without saturation).

A place in memory is an array and the index of an element in it, as numba's arrays are kept alive that way.
"""

from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

COLUMNS = 64
"""Columns of a tile: four vectors of 16 sums each."""

ROWS = 4
"""Rows of the large tile: 16 vectors of sums, four of weights and one activation fit 32 registers."""

LANES = 16
VECTORS = COLUMNS // LANES
INT32, INT64 = ir.IntType(32), ir.IntType(64)
BYTES, PAIRS, SUMS = (ir.VectorType(ir.IntType(64 * 8 // n), n) for n in (64, 32, 16))


def has_vnni() -> bool:
    """Whether this machine multiplies bytes by four with ``vpdpbusd`` on 512 bits."""
    try:
        return bool(llvmlite.binding.get_host_cpu_features().get("avx512vnni", False))
    except RuntimeError:  # LLVM cannot tell on some systems
        return False


def place(context: Any, builder: Any, kind: Any, array: Any, index: Any, target: Any) -> Any:
    """The address of ``array[index]``, counted in elements of the array, as a pointer to ``target``."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.PointerType(target))


def splat(builder: Any, value: Any, lanes: int = LANES) -> Any:
    """A vector of one number."""
    kind = ir.VectorType(value.type, lanes)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, INT32(0))
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(INT32, lanes), [0] * lanes))


def vectors(builder: Any, pointer: Any, count: int) -> list[Any]:
    """``count`` vectors from consecutive memory of any alignment."""
    return [builder.load(builder.gep(pointer, [INT64(i)]), align=1) for i in range(count)]


def store(builder: Any, pointer: Any, values: Sequence[Any]) -> None:
    """Vectors to consecutive memory of any alignment."""
    for i, value in enumerate(values):
        builder.store(value, builder.gep(pointer, [INT64(i)]), align=1)


def repeat(builder: Any, steps: Any, values: list[Any], body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
    """``values`` after ``steps`` >= 1 rounds of ``body(step, values)``, kept in registers."""
    before, loop, after = builder.block, builder.append_basic_block("steps"), builder.append_basic_block("after")
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(INT64)
    step.add_incoming(INT64(0), before)
    carried = [builder.phi(value.type) for value in values]
    results = body(step, list(carried))
    following = builder.add(step, INT64(1))
    end = builder.block
    step.add_incoming(following, end)
    for phi, value, result in zip(carried, values, results, strict=True):
        phi.add_incoming(value, before)
        phi.add_incoming(result, end)
    builder.cbranch(builder.icmp_signed("<", following, steps), loop, after)
    builder.position_at_end(after)
    return results
