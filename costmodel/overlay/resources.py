"""What an overlay takes of its board, block by block, what limits it, and what it spends."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from costmodel.area import NotMeasuredError
from costmodel.fpga.block_ram import Memory, blocks
from costmodel.fpga.devices import DEVICES, RESOURCES, Device
from costmodel.fpga.fabric import CLB_ENERGY, CLBS, PICOJOULE
from costmodel.fpga.utilization import BANDWIDTH
from costmodel.overlay.components import key_of, parts_of
from costmodel.overlay.measured import known_part
from sim.errors import choose
from sim.memory import MEMORIES
from sim.overlay.cells import FP16_BYTES, weight_windows
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK, LANES

WORD_BITS, BYTE_BITS = 256, 8

BANKS = 2
"""Of even and of odd words, in which any window of a word's size is."""

NEARLY = 1.01
"""Boards state rounded rates."""

PUBLISHED_LANES, PUBLISHED_PORTS = 64, 32

SPECIAL = {"lut": 30_000.0, "ff": 36_000.0, "dsp": 201.0, "bram36": 24.0}
INTERCONNECT = {"lut": 150_000.0, "ff": 316_000.0, "bram36": 4.0}
"""FlightLLM's special functions and interconnect on a U280 (Zeng et al., FPGA 2024, table of resources). Neither has hardware
here; we take them to grow with lanes and with ports, and its special functions to have 64 lanes, three slices each."""

CORE_SHARES, CORE_MULTIPLIERS = {"lut": 0.3993, "dsp": 0.3915}, 1024
CORE: dict[str, float | None] = {"ff": None} | {
    name: share * (DEVICES["u280"].resources[name] or 0) for name, share in CORE_SHARES.items()
}
"""DFX's whole core: of a U280 39.93 % of the LUTs and 39.15 % of the DSP slices, of which 3 x 1,024 are the matrix unit's (Hong
et al., MICRO 2022, arXiv 2209.10797, read in summaries of the paper). Its flip-flops we do not know. We take it to grow with
multipliers; buffers are counted."""

SMALLER = {
    **dict.fromkeys(("lut", "ff", "dsp"), "chain, special_lanes or ports"),
    **dict.fromkeys(("bram36", "uram"), "slots, slot_kib or activation_buffer_kib"),
}
"""Fields that take less of a resource, whatever the number of vector units."""


@dataclass(frozen=True)
class Block:
    """A block of an overlay: what it takes of each of :data:`costmodel.fpga.devices.RESOURCES`, and where that is from.

    ``None`` where nobody says, nothing of those that are not named.
    """

    name: str
    taken: Mapping[str, float | None]
    source: str


@dataclass(frozen=True)
class OverlayFit:
    """What an overlay takes of its board: ``blocks``, ``used`` and ``available`` by resource, ``None`` where nobody says.

    Of ``vector_units`` in ``units`` of one size there could be ``most``, everything else as it is; ``lacking`` are resources of
    which a single one, with all that is beside it, takes too much.
    """

    design: str
    device: str
    blocks: tuple[Block, ...]
    used: Mapping[str, float | None]
    available: Mapping[str, int | None]
    units: int
    vector_units: int
    most: int
    lacking: tuple[str, ...]

    @property
    def shares(self) -> dict[str, float]:
        """Of each resource that is known."""
        known = {name: (self.used[name], have) for name, have in self.available.items() if have}
        return {name: used / have for name, (used, have) in known.items() if used is not None}

    @property
    def limit(self) -> str:
        """The resource of which the greatest share is taken; bandwidth, all of which a design may have, where there is less."""
        asked = {name: share for name, share in self.shares.items() if name != BANDWIDTH or share > 1}
        return max(asked, key=lambda name: asked[name])

    @property
    def fits(self) -> bool:
        return self.shares[self.limit] <= 1

    @property
    def verdict(self) -> str:
        """The fit in a sentence: what limits it, and what to change, or how many vector units there could be."""
        does = "fits" if self.fits else "does not fit"
        limit = self.limit.upper() if self.limit in RESOURCES else self.limit
        most = f"the most it takes is {self.shares[self.limit]:.1%} of the {limit}"
        return f"{self.design} {does} a {self.device}: {'; '.join([most, *self._changes()])}."

    def _changes(self) -> list[str]:
        too_fast = self.shares[BANDWIDTH] > 1
        found = ["fewer channels or a slower memory would do"] if too_fast else []
        if self.lacking and self.most < self.vector_units:
            fields = " and of ".join(dict.fromkeys(SMALLER[name] for name in self.lacking))
            return [*found, f"fewer vector units alone would not do, but less of {fields}"]
        if too_fast and self.most >= self.vector_units:
            return found
        if 1 < self.units <= self.most:
            have, could = self.vector_units // self.units, self.most // self.units
            return [*found, f"each of its {self.units:,} units has {have:,} vector units and could have {could:,}"]
        plural = "s" if self.vector_units > 1 else ""
        return [*found, f"of its {self.vector_units:,} vector unit{plural} there could be {self.most:,}"]


