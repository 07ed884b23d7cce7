"""MixPE's study of six accelerators (arXiv 2411.16158) in two readings: as published, and as stated.

**As published**: its rates as its released simulator applies them (github.com/yuzhang712/mixpe_simulator, configurations
``conf_*.ini``, layers ``bitfusion/src/benchmarks/*_bench.py``, counting in ``bitfusion/src/simulator/simulator.py``):

    cycles = ceil(m / (rows * rate)) * ceil(n / (columns * rate)) * k        rate = int(pmax / max(bits, pmin))

on both axes, and at least the DRAM's traffic at 1024 bit/cycle. Both operands have the layer's bits, results 16. So a
layer of 4 bits on PEs of 8 runs at four MACs per PE and cycle, and W4A8 is counted with activations of 4 bits.
Dequantization is a product more for each layer, at the widest bits: ``[m, k] x [k, n/8]`` before the MAC (also beside the
fp16 layers), ``[m, k/8] x [k/8, n/128]`` after the group. There is one token for each of 64 in a batch, and no attention;
the feed-forward network has two matrices of four times the hidden size, LLaMA's too; vision transformers begin with their
patches, all 196 of each image, which is more than half of ViT-B's cycles in FP16. The released simulator cuts layers into
tiles of powers of two; here there are no tiles, and each operand crosses the DRAM once.

**As stated**: the same layers on the same arrays as designs of this project (presets ``mixpe-study-*``): one MAC per PE
and cycle, operands of the widths that the designs are named for, scales and zero points counted, dequantization in the
columns' epilogues.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from sim.design import DesignPoint, load_design
from sim.errors import choose
from sim.operators import Product
from sim.schedule import run_product

BATCH = 64
GROUP_SIZE = 128
FEED_FORWARD = 4
"""Size of the feed-forward network over the hidden size."""
PATCH_SIZE = 3 * 16 * 16
PATCHES = 14 * 14
"""Positions of an image of 224 x 224 in patches of 16 x 16; the study has these for ViT-H too, which has 14 x 14."""

CLOCK_HZ = 500_000_000
DRAM_BITS_PER_CYCLE = 1024
RESULT_BITS = 16
"""``DRAM Write`` of ``results/mix_int_os.csv``: 64 x 2304 x 16 bit for the first layer of ViT-B."""

BEFORE_SHARE = Fraction(1, 8)
"""Columns of the product for dequantization before the MAC, over those of the layer."""
AFTER_K_SHARE = Fraction(1, 8)

Dequantization = Literal["before", "after"]
DEQUANTIZATIONS: dict[str, str] = {"before": "before the MAC, each weight", "after": "after the group, each sum"}


@dataclass(frozen=True)
class Model:
    """What the study takes of a model."""

    hidden: int
    layers: int
    has_patches: bool
    source: str


MODELS: dict[str, Model] = {
    "ViT-B": Model(768, 12, True, "Dosovitskiy et al., arXiv 2010.11929, table 1"),
    "ViT-H": Model(1280, 32, True, "Dosovitskiy et al., arXiv 2010.11929, table 1"),
    "OPT-6.7B": Model(4096, 32, False, "Zhang et al., arXiv 2205.01068, table 1"),
    "LLaMA-2-13B": Model(5120, 40, False, "Touvron et al., arXiv 2302.13971, table 2; the same in arXiv 2307.09288"),
}


@dataclass(frozen=True)
class Exceptions:
    """Parts of so large a share of the layers, rounded to whole layers, that have other bits."""

    parts: tuple[str, ...]
    share: Fraction
    bits: int


PARTS = ("qkv", "output", "up", "down")


@dataclass(frozen=True)
class StudyDesign:
    """One of the study's accelerators.

    ``pmax`` and ``pmin`` [bit]: what a PE multiplies once and most often a cycle; ``bits`` of layers as the released
    simulator counts them. Patches and dequantization have ``pmax``. ``formats``: for each number of bits the formats of
    weights and activations that are stated.
    """

    rows: int
    columns: int
    pmax: int
    pmin: int
    bits: int
    dequantization: Dequantization
    formats: Mapping[int, tuple[str, str]]
    exceptions: Exceptions = Exceptions((), Fraction(0), 0)

    @property
    def pes(self) -> int:
        return self.rows * self.columns

    def rate(self, bits: int) -> int:
        """MACs per PE and cycle along each axis, as published."""
        return self.pmax // max(bits, self.pmin)


INT8 = ("int8", "int8")
INT4 = ("int4", "int4")
STUDY: dict[str, StudyDesign] = {
    "FP16": StudyDesign(
        rows=32, columns=28, pmax=16, pmin=16, bits=16, dequantization="before", formats={16: ("fp16", "fp16")}
    ),
    "INT8": StudyDesign(rows=32, columns=32, pmax=8, pmin=4, bits=8, dequantization="before", formats={8: INT8}),
    "Bit Fusion": StudyDesign(
        rows=32,
        columns=40,
        pmax=8,
        pmin=4,
        bits=8,
        dequantization="before",
        formats={8: INT8, 4: INT4},
        exceptions=Exceptions(("output",), share=Fraction(1, 2), bits=4),
    ),
    "ANT": StudyDesign(
        rows=32,
        columns=32,
        pmax=8,
        pmin=4,
        bits=4,
        dequantization="before",
        formats={8: INT8, 4: INT4},
        exceptions=Exceptions(PARTS, share=Fraction(1, 5), bits=8),
    ),
    "W4A16": StudyDesign(
        rows=32,
        columns=32,
        pmax=16,
        pmin=8,
        bits=8,
        dequantization="after",
        formats={16: ("int8", "fp16"), 8: ("uint4", "fp16")},
    ),
    "W4A8": StudyDesign(
        rows=64, columns=64, pmax=8, pmin=4, bits=4, dequantization="after", formats={8: INT8, 4: ("uint4", "int8")}
    ),
}
"""Arrays and rates of ``conf_*.ini``, bits of ``*_bench.py``. A patch embedding has no group of 4-bit weights: as stated it has
8-bit ones on the same PEs, in W4A16 too."""

RELEASED_TIME: dict[str, dict[str, float]] = {
    "ViT-B": {"INT8": 0.82, "Bit Fusion": 0.70, "ANT": 0.61, "W4A16": 0.53, "W4A8": 0.15},
    "ViT-H": {"INT8": 0.82, "Bit Fusion": 0.67, "ANT": 0.47, "W4A16": 0.32, "W4A8": 0.12},
    "OPT-6.7B": {"INT8": 0.86, "Bit Fusion": 0.68, "ANT": 0.40, "W4A16": 0.19, "W4A8": 0.10},
    "LLaMA-2-13B": {"INT8": 0.86, "Bit Fusion": 0.68, "ANT": 0.40, "W4A16": 0.19, "W4A8": 0.10},
}
"""Time over that of FP16: the last results in the released ``results/mixpe_res.csv``, to two digits."""
EARLIER_RELEASED_TIME = {"OLAccel": 0.50, "W4A8": 0.19}
"""The same, means of four models, of the only earlier results in that file whose quotient is the abstract's 2.6."""
CLAIMED_SPEEDUP = 2.6
"""Over "the state-of-the-art quantization accelerators", abstract of arXiv 2411.16158."""


