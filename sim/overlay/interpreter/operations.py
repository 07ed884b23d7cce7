"""``MISC``: operations of the special-function unit on rows of the activation buffer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.overlay import special
from sim.overlay.cells import FP16_BYTES, aligned
from sim.overlay.interpreter.machine import Machine
from sim.overlay.interpreter.tiles import Fields
from sim.overlay.isa.instructions import SPECIAL
from sim.quantized import QuantizedTensor

Halves = NDArray[np.float16]


@dataclass(frozen=True)
class Pass:
    """What a program is given when it is started: the position of the first new token, and how many there are."""

    position: int
    tokens: int

    def __post_init__(self) -> None:
        for name, least in (("position", 0), ("tokens", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} of a program is at least {least}, not {getattr(self, name)}")


def operate(machine: Machine, f: Fields, given: Pass) -> None:
    """Carry out an operation. Raises ``InputError`` for what it does not take."""
    OF[SPECIAL[f["operation"]]](machine, f, given)


def _rows(machine: Machine, f: Fields, given: Pass) -> Halves:
    """``[rows, length]``, ``pitch`` apart."""
    first = f["source"] + (given.tokens - 1) * f["pitch"] * f["last"]
    return machine.halves(first, (f["rows"],), (f["pitch"],), f["length"])


def _elementwise(name: str) -> Callable[[Machine, Fields, Pass], None]:
    def one(machine: Machine, f: Fields, given: Pass) -> None:
        machine.write(f["target"], special.OPERATIONS[name].function(_rows(machine, f, given)))

    def two(machine: Machine, f: Fields, given: Pass) -> None:
        other = machine.halves(f["second"], (f["rows"],), (f["length"] * FP16_BYTES,), f["length"])
        machine.write(f["target"], special.OPERATIONS[name].function(_rows(machine, f, given), other))

    return two if name in ("add", "multiply") else one


def _norm(machine: Machine, f: Fields, given: Pass) -> None:
    length, x = f["length"], _rows(machine, f, given)
    epsilon = float(_scalar(f))
    weight = machine.halves(f["second"], (), (), length)
    if SPECIAL[f["operation"]] == "rms_norm":
        results = special.rms_norm(x, weight, epsilon, machine.design.special_lanes)
    else:
        bias = machine.halves(f["second"] + aligned(length * FP16_BYTES), (), (), length)
        results = special.layer_norm(x, weight, bias, epsilon, machine.design.special_lanes)
    machine.write(f["target"], results)


def _scalar(f: Fields) -> np.float32:
    return np.uint32(f["scalar"]).view(np.float32)


def _quantize(machine: Machine, f: Fields, given: Pass) -> None:
    _write_codes(machine, f, special.quantize(_rows(machine, f, given)))


def _quantize_heads(machine: Machine, f: Fields, given: Pass) -> None:
    """From tokens to heads."""
    del given
    x = _of_heads(machine, f, f["pitch"], f["group"] * f["length"] * FP16_BYTES)
    _write_codes(machine, f, special.quantize(x.reshape(-1, f["length"])))


def _of_heads(machine: Machine, f: Fields, token: int, head: int) -> Halves:
    """``[heads, tokens, group, length]`` of which tokens and heads are so far apart."""
    row = f["length"] * FP16_BYTES
    return machine.halves(f["source"], (f["heads"], f["rows"], f["group"]), (head, token, row), f["length"])


def _write_codes(machine: Machine, f: Fields, tensor: QuantizedTensor) -> int:
    """Codes and behind them scales; returns where they end."""
    behind = machine.write(f["target"], tensor.codes)
    return machine.write(f["target"] + aligned(behind - f["target"]), tensor.scale)


def _scores(machine: Machine, f: Fields) -> Halves:
    return _of_heads(machine, f, f["pitch"], f["rows"] * f["pitch"])


def _quantize_folded(machine: Machine, f: Fields, given: Pass) -> None:
    """Each head with the scales of its values."""
    del given
    x, length = _scores(machine, f), f["length"]
    factors = machine.halves(f["second"], (f["heads"],), (length * FP16_BYTES,), length)
    found = [special.quantize_folded(own.reshape(-1, length), s) for own, s in zip(x, factors, strict=True)]
    codes, scales = (np.stack([getattr(tensor, name) for tensor, _ in found]) for name in ("codes", "scale"))
    target = f["target"] + aligned(machine.write(f["target"], codes) - f["target"])
    powers = target + aligned(machine.write(target, scales) - target)
    machine.write(powers, np.stack([power for _, power in found]))


def _softmax(machine: Machine, f: Fields, given: Pass) -> None:
    x, length = _scores(machine, f), f["length"]
    seen = np.arange(length) <= given.position + np.arange(f["rows"])[:, None, None]
    seen = np.broadcast_to(seen, x.shape)
    scores = np.where(seen, x, np.float16(0)).reshape(-1, length)
    lanes = machine.design.special_lanes
    machine.write(f["target"], special.softmax(scores, float(_scalar(f)), lanes, seen.reshape(-1, length)))


def _rotary(machine: Machine, f: Fields, given: Pass) -> None:
    """Of each token all heads by one row of the table."""
    del given
    row, half = f["length"] * FP16_BYTES, f["length"] // 2
    x = machine.halves(f["source"], (f["rows"], f["heads"]), (f["pitch"], row), f["length"])
    table = machine.halves(f["second"], (f["rows"],), (row,), f["length"])[:, None]
    cos, sin = (np.concatenate([part, part], axis=-1) for part in (table[..., :half], table[..., half:]))
    machine.write(f["target"], special.rotary(x, cos, sin))


OF: dict[str, Callable[[Machine, Fields, Pass], None]] = {
    "quantize": _quantize,
    "quantize_heads": _quantize_heads,
    "quantize_folded": _quantize_folded,
    "rms_norm": _norm,
    "layer_norm": _norm,
    "softmax": _softmax,
    "rotary": _rotary,
    **{name: _elementwise(name) for name in ("silu", "gelu", "gelu_tanh", "relu", "add", "multiply")},
}
"""By the names of :data:`sim.overlay.isa.SPECIAL`."""
