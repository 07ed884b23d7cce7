"""What an overlay takes of its board, block by block, what limits it, and what it spends."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from costmodel.fpga.block_ram import Memory, blocks
from costmodel.fpga.devices import DEVICES, RESOURCES, Device
from costmodel.fpga.fabric import CLB_ENERGY, CLBS, PICOJOULE
from costmodel.overlay.components import PARTS, key_of
from costmodel.overlay.measured import known_part
from sim.errors import InputError, choose
from sim.memory import MEMORIES
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK, LANES

WORD_BITS, BYTE_BITS = 256, 8

PUBLISHED_LANES, PUBLISHED_PORTS = 64, 32

SPECIAL = {"lut": 30_000.0, "ff": 36_000.0, "dsp": 201.0, "bram36": 24.0}
INTERCONNECT = {"lut": 150_000.0, "ff": 316_000.0, "bram36": 4.0}
"""FlightLLM's special functions and interconnect on a U280 (Zeng et al., FPGA 2024, table of resources). Neither has hardware
here; we take them to grow with lanes and with ports, and its special functions to have 64 lanes, three slices each."""


class NotSynthesisedError(InputError):
    """A component of a design is not among those that were synthesised."""


@dataclass(frozen=True)
class Block:
    """A block of an overlay: what it takes of each of :data:`costmodel.fpga.devices.RESOURCES`, and where that is from."""

    name: str
    taken: Mapping[str, float]
    source: str


@dataclass(frozen=True)
class OverlayFit:
    """What an overlay takes of its board: ``blocks``, ``used`` and ``available`` by resource, ``None`` where nobody says.

    ``vector_units`` is how many there could be, everything else as it is.
    """

    design: str
    device: str
    blocks: tuple[Block, ...]
    used: Mapping[str, float]
    available: Mapping[str, int | None]
    vector_units: int

    @property
    def shares(self) -> dict[str, float]:
        """Of each resource that is known."""
        known = {name: have for name, have in self.available.items() if have}
        return {name: self.used[name] / have for name, have in known.items()}

    @property
    def limit(self) -> str:
        """The resource of which the greatest share is taken."""
        return max(self.shares, key=lambda name: self.shares[name])

    @property
    def fits(self) -> bool:
        return self.shares[self.limit] <= 1

    @property
    def verdict(self) -> str:
        """The fit in sentences."""
        does = "fits" if self.fits else "does not fit"
        most = f"the most it takes is {self.shares[self.limit]:.0%} of the {self.limit.upper()}"
        return f"{self.design} {does} a {self.device}: {most}; there could be {self.vector_units:,} vector units."


def overlay_fit(design: OverlayDesign) -> OverlayFit:
    """How a design fits its board. Raises ``InputError`` for an unknown device,
    :class:`NotSynthesisedError` for a component that was not synthesised."""
    board = choose("device", design.device, DEVICES)
    found = tuple(_blocks(design, board))
    used = {name: sum(block.taken.get(name, 0.0) for block in found) for name in RESOURCES}
    return OverlayFit(design.name, design.device, found, used, board.resources, _largest(design, found, board))


def energy_per_pass(design: OverlayDesign, fit: OverlayFit, cycles: int, moved: int) -> dict[str, float]:
    """Energy [J] of so many cycles and ``moved`` bytes: an estimate from the power of one published board, with its spread.

    All that is taken is at work in every cycle (:mod:`costmodel.fpga.fabric`), and the memory as its table says.
    """
    clbs = sum(CLBS[name] * count for name, count in fit.used.items() if name != "ff")
    memory = moved * BYTE_BITS * MEMORIES[design.memory].energy_per_bit * PICOJOULE
    return {end: clbs * each * cycles * PICOJOULE + memory for end, each in CLB_ENERGY.items()}


def _blocks(design: OverlayDesign, board: Device) -> list[Block]:
    rows = [*_synthesised(design), *_cited(design)]
    memories = _memories(design)
    taken = blocks(memories, board.resources["bram36"] or math.inf, board.resources["uram"] or 0)
    sizes = {"lut": float(taken.lut_sites), "bram36": float(taken.bram36), "uram": float(taken.uram)}
    return [*rows, Block("buffers", sizes, "counted by width and depth (AMD UG573)")]


def _synthesised(design: OverlayDesign) -> list[Block]:
    found = []
    for name, part in PARTS.items():
        row = known_part(name, design)
        if row is None:
            raise NotSynthesisedError(
                f"the {name} of {design.name}, {key_of(name, design)}, was not synthesised, which `shiftwise fit` does"
            )
        count = part.count(design)
        taken = {"lut": count * row.lut_sites, "ff": count * row.flip_flops, "dsp": count * row.dsps}
        found.append(Block(f"{count:,} x {name}".replace("_", " "), taken, f"measured: {row.tool} {row.version}, {row.date}"))
    return found


def _cited(design: OverlayDesign) -> list[Block]:
    of = (
        ("special functions", SPECIAL, design.special_lanes / PUBLISHED_LANES),
        ("interconnect", INTERCONNECT, design.ports / PUBLISHED_PORTS),
    )
    return [
        Block(name, {kind: count * share for kind, count in taken.items()}, "cited: FlightLLM's, by lanes and ports")
        for name, taken, share in of
    ]


def _memories(design: OverlayDesign) -> dict[str, Memory]:
    """A part of the weight buffer beside each vector unit; activations in one place, and windows of two groups of them."""
    units = design.units * design.vector_units
    weight_words = -(-design.slots * design.slot_bytes * BYTE_BITS // WORD_BITS // units)
    windows = Memory(BLOCK * BYTE_BITS, 2 * -(-design.group_size // BLOCK), LANES * units, distributed=True)
    return {
        "weights": Memory(WORD_BITS, weight_words, units),
        "activations": Memory(WORD_BITS, -(-design.activation_bytes * BYTE_BITS // WORD_BITS)),
        "windows": windows,
    }


def _largest(design: OverlayDesign, found: tuple[Block, ...], board: Device) -> int:
    """Vector units for which LUTs and slices are enough, what goes with each included."""
    units = design.units * design.vector_units
    with_units = [block for block in found if " x " in block.name and not block.name.startswith("1 x ")]
    room = []
    for name in ("lut", "ff", "dsp"):
        have = board.resources[name]
        each = sum(block.taken.get(name, 0.0) for block in with_units) / units
        rest = sum(block.taken.get(name, 0.0) for block in found if block not in with_units)
        if have is not None and each:
            room.append(int(max(0.0, have - rest) // each))
    return min(room)