@dataclass(frozen=True)
class Gemm:
    """A product ``[m, k] x [k, n]`` of both operands at so many bits, as published, so many times."""

    part: str
    m: int
    k: int
    n: int
    bits: int
    times: int


def gemms(model: Model, design: StudyDesign) -> tuple[Gemm, ...]:
    """The products of a model on a design, without dequantization."""
    hidden, wide, rare = model.hidden, FEED_FORWARD * model.hidden, design.exceptions
    shapes = {"qkv": (hidden, 3 * hidden), "output": (hidden, hidden), "up": (hidden, wide), "down": (wide, hidden)}
    other = round(rare.share * model.layers)
    found = [Gemm("patches", BATCH * PATCHES, PATCH_SIZE, hidden, design.pmax, 1)] if model.has_patches else []
    for part, (k, n) in shapes.items():
        exceptional = other if part in rare.parts else 0
        found += [
            Gemm(part, BATCH, k, n, bits, times)
            for bits, times in ((design.bits, model.layers - exceptional), (rare.bits, exceptional))
            if times
        ]
    return tuple(found)


def dequantization_gemms(model: Model, design: StudyDesign, how: Dequantization) -> tuple[Gemm, ...]:
    """What dequantization is counted as, as published; patches have none."""
    choose("dequantization", how, DEQUANTIZATIONS)
    found = []
    for g in gemms(model, design):
        k, n = (g.k, g.n * BEFORE_SHARE) if how == "before" else (g.k * AFTER_K_SHARE, Fraction(g.n, GROUP_SIZE))
        if g.part != "patches":
            found.append(Gemm(g.part, g.m, int(k), int(n), design.pmax, g.times))
    return tuple(found)


