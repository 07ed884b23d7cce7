"""The memories of an accelerator on an FPGA, and how many blocks they take there by width and depth."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sim.accelerator.depths import depths, result_depth, word_bits
from sim.design import DesignPoint
from sim.epilogue import OUTPUT_BITS

HALVES = 2
"""A stream fills one half of a memory while the array reads the other."""

BRAM36_SHAPES = ((512, 72), (1024, 36), (2048, 18), (4096, 9), (8192, 4), (16_384, 2), (32_768, 1))
"""Words and bits of a block RAM of 36 Kbit with a port to write and one to read (AMD UG573, chapter 1)."""

EBR_SHAPES = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16_384, 1))
"""The same of a block RAM of 18 Kbit of an ECP5 (``PDPW16KD`` and ``DP16KD`` in brams_16kd.txt of Yosys)."""

URAM_WORDS, URAM_BITS = 4096, 72
"""Of an UltraRAM block, which has no other shape (AMD UG573, chapter 2)."""

LUTRAM_WORDS, LUTRAM_BITS, LUTRAM_SITES = 64, 7, 8
"""Of ``RAM64M8``, the distributed memory of a slice with a port to write and one to read (AMD UG974)."""


@dataclass(frozen=True)
class Memory:
    """``count`` memories of ``depth`` words of ``width`` [bit]; ``distributed`` if a word is read in the cycle of its address,
    which no block RAM does."""

    width: int
    depth: int
    count: int = 1
    distributed: bool = False

    @property
    def bram36(self) -> int:
        """Block RAMs of 36 Kbit of UltraScale+."""
        return self._blocks(BRAM36_SHAPES)

    @property
    def uram(self) -> int:
        """UltraRAM blocks."""
        return self._blocks(((URAM_WORDS, URAM_BITS),))

    @property
    def ebr(self) -> int:
        """Block RAMs of an ECP5."""
        return self._blocks(EBR_SHAPES)

    def _blocks(self, shapes: tuple[tuple[int, int], ...]) -> int:
        """Blocks of one shape, that of which fewest are needed."""
        if self.distributed:
            return 0
        return self.count * min(-(-self.width // bits) * -(-self.depth // words) for words, bits in shapes)

    @property
    def lut_sites(self) -> int:
        """LUT sites of a distributed memory."""
        blocks = -(-self.width // LUTRAM_BITS) * -(-self.depth // LUTRAM_WORDS)
        return self.count * blocks * LUTRAM_SITES if self.distributed else 0


def memories(design: DesignPoint) -> dict[str, Memory]:
    """The memories of the generated accelerator by name, both halves of each in one.

    Operands have a memory as wide as their word, results one for each column. Where weights stay, totals between folds have
    memories of their own that are read without delay. Raises ``InputError`` as :func:`sim.accelerator.depths.depths` does.
    """
    bits, room = word_bits(design), depths(design)
    operands = ("weight", "scale", "activation", "token_scale")
    found = {name: Memory(bits[name], HALVES * getattr(room, name)) for name in operands}
    found["result"] = Memory(bits["result"] // design.columns, HALVES * room.result, design.columns)
    if not design.array.keeps_sums:
        rows = max(2, result_depth(design))
        found["epilogue_totals"] = Memory(OUTPUT_BITS, rows, design.columns, distributed=True)
        if design.group_size > design.rows:
            found["foot_totals"] = Memory(design.accumulator_bits, rows, design.columns, distributed=True)
            if design.has_zero_points:
                found["row_sum_foot_totals"] = Memory(design.row_sum_bits, rows, distributed=True)
    return found


@dataclass(frozen=True)
class Blocks:
    """What memories take in all."""

    bram36: int
    uram: int
    lut_sites: int


def blocks(found: Mapping[str, Memory], bram36: float = math.inf, uram: int = 0) -> Blocks:
    """Blocks for all memories on a device with so many: each, the largest first, where the greater share stays free."""
    taken = {"bram36": 0, "uram": 0}
    room = {"bram36": bram36, "uram": uram}

    def share(kind: str, memory: Memory) -> float:
        wanted = taken[kind] + getattr(memory, kind)
        return wanted / room[kind] if room[kind] else math.inf

    for memory in sorted(found.values(), key=lambda memory: -memory.count * memory.width * memory.depth):
        kind = "uram" if share("uram", memory) < share("bram36", memory) else "bram36"
        taken[kind] += getattr(memory, kind)
    return Blocks(taken["bram36"], taken["uram"], sum(memory.lut_sites for memory in found.values()))