def overlay_fit(design: OverlayDesign) -> OverlayFit:
    """How a design fits its board. Raises ``InputError`` for an unknown device,
    :class:`costmodel.area.NotMeasuredError` for a component that was not synthesised."""
    board = choose("device", design.device, DEVICES)
    found = tuple(_blocks(design, board))
    used = {name: _total(found, name) for name in RESOURCES}
    rate = MEMORIES[design.memory].bits_per_second * design.channels / BYTE_BITS
    used[BANDWIDTH] = rate if rate > NEARLY * max(board.memories.values()) else min(rate, max(board.memories.values()))
    available = {**board.resources, BANDWIDTH: int(max(board.memories.values()))}
    return OverlayFit(
        design.name,
        design.device,
        found,
        used,
        available,
        units=design.units,
        vector_units=design.units * design.vector_units,
        most=_most(design, board),
        lacking=_lacking(design, board, 1),
    )


def energy_per_pass(design: OverlayDesign, fit: OverlayFit, cycles: int, moved: int) -> dict[str, float]:
    """Energy [J] of so many cycles and ``moved`` bytes: an estimate from the power of one published board, with its spread.

    All that is taken is at work in every cycle (:mod:`costmodel.fpga.fabric`), and the memory as its table says.
    """
    clbs = sum(CLBS[name] * count for name, count in fit.used.items() if name in CLBS and name != "ff" and count)
    memory = moved * BYTE_BITS * MEMORIES[design.memory].energy_per_bit * PICOJOULE
    return {end: clbs * each * cycles * PICOJOULE + memory for end, each in CLB_ENERGY.items()}


def _blocks(design: OverlayDesign, board: Device) -> list[Block]:
    rows = [*_synthesised(design), *_cited(design)] if design.quantized else [_core(design)]
    memories = _memories(design)
    taken = blocks(memories, board.resources["bram36"] or math.inf, board.resources["uram"] or 0)
    sizes = {"lut": float(taken.lut_sites), "bram36": float(taken.bram36), "uram": float(taken.uram)}
    return [*rows, Block("buffers", sizes, "counted by width and depth (AMD UG573)")]


def _synthesised(design: OverlayDesign) -> list[Block]:
    found = []
    for name, part in parts_of(design).items():
        row = known_part(name, design)
        if row is None:
            raise NotMeasuredError(
                f"the {name} of {design.name}, {key_of(name, design)}, was not synthesised, which `shiftwise fit` does"
            )
        count = part.count(design)
        taken = {"lut": count * row.lut_sites, "ff": count * row.flip_flops, "dsp": count * row.dsps}
        how = "measured" if part.exists(design) else "estimated by what would feed it"
        found.append(Block(f"{count:,} x {name}".replace("_", " "), taken, f"{how}: {row.tool} {row.version}, {row.date}"))
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


def _core(design: OverlayDesign) -> Block:
    """All but the buffers of a design whose products are of fp16 numbers."""
    share = design.engine.total_multipliers / CORE_MULTIPLIERS
    taken = {kind: None if count is None else count * share for kind, count in CORE.items()}
    return Block("core", taken, "cited: DFX's, by multipliers")


def _memories(design: OverlayDesign) -> dict[str, Memory]:
    """Of each vector unit its share of the weight buffer, twice, and windows of two groups' activations.

    A memory has a port to write and one to read, so what is read beside the weights of a cycle, scales, zero points and biases,
    is read from a copy. Any 32 bytes are in two banks (``hdl/overlay/buffers.py``), twice as many in four. Sums that are held
    are among what was synthesised. DFX's weights are all that there is, a word of them a cycle.
    """
    units = design.units * design.vector_units
    width = design.special_lanes * FP16_BYTES * BYTE_BITS
    buffers = {"activations": Memory(width, -(-design.activation_bytes * BYTE_BITS // width))}
    windows = weight_windows(design.engine)
    weight_words = -(-design.slots * design.slot_bytes * BYTE_BITS // WORD_BITS // units)
    if not design.quantized:
        return buffers | {"weights": Memory(WORD_BITS * windows, -(-weight_words // windows), units)}
    copies = {"weights": BANKS * windows, "scales": BANKS}
    return {
        **buffers,
        **{
            f"{name} {bank}": Memory(WORD_BITS, -(-weight_words // banks))
            for name, banks in copies.items()
            for bank in range(banks * units)
        },
        "windows": Memory(BLOCK * BYTE_BITS, 2 * -(-design.group_size // BLOCK), LANES * units, distributed=True),
    }


def _total(found: Iterable[Block], name: str) -> float | None:
    """What blocks take of a resource."""
    taken = [block.taken.get(name, 0.0) for block in found]
    known = [count for count in taken if count is not None]
    return sum(known) if len(known) == len(taken) else None


def _most(design: OverlayDesign, board: Device) -> int:
    """The most vector units with which everything that is known is enough."""
    own = design.units * design.vector_units
    least = 0 if _lacking(design, board, own) else own
    above = max(2, 2 * least)
    while not _lacking(design, board, above):
        least, above = above, 2 * above
    while above - least > 1:
        middle = (least + above) // 2
        least, above = (least, middle) if _lacking(design, board, middle) else (middle, above)
    return least


def _lacking(design: OverlayDesign, board: Device, vector_units: int) -> tuple[str, ...]:
    """Resources of which the design with so many vector units takes more than there is, as far as it is known."""
    found = _blocks(replace(design, units=1, vector_units=vector_units), board)
    return tuple(name for name, have in board.resources.items() if have and (_total(found, name) or 0.0) > have)
