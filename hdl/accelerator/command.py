"""What controllers have in common: the command that they take, and their ports to the buffers."""

from collections.abc import Sequence
from typing import Any

from amaranth import Module, Signal, Value
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from sim.accelerator.blocks import FIELD_BITS, largest_counts
from sim.accelerator.depths import OPERANDS, depths, tile_rows
from sim.design import DesignPoint

FLAGS = 2
"""[bit] ``begins`` and ``ends`` of a command."""

Fields = dict[str, Any]


def command_bits(design: DesignPoint) -> int:
    """Width [bit] of a command."""
    return len(largest_counts(design)) * FIELD_BITS + FLAGS


def controller_ports(design: DesignPoint, flags: Sequence[str]) -> Fields:
    """Ports of a controller (:class:`hdl.accelerator.controller.Controller`); ``flags`` are those for the array."""
    addresses = {name: max(1, ceil_log2(getattr(depths(design), name))) for name in OPERANDS}
    return {
        "command": In(command_bits(design)),
        **{name: In(1) for name in ("command_valid", "complete", "free")},
        **{name: Out(1) for name in ("start", "claim_results")},
        "last_rows_less_one": Out(range(max(2, tile_rows(design)))),
        **{f"{name}_address": Out(bits) for name, bits in addresses.items()},
        **{f"give_back_{name}": Out(1) for name in OPERANDS},
        **{name: Out(1) for name in flags},
        **{name: Out(1) for name in ("tile", "last_row_tile", "last_tile")},
    }


def begun(m: Module, controller: Any, ends_block: Signal) -> tuple[Fields, Fields, Signal]:
    """Start a block when it may; fields of the command that is there, those of the block at work, and whether there is one."""
    given = _fields(controller.design, controller.command)
    block = {name: Signal.like(value, name=name, reset_less=True) for name, value in given.items()}
    running = Signal(name="running")
    there, room = controller.command_valid & controller.complete, controller.free | ~given["ends"]
    m.d.comb += [
        controller.start.eq(there & room & (~running | ends_block)),
        controller.claim_results.eq(controller.start & given["ends"]),
    ]
    with m.If(controller.start):
        m.d.sync += [running.eq(1), *(held.eq(given[name]) for name, held in block.items())]
    with m.Elif(ends_block):
        m.d.sync += running.eq(0)
    return given, block, running


def _fields(design: DesignPoint, command: Value) -> Fields:
    """A command's fields, as wide as their largest values."""
    found: Fields = {}
    for place, (name, most) in enumerate(largest_counts(design).items()):
        start = place * FIELD_BITS
        found[name] = command[start : start + max(1, ceil_log2(most))]
    begins, ends = command[-FLAGS:]
    return {**found, "begins": begins, "ends": ends}
