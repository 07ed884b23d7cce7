"""The matrix engine of an overlay: its shape and its latency. :mod:`sim.overlay.tile_cycles` has what a tile takes.

Units x vector units x a chain of groups of two multipliers (FlightLLM, arXiv 2401.03868, section 4). Shapes: activations
``a[m, k]``, weights ``w[k, n]``. Weights come in blocks of 16 x 16 ``[k, n]``, of which each column keeps ``N`` of 16
(:mod:`sim.overlay.sparsity`); a dense block keeps all.

A vector unit works on one column block at a time. Its ``D = 2 * chain`` multipliers take ``D`` kept weights a cycle, columns in
order: ``D / N`` whole columns, or where ``D < N`` a part of one. So a block takes ``16 * N / D`` cycles, and one of which
nothing is kept takes none. All columns of a block see the same 16 activations, of which a multiplexer before each
multiplier selects the one that its weight's index names. Reduction nodes break the cascade of multipliers where a column ends.

Each multiplier has two lanes that share an operand:

- ``mm``: a weight, and the lanes are two tokens. Units have the same weights and tokens of their own, so a pass is of
  ``2 * units`` tokens and ``16 * vector_units`` columns.
- ``mv``: one token. Units have the same token and columns of their own, so a pass is of one token and ``16 * units *
  vector_units`` columns. In a dense engine the lanes share an activation and are two columns: a vector unit takes ``2 * D``
  weights a cycle, and a block half the cycles. Columns that select different activations have none to share, so in a sparse
  engine the second lane idles, which a memory-bound decode does not notice: at 225 MHz the 460 GB/s of a U280 deliver 4,672
  weights of 3.5 bits a cycle to 6,144 multipliers.

A vector unit goes through its column blocks, for each through the passes of tokens, for each through the groups along ``k``.
Every vector unit has the tile's activations in a bank of its own and does not wait for the others before the end of the tile.
A group's 16 x 2 sums leave one column a cycle while the next group is computed, so that a group takes 16 cycles at least.

With ``element = "fp16_tree"`` products are of fp16 numbers, in ``mv`` alone, and their sums in trees (:mod:`sim.overlay.tree`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, choose, demand
from sim.formats import FORMATS
from sim.overlay.elements import ELEMENTS
from sim.overlay.tree import tree_latency
from sim.pe.dsp_packed import DspPacked

Mode = Literal["mm", "mv"]
MODES: dict[str, str] = {"mm": "matrix times matrix: two tokens share a weight", "mv": "matrix times vector: one token"}

BLOCK = 16
"""Of a block along ``k`` and along ``n``: M of N:M sparsity, and the columns whose sums a vector unit holds."""

DENSITIES = (0, 2, 4, 8, 16)
"""Weights that a column of a block may keep: FlightLLM's N."""

GROUP = 2
"""Multipliers of a group of a chain: the fewest that a column which is not empty keeps."""

LANES = 2
"""Products of a multiplier a cycle: one weight and two activations, or one activation and two weights."""

ACCUMULATOR_BITS = 32
"""[bit] Of a column's sum at the most."""

PRODUCT_MAX = 1 << 14
"""Of two int8 numbers."""

LONGEST_GROUP = (1 << (ACCUMULATOR_BITS - 1)) // PRODUCT_MAX - 1
"""Products whose sum the widest accumulator holds: 131,071."""

SELECT, SLICE, SPLIT, PRODUCT, ROUTE, ACCUMULATE = 1, 4, 1, 2, 1, 2
"""[cycle] Of the sparse multiplexer, a DSP slice, taking its lanes apart, a product of shifts and additions, a sum's way to its
column, and the columns' sums, which are added and then handed over."""


