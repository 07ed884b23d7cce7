"""The top level: streams in, a product through the array block by block, streams out."""

from functools import reduce
from operator import and_
from typing import Any

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.accelerator.command import command_bits
from hdl.accelerator.controller import Controller
from hdl.accelerator.folds import FoldController
from hdl.accelerator.results import ResultBuffer
from hdl.accelerator.scratchpad import Scratchpad, stream_bits
from hdl.arrays import ARRAYS
from hdl.placement import Wires, place
from sim.accelerator.blocks import COMMAND
from sim.accelerator.depths import OPERANDS, depths, word_bits
from sim.design import DesignPoint
from sim.epilogue import SCALE_BITS

CONTROLLERS: dict[str, Any] = {"output_stationary": Controller, "weight_stationary": FoldController}
"""Dataflow to the component that says when an array is fed what."""


class Accelerator(wiring.Component):
    """An array with its buffers, which runs products block by block (:mod:`sim.accelerator`).

    Ports are AXI4-Streams:

    ======================= ==================================================== ======================================
    stream                  a beat                                               a packet, of a block
    ======================= ==================================================== ======================================
    s_axis_command          :class:`sim.accelerator.blocks.Command`              is one beat; has no ``tlast``
    s_axis_weight           codes of all columns for one ``k``, column 0 lowest  columns of tiles; ``k``
    s_axis_scale            fp16 scale, zero point above it                      columns of tiles; groups; columns
    s_axis_activation       codes of all rows of PEs, row 0 lowest               rows of tiles; ``k``
    s_axis_token_scale      fp16 scale                                           rows of tiles; rows
    m_axis_result           fp32 results of all columns for one row              columns of tiles; rows with results
    ======================= ==================================================== ======================================

    Tiles are padded by codes of zero. Where weights stay a tile is one row of results, and activations are those of a fold
    for a row of results: folds along ``k``; rows. Every stream may wait at any time, whoever is to blame. While a block is
    computed the next one's operands come in and the results of the one before leave, each in a half of its buffer; the array
    never waits in the middle of a block, so that a block takes the cycles of :mod:`sim.array`, and those of a product are
    :func:`sim.accelerator.block_times` when no stream makes it wait.
    """

    module_name = "accelerator"

    def __init__(self, design: DesignPoint) -> None:
        self.design = design
        bits, room = word_bits(design), depths(design)
        self._pads = {name: Scratchpad(name, bits[name], getattr(room, name)) for name in OPERANDS}
        self._controller, self._array = CONTROLLERS[design.dataflow](design), ARRAYS[design.dataflow](design)
        self._results = ResultBuffer(design)
        ports: dict[str, Any] = {}
        for name in (*OPERANDS, COMMAND):
            data = stream_bits(command_bits(design) if name == COMMAND else bits[name])
            ports |= {f"s_axis_{name}_tdata": In(data), f"s_axis_{name}_tvalid": In(1), f"s_axis_{name}_tready": Out(1)}
            ports |= {f"s_axis_{name}_tlast": In(1)} if name != COMMAND else {}
        ports |= {"m_axis_result_tdata": Out(stream_bits(bits["result"])), "m_axis_result_tvalid": Out(1)}
        ports |= {"m_axis_result_tready": In(1), "m_axis_result_tlast": Out(1)}
        super().__init__(ports)

    @property
    def parts(self) -> tuple[Any, ...]:
        """One of each component that the accelerator consists of."""
        pads = [part for pad in self._pads.values() for part in (*pad.parts, pad)]
        return *self._array.parts, self._array, *pads, self._controller, *self._results.parts, self._results

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        control = {name: Signal(member.shape, name=name) for name, member in self._controller.signature.members.items()}
        pads = {}
        for name, pad in self._pads.items():
            stream = {port: getattr(self, f"s_axis_{name}_{port}") for port in ("tdata", "tvalid", "tlast")}
            stream |= {
                "claim": control["start"],
                "address": control[f"{name}_address"],
                "give_back": control[f"give_back_{name}"],
            }
            pads[name] = place(m, pad, f"{name}_buffer", stream)
            m.d.comb += getattr(self, f"s_axis_{name}_tready").eq(pads[name]["tready"])
        array = place(m, self._array, "array", self._operands(pads, control))
        results: Wires = {name: control[name] for name in ("tile", "last_row_tile", "last_tile", "last_rows_less_one")}
        results |= {f"result_{c}": array[f"result_{c}"] for c in range(self.design.columns)}
        results |= {"result_valid": array["result_valid_0"], "claim": control["claim_results"]}
        sent = place(m, self._results, "results", {**results, "tready": self.m_axis_result_tready})
        m.d.comb += [getattr(self, f"m_axis_result_{port}").eq(sent[port]) for port in ("tdata", "tvalid", "tlast")]
        complete = reduce(and_, (pad["complete"] for pad in pads.values()))
        given = {"command": self.s_axis_command_tdata[: command_bits(self.design)], "command_valid": self.s_axis_command_tvalid}
        decided = place(m, self._controller, "controller", {**given, "complete": complete, "free": sent["free"]})
        m.d.comb += [control[name].eq(value) for name, value in decided.items()]
        m.d.comb += self.s_axis_command_tready.eq(decided["start"])
        return m

    def _operands(self, pads: dict[str, Wires], control: Wires) -> Wires:
        """The array's inputs: words of the buffers, taken apart, and the controller's flags."""
        design = self.design
        activations, weights = design.element.lanes
        row, column = activations * design.activation.bits, weights * design.weight.bits
        word = {name: pad["word"] for name, pad in pads.items()}
        inputs: Wires = {f"activation_{r}": word["activation"][r * row : (r + 1) * row] for r in range(design.rows)}
        inputs |= {f"weight_{c}": word["weight"][c * column : (c + 1) * column] for c in range(design.columns)}
        ports = self._array.signature.members
        # The scale of a column may be on the ports of all of them, as each looks at its own in its own cycle.
        inputs |= {port: word["scale"][: weights * SCALE_BITS] for port in ports if port.startswith("scale")}
        inputs |= {port: word["scale"][weights * SCALE_BITS :] for port in ports if port.startswith("zero_point")}
        return inputs | {"token_scale": word["token_scale"]} | {name: control[name] for name in ports if name in control}
