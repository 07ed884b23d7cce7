"""The operations of the special-function unit by name: what each computes, and its passes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.errors import InputError
from sim.overlay.special import cycles as c
from sim.overlay.special.elementwise import add, gelu, gelu_tanh, multiply, relu, rotary, silu
from sim.overlay.special.norms import layer_norm, rms_norm
from sim.overlay.special.quantizer import quantize, quantize_folded
from sim.overlay.special.reduction import check_lanes
from sim.overlay.special.softmax import softmax

Latencies = Callable[[int], tuple[int, ...]]
"""From the number of lanes to the latency [cycle] of each pass."""


@dataclass(frozen=True)
class Operation:
    """``function`` computes it; ``latencies`` has an entry for each pass."""

    function: Callable[..., Any]
    latencies: Latencies

    def cycles(self, rows: int, columns: int, lanes: int) -> int:
        """Cycles on ``[rows, columns]``; raises ``InputError`` for a size below 1 and lanes that are no power of two."""
        check_lanes(lanes)
        if min(rows, columns) < 1:
            raise InputError(f"an operation has rows and columns of at least 1, not {rows} x {columns}")
        return int(c.cycles(self.latencies(lanes), rows, columns, lanes))


def _one(latency: int) -> Latencies:
    return lambda _: (latency,)


_GATE = c.EXP2 + c.ADD + c.RECIPROCAL + 2 * c.MULTIPLY + c.CONVERT
"""From a fixed-point exponent to the fp16 result of SiLU."""

_DEVIATION = c.MULTIPLY + c.ADD + c.INVERSE_ROOT
"""From a row's sum to what the row is multiplied by."""


def _softmax(lanes: int) -> tuple[int, ...]:
    exponential = c.MULTIPLY + c.EXP2
    return (
        c.MULTIPLY + c.greatest_latency(lanes),
        exponential + c.sum_latency(lanes) + c.RECIPROCAL,
        exponential + c.MULTIPLY + c.CONVERT,
    )


def _rms_norm(lanes: int) -> tuple[int, ...]:
    return c.MULTIPLY + c.sum_latency(lanes) + _DEVIATION, 2 * c.MULTIPLY + c.CONVERT


def _layer_norm(lanes: int) -> tuple[int, ...]:
    total = c.sum_latency(lanes)
    return total + c.MULTIPLY, c.ADD + c.MULTIPLY + total + _DEVIATION, 2 * c.ADD + 2 * c.MULTIPLY + c.CONVERT


def _quantize(lanes: int) -> tuple[int, ...]:
    return c.greatest_latency(lanes) + c.DIVIDE, c.DIVIDE


OPERATIONS: dict[str, Operation] = {
    "add": Operation(add, _one(c.ADD + c.CONVERT)),
    "multiply": Operation(multiply, _one(c.MULTIPLY + c.CONVERT)),
    "relu": Operation(relu, _one(c.COMPARE)),
    "silu": Operation(silu, _one(c.MULTIPLY + _GATE)),
    "gelu": Operation(gelu, _one(c.CONVERT + c.TABLE + c.INTERPOLATE + c.EXP2 + c.ADD + c.MULTIPLY + c.CONVERT)),
    "gelu_tanh": Operation(gelu_tanh, _one(3 * c.MULTIPLY + c.ADD + c.CONVERT + _GATE)),
    "rotary": Operation(rotary, _one(c.MULTIPLY + c.ADD + 2 * c.CONVERT)),
    "softmax": Operation(softmax, _softmax),
    "rms_norm": Operation(rms_norm, _rms_norm),
    "layer_norm": Operation(layer_norm, _layer_norm),
    "quantize": Operation(quantize, _quantize),
    "quantize_heads": Operation(quantize, _quantize),
    "quantize_folded": Operation(
        quantize_folded, lambda lanes: (c.MULTIPLY + c.greatest_latency(lanes) + c.DIVIDE, c.MULTIPLY + c.DIVIDE)
    ),
}
"""By the names that instructions have (:data:`sim.overlay.isa.instructions.SPECIAL`). A row of ``quantize_heads`` is one head
of queries, keys or values of a token; other rows have a token's numbers, or a query's scores."""
