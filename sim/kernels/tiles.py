"""The register-blocked inner loops of the fast kernels, written in LLVM's own language.

numba compiles scalar loops; it keeps no block of sums in vector registers. A *tile* does: ``rows`` x 64 sums stay in
registers while ``steps`` steps along ``k`` are added to them, each step in order. A tile is plain LLVM on vectors,
which LLVM maps to whatever the machine has, with the same bits.

This is the only module that knows llvmlite.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numba
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.core.codegen import get_host_cpu_features
from numba.core.types.containers import StarArgTuple
from numba.extending import intrinsic

COLUMNS = 64
"""Columns of a tile: four vectors of 16 sums each."""

ROWS = 4
"""Rows of the large tile: 16 vectors of sums, four of weights and one activation fit 32 registers."""

AHEAD = 16
"""Rows of weights that are asked for before their turn: a column of blocks is no stream that a processor foresees."""

LANES = 16
VECTORS = COLUMNS // LANES
INT8, INT32, INT64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
BYTES, PAIRS, SUMS = ir.VectorType(INT8, 64), ir.VectorType(ir.IntType(16), 32), ir.VectorType(INT32, LANES)
TWO_SUMS = ir.VectorType(INT32, 2 * LANES)
HALVES, FLOATS, DOUBLES = (ir.VectorType(kind(), LANES) for kind in (ir.HalfType, ir.FloatType, ir.DoubleType))
NOTHING = ir.VoidType()


def has(feature: str) -> bool:
    """Whether the machine that numba compiles for has a feature of LLVM's name, such as ``avx512vnni``."""
    features = numba.config.CPU_FEATURES
    return f"+{feature}" in (get_host_cpu_features() if features is None else features).split(",")


def emitted(build: Callable[..., Any]) -> Any:
    """A function for compiled code, without result, whose LLVM instructions ``build(builder, *arguments)`` writes.

    It is called with one-dimensional arrays, each followed by the index of an element, and with integers; ``build`` gets
    a pointer to that element instead of the two, and int64.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def function(_typing: Any, *kinds: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kinds, values = signature.args[0].types, cgutils.unpack_tuple(builder, values[0])
            arguments, rest = [], list(zip(kinds, values, strict=True))
            while rest:
                kind, value = rest.pop(0)
                if isinstance(kind, types.Array):
                    data = context.make_array(kind)(context, builder, value).data
                    index_kind, index = rest.pop(0)
                    arguments.append(builder.gep(data, [context.cast(builder, index, index_kind, types.int64)]))
                else:
                    arguments.append(context.cast(builder, value, kind, types.int64))
            build(builder, *arguments)
            return context.get_dummy_value()

        return types.void(StarArgTuple.from_types(kinds)), generate

    return function


@intrinsic  # type: ignore[untyped-decorator]
def take(_typing: Any, counter: Any) -> Any:
    """The next piece of work, from an array of one int64 that all threads share."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.atomic_rmw("add", data, INT64(1), "monotonic")

    return types.int64(counter), generate


def pointer(builder: Any, to: Any, kind: Any) -> Any:
    """The same address, of another type."""
    return builder.bitcast(to, ir.PointerType(kind))


def constant(kind: Any, number: Any) -> Any:
    """A vector of one constant."""
    return ir.Constant(kind, [number] * kind.count)


def splat(builder: Any, value: Any) -> Any:
    """A vector of one number."""
    kind = ir.VectorType(value.type, LANES)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, INT32(0))
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), constant(SUMS, 0))


def pick(builder: Any, x: Any, y: Any, places: Sequence[int]) -> Any:
    """Elements of two vectors by their places in the two put together."""
    return builder.shuffle_vector(x, y, ir.Constant(ir.VectorType(INT32, len(places)), list(places)))


def vectors(builder: Any, at: Any, count: int) -> list[Any]:
    """``count`` vectors from consecutive memory of any alignment."""
    return [builder.load(builder.gep(at, [INT64(i)]), align=1) for i in range(count)]


def store(builder: Any, at: Any, values: Sequence[Any]) -> None:
    """Vectors to consecutive memory of any alignment."""
    for i, value in enumerate(values):
        builder.store(value, builder.gep(at, [INT64(i)]), align=1)


def call(builder: Any, name: str, result: Any, arguments: Sequence[Any]) -> Any:
    """A call of a function that LLVM knows by name."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    known = builder.module.globals.get(name)
    return builder.call(known or ir.Function(builder.module, kind, name), arguments)


@emitted
def prefetch(builder: Any, line: Any) -> None:
    """Ask for the cache line of an array's element."""
    call(builder, "llvm.prefetch.p0", NOTHING, [line, INT32(0), INT32(3), INT32(1)])


Product = Callable[[Any, Any, Any, Any], Any]


def steps(builder: Any, rows: int, product: Product, sums: list[Any], a: Any, a_stride: Any, w: Any, count: Any) -> list[Any]:
    """``sums`` of ``rows`` rows after ``count`` >= 1 steps ``product(builder, sum, weights, activation)``, in order.

    ``a`` points to one number for each row and step, ``a_stride`` apart by rows; ``w`` to vectors, a row of
    them a step.
    """
    before, loop, after = builder.block, builder.append_basic_block("steps"), builder.append_basic_block("after")
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(INT64)
    carried = [builder.phi(value.type) for value in sums]
    per_row = len(sums) // rows
    columns = vectors(builder, builder.gep(w, [builder.mul(step, INT64(per_row))]), per_row)
    results = []
    for row in range(rows):
        at = builder.gep(a, [builder.add(builder.mul(a_stride, INT64(row)), step)])
        activation = splat(builder, builder.load(at, align=1))
        for old, column in zip(carried[row * per_row :], columns, strict=False):
            results.append(product(builder, old, column, activation))
    following = builder.add(step, INT64(1))
    end = builder.block
    for phi, start, result in zip([step, *carried], [INT64(0), *sums], [following, *results], strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(result, end)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)
    return results


def tile(rows: int, product: Product, kind: Any) -> Any:
    """Compiled ``tile(sums, at, a, at, a_stride, w, at, count)``: steps on sums ``[rows, 64]`` kept in vectors of ``kind``."""

    def build(builder: Any, sums: Any, a: Any, a_stride: Any, w: Any, count: Any) -> None:
        to = pointer(builder, sums, kind)
        start = vectors(builder, to, rows * VECTORS)
        store(builder, to, steps(builder, rows, product, start, a, a_stride, pointer(builder, w, kind), count))

    return emitted(build)