@dataclass(frozen=True)
class Engine:
    """``units`` x ``vector_units`` x ``chain`` groups of two multipliers, of int8 x int8 with two lanes each, or of fp16.

    ``element`` is one of :data:`sim.overlay.elements.ELEMENTS`. Without ``sparse`` there are no multiplexers, and all blocks
    are dense. ``weight_formats`` are what the dequantization unit expands to int8 (:mod:`sim.overlay.dequantizer`), or fp16.
    FlightLLM's U280 has 6,144 DSP48 = units x vector units x chain x 2. A column's sum has ``accumulator_bits``. Raises
    ``InputError`` for other counts, names and formats.
    """

    units: int = 6
    vector_units: int = 64
    chain: int = 8
    element: str = "dsp"
    sparse: bool = True
    weight_formats: tuple[str, ...] = ("int3", "int4", "int5", "int8")
    accumulator_bits: int = ACCUMULATOR_BITS

    def __post_init__(self) -> None:
        for name in ("units", "vector_units", "chain"):
            value = getattr(self, name)
            demand(f"number of {name}", value, int)
            if value < 1:
                raise InputError(f"number of {name} is at least 1, not {value}")
        kind = choose("element of an engine", self.element, ELEMENTS)
        if self.chain not in kind.chains:
            of = "" if kind.quantized else f" of {self.element}"
            raise InputError(f"groups of a chain{of} are {', '.join(map(str, kind.chains))}, not {self.chain}")
        demand("sparse", self.sparse, bool)
        if self.sparse and not kind.quantized:
            raise InputError(f"an engine of {self.element} has no multiplexers, so sparse is False, not True")
        demand("weight formats of an engine", self.weight_formats, tuple)
        for name in self.weight_formats:
            choose("weight format of an overlay", name, kind.formats)
        demand("accumulator bits of an engine", self.accumulator_bits, int)
        if self.longest_group < BLOCK or self.accumulator_bits > ACCUMULATOR_BITS:
            raise InputError(f"accumulators of an engine have 20 to {ACCUMULATOR_BITS} bits, not {self.accumulator_bits}")

    @property
    def longest_group(self) -> int:
        """Products whose sum an accumulator holds."""
        return (1 << max(0, self.accumulator_bits - 1)) // PRODUCT_MAX - 1

    @property
    def multipliers(self) -> int:
        """Multipliers of a vector unit."""
        return GROUP * self.chain

    @property
    def two_columns(self) -> bool:
        """Whether in ``mv`` the lanes are two columns: both are dense, and whole, so that their weights are side by side."""
        return self.quantized and not self.sparse and self.multipliers >= BLOCK

    def weights(self, mode: str) -> int:
        """Weights that a vector unit takes a cycle."""
        choose("mode of an engine", mode, MODES)
        return LANES * self.multipliers if mode == "mv" and self.two_columns else self.multipliers

    @property
    def total_multipliers(self) -> int:
        return self.units * self.vector_units * self.multipliers

    @property
    def dsps(self) -> int:
        """DSP slices of all vector units."""
        return self.total_multipliers * ELEMENTS[self.element].dsps

    @property
    def quantized(self) -> bool:
        """Whether operands are integers with scales, not fp16 numbers."""
        return ELEMENTS[self.element].quantized

    @property
    def width(self) -> int:
        """Products of a column's tree, of an engine of fp16 numbers."""
        return self.multipliers // BLOCK

    @property
    def segment(self) -> int:
        """Multipliers that a column has at the most."""
        return min(self.multipliers, BLOCK)

    @property
    def run(self) -> int:
        """Multipliers in cascade before the lanes are taken apart.

        Seven products of int8 x int8 fit a lane of 18 bits (:attr:`sim.pe.dsp_packed.DspPacked.run_length`), so 4, the largest
        part of a column that does. Products of shifts and additions have a tree instead and none in cascade.
        """
        if self.element != "dsp":
            return 1
        fits = DspPacked(FORMATS["int8"], FORMATS["int8"]).run_length
        return min(1 << (fits.bit_length() - 1), self.segment)

    @property
    def levels(self) -> int:
        """Levels of adders above the runs of a column."""
        return (self.segment // self.run).bit_length() - 1

    @property
    def latency(self) -> int:
        """From a group's last operands to its column 0 on the vector unit's port [cycle].

        Multiplexer; the slice and the cascade of a run, and its lanes taken apart, or products of shifts and additions; levels
        of adders; the way to the columns; their sums. Of fp16 numbers the product, the tree and the running sum.
        """
        if not self.quantized:
            return tree_latency(self.width)
        products = SLICE + self.run - 1 + SPLIT if self.element == "dsp" else PRODUCT
        return (SELECT if self.sparse else 0) + products + self.levels + ROUTE + ACCUMULATE

    @property
    def drain_cycles(self) -> int:
        """From a tile's last cycle to the last of its sums on the port [cycle]; the next tile may begin meanwhile."""
        return self.latency + (BLOCK - 1 if self.quantized else 0)

    def tokens(self, mode: str) -> int:
        """Tokens of a pass."""
        choose("mode of an engine", mode, MODES)
        return LANES * self.units if mode == "mm" else 1

    def column_blocks(self, mode: str) -> int:
        """Column blocks that are worked on side by side with weights of their own."""
        choose("mode of an engine", mode, MODES)
        return self.vector_units if mode == "mm" else self.units * self.vector_units

    def macs_per_cycle(self, mode: str) -> int:
        """Products that count, at most [1/cycle]; a pruned weight's is not among them."""
        return self.tokens(mode) * self.column_blocks(mode) * self.weights(mode)


def check_tile(engine: Engine, m: int, densities: NDArray[np.integer], mode: str, group_size: int) -> None:
    """Raise ``InputError`` for a tile that the engine does not take."""
    if not engine.quantized:
        raise InputError(f"blocks that keep some of their weights are those of integers, not of {engine.element}")
    choose("mode of an engine", mode, MODES)
    demand("tokens of a tile", m, int)
    demand("group size", group_size, int)
    if m < 1:
        raise InputError(f"tokens of a tile are at least 1, not {m}")
    if densities.ndim != 2 or 0 in densities.shape:
        raise InputError(f"densities of a tile have two axes of at least 1, not shape {densities.shape}")
    wrong = ~np.isin(densities, DENSITIES if engine.sparse else (BLOCK,))
    if wrong.any():
        allowed = ", ".join(map(str, DENSITIES)) if engine.sparse else f"{BLOCK} without multiplexers"
        raise InputError(f"weights that a column of a block keeps are {allowed}, not {int(densities[wrong][0])}")
    check_group(group_size, len(densities), engine.longest_group)


def check_group(group_size: int, blocks: int, longest: int = LONGEST_GROUP) -> None:
    """Raise ``InputError`` for groups along ``k`` of so many blocks that are not of whole blocks, or too long for a sum."""
    if group_size < 0 or group_size % BLOCK:
        above = max(1, -(-group_size // BLOCK)) * BLOCK
        raise InputError(
            f"group size of an engine is 0 for all of k or a multiple of {BLOCK} such as {above}, not {group_size}"
        )
    terms = group_size or blocks * BLOCK
    if terms > longest:
        raise InputError(f"a group has at most {longest} products, not {terms}")
