"""What happens to the integer sums of a group: times the scales, rounded once, and added to float32 totals."""

from typing import Any

from sim.kernels.compiled import compiled
from sim.kernels.tiles import DOUBLES, FLOATS, INT64, ROWS, SUMS, VECTORS, emitted, pointer, splat, store, vectors


def _add_scaled(rows: int, single: bool) -> Any:
    def widen(builder: Any, value: Any) -> Any:
        return value if single else builder.fpext(value, DOUBLES)

    def build(builder: Any, total: Any, sums: Any, a_scale: Any, a_stride: Any, w_scale: Any) -> None:
        totals, integers = pointer(builder, total, FLOATS), pointer(builder, sums, SUMS)
        scales = [widen(builder, scale) for scale in vectors(builder, pointer(builder, w_scale, FLOATS), VECTORS)]
        results = []
        for row in range(rows):
            factor = builder.load(builder.gep(a_scale, [builder.mul(a_stride, INT64(row))]))
            factors = widen(builder, splat(builder, factor))
            parts = [vectors(builder, builder.gep(x, [INT64(row * VECTORS)]), VECTORS) for x in (totals, integers)]
            for old, integer, scale in zip(*parts, scales, strict=True):
                number = widen(builder, builder.sitofp(integer, FLOATS))
                value = builder.fmul(number, builder.fmul(factors, scale))
                results.append(builder.fadd(old, value if single else builder.fptrunc(value, FLOATS)))
        store(builder, totals, results)

    return emitted(build)


_single_tile, _single_row = (_add_scaled(rows, True) for rows in (ROWS, 1))
_double_tile, _double_row = (_add_scaled(rows, False) for rows in (ROWS, 1))


@compiled
def add_scaled(total, total_at, sums, sums_at, rows, single, a_scale, a_at, a_stride, w_scale, w_at):  # type: ignore[no-untyped-def]
    """``total += fp32(fp32(sum) * (a_scale * w_scale))`` on ``rows`` (1 or 4) x 64 float32 totals and int32 sums.

    In float32 if ``single``, otherwise in float64 with one rounding to float32; the addition is float32's.
    """
    if single and rows == 1:
        _single_row(total, total_at, sums, sums_at, a_scale, a_at, a_stride, w_scale, w_at)
    elif single:
        _single_tile(total, total_at, sums, sums_at, a_scale, a_at, a_stride, w_scale, w_at)
    elif rows == 1:
        _double_row(total, total_at, sums, sums_at, a_scale, a_at, a_stride, w_scale, w_at)
    else:
        _double_tile(total, total_at, sums, sums_at, a_scale, a_at, a_stride, w_scale, w_at)
