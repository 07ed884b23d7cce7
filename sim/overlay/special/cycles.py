"""How long the special-function unit takes: one formula for every operation.

A unit has ``lanes`` lanes. An operation goes over all of its rows in each of its passes, ``lanes`` numbers of a row a cycle,
and a pass begins when the one before has left the pipeline, so that what rows were reduced to is there::

    cycles = sum over passes of ( rows * ceil(columns / lanes) + latency of the pass )

Element-wise operations have one pass. Where a row is reduced there are two phases: RMSNorm and ``quantize`` reduce in one
pass, softmax (the greatest, then the sum) and LayerNorm (the mean, then the deviation) in two; then a pass applies.

Latencies are registers between a pass's operands and its result. Those of the parts are assumptions of this design, as many
as single-cycle steps of one DSP, one block RAM or one adder of about 30 bits ask for at a few hundred MHz on an FPGA; nothing
is measured here.
"""

from typing import Any

CONVERT = 1
"""Of fp16 or fp32 numbers into another format, with its rounding."""

MULTIPLY = 3
"""fp32, or 24 bits by 18: a DSP with its registers, and the rounding."""

ADD = 4
"""fp32: align, add, normalise, round. So long does an accumulator wait for its last sum."""

TABLE = 2
"""A block RAM and its output register."""

INTERPOLATE = 3
"""A small product and an addition."""

COMPARE = 1

DIVIDE = 12
"""Integers, a bit of the quotient a cycle: 9 bits of it, what remains, rounding and limits."""

EXP2 = TABLE + INTERPOLATE + CONVERT
RECIPROCAL = TABLE + 2 * MULTIPLY + CONVERT
INVERSE_ROOT = TABLE + 4 * MULTIPLY + CONVERT
"""A square, two multiplications' worth of one of 25 by 28 bits, and the last."""


def sum_latency(lanes: int) -> int:
    """A tree, an accumulator, and the two additions that bring four of them together."""
    return ADD * (_levels(lanes) + 3)


def greatest_latency(lanes: int) -> int:
    """A tree of comparisons, and the row's greatest so far."""
    return COMPARE * (_levels(lanes) + 1)


def _levels(lanes: int) -> int:
    return lanes.bit_length() - 1


def cycles(latencies: tuple[int, ...], rows: Any, columns: Any, lanes: int) -> Any:
    """Cycles of an operation on ``[rows, columns]``, or arrays of both, whose passes have these latencies."""
    return sum(rows * -(-columns // lanes) + latency for latency in latencies)