def published_cycles(gemm: Gemm, design: StudyDesign) -> int:
    """Cycles of one product, as published: its rates as its released simulator applies them."""
    rate = design.rate(gemm.bits)
    tiles = -(-gemm.m // (design.rows * rate)) * -(-gemm.n // (design.columns * rate))
    traffic = (gemm.m * gemm.k + gemm.k * gemm.n) * gemm.bits + gemm.m * gemm.n * RESULT_BITS
    return max(tiles * gemm.k, -(-traffic // DRAM_BITS_PER_CYCLE))


def as_published(model: Model, design: StudyDesign, how: Dequantization | None = None) -> int:
    """Cycles of a model, as published; with the design's dequantization, or another."""
    all_gemms = gemms(model, design) + dequantization_gemms(model, design, how or design.dequantization)
    return sum(published_cycles(g, design) * g.times for g in all_gemms)


@dataclass(frozen=True)
class Stated:
    """Cycles of a model as stated, and those of them in which the array waits for memory."""

    cycles: int
    stall_cycles: int


def stated_design(name: str, bits: int) -> DesignPoint:
    """The study's design of that name as a design point, with the formats of layers that are published with so many bits."""
    weight, activation = choose("design of the study", name, STUDY).formats[bits]
    preset = load_design(f"mixpe-study-{name.lower().replace(' ', '')}")
    return replace(preset, weight_format=weight, activation_format=activation)


def as_stated(model: Model, name: str, rows: int | None = None, columns: int | None = None) -> Stated:
    """A model on the design of that name, or on an array of another size, by the schedule of this project."""
    design, cycles, stalls = choose("design of the study", name, STUDY), 0, 0
    for g in gemms(model, design):
        point = replace(stated_design(name, g.bits), rows=rows or design.rows, columns=columns or design.columns)
        run = run_product(point, Product(g.part, g.m, g.k, g.n))
        cycles += g.times * run.trace.cycles
        stalls += g.times * run.stall_cycles
    return Stated(cycles, stalls)


def scale_operations(model: Model, design: StudyDesign, how: Dequantization) -> int:
    """Multiplications by a scale: one for each weight, kept for all tokens, or one for each sum of a group."""
    choose("dequantization", how, DEQUANTIZATIONS)
    layers = [g for g in gemms(model, design) if g.part != "patches"]
    return sum(g.times * g.n * (g.k if how == "before" else g.m * -(-g.k // GROUP_SIZE)) for g in layers)


def moving_the_scale_published(model: Model, design: StudyDesign) -> float:
    """Cycles with dequantization before the MAC over those after the group, as published."""
    return as_published(model, design, "before") / as_published(model, design, "after")


def moving_the_scale_stated(model: Model, name: str) -> float:
    """The same as stated, if the PEs multiplied by the scales too, one a cycle each: an epilogue takes no cycles of theirs.

    Not a number for FP16, which has no scales.
    """
    if not stated_design(name, STUDY[name].bits).weight.is_integer:
        return math.nan
    design, cycles = STUDY[name], as_stated(model, name).cycles
    before, after = (cycles + -(-scale_operations(model, design, how) // design.pes) for how in ("before", "after"))
    return before / after
