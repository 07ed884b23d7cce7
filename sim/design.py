"""A design point: the one description that arithmetic, cycles, hardware and cost are read from."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from sim.array import DATAFLOWS, Dataflow
from sim.epilogue import LARGEST_EXACT
from sim.errors import InputError, choose
from sim.fields import check_fields, check_known
from sim.formats import FORMATS, Format, signed_bits
from sim.memory import MEMORIES, Dram, Scratchpad
from sim.overlay.presets import PRESETS as OVERLAYS
from sim.pe import PES, Element
from sim.quantized import SCALINGS, Scheme, activation_scheme, weight_scheme
from sim.toml import read_fields

FP32_BITS = 32
AS_WEIGHTS = "as_weights"
CACHE_KINDS = ("scores", "values")
"""Kinds of operators whose second operand is the KV cache."""


ORDERLESS = ("exact", "wrap")
"""Accumulators whose sum does not depend on the order of additions."""


@dataclass(frozen=True)
class DesignPoint:
    """An accelerator: an array of PEs with one group epilogue per column, a vector unit, three scratchpads and a DRAM.

    ``group_size`` is along the reduction axis; the last group of a row may be shorter. ``kv_format`` is that of the KV
    cache, by default the weights'. ``scaling`` says what scales operands have (:data:`sim.quantized.operands.SCALINGS`).
    ``double_buffered`` says whether a fold of the array begins before the one before it has ended (:mod:`sim.array`).
    ``pipeline`` says how many registers a PE has between its operands and its sum (:data:`sim.pe.element.REGISTERS`).
    Scratchpads have a size [KiB] and so many banks, each with ``bank_ports`` ports of ``bank_width`` [bit/cycle]: with two,
    one is the array's and one the DRAM's, else they share it. How scratchpads are filled is said in
    :mod:`sim.schedule.tiling`. The vector unit does an operation in each of ``vector_lanes`` a cycle and takes
    ``vector_latency`` cycles more for a pass. ``technology`` names the source of energies. Raises ``TypeError``
    for a field of the wrong kind and ``InputError`` for a value that cannot be built.
    """

    name: str
    pe: str = "shift_add"
    weight_format: str = "uint4"
    activation_format: str = "int8"
    kv_format: str = AS_WEIGHTS
    scaling: str = "fp16"
    accumulator: str = "exact"
    pipeline: int = 1
    group_size: int = 64
    rows: int = 32
    columns: int = 32
    dataflow: str = "output_stationary"
    double_buffered: bool = True
    weight_buffer_kib: int = 128
    activation_buffer_kib: int = 256
    output_buffer_kib: int = 128
    weight_buffer_banks: int = 16
    activation_buffer_banks: int = 16
    output_buffer_banks: int = 32
    bank_ports: int = 2
    bank_width: int = 64
    vector_lanes: int = 64
    vector_latency: int = 16
    memory: str = "hbm2"
    memory_channels: int = 2
    clock_mhz: int = 500
    technology: str = "45nm"

    def __post_init__(self) -> None:
        check_fields(self, "a design", unbounded=("pipeline",))
        choose("weight format", self.weight_format, FORMATS)
        choose("activation format", self.activation_format, FORMATS)
        choose("PE kind", self.pe, PES)
        choose("KV format", self.kv_format, {AS_WEIGHTS: self.weight, **FORMATS})
        choose("scaling", self.scaling, SCALINGS)
        choose("dataflow", self.dataflow, DATAFLOWS)
        choose("memory", self.memory, MEMORIES)
        if self.bank_ports > 2:
            raise InputError(f"bank_ports of a design is 1 or 2, not {self.bank_ports}")
        self.element.accumulator_bits(self.group_size)  # checks that the PE takes these formats, accumulator, pipeline
        _ = self.weight_scheme, self.activation_scheme  # checks that the formats have such scales
        if not self.activation.signed:
            raise InputError(f"activations are symmetric, so their format is signed, not {self.activation_format}")
        if not (self.array.keeps_order or self.element.accumulation.family in ORDERLESS):
            raise InputError(
                f"a {self.dataflow} array adds in another order than that of k, so its accumulator is "
                f"{' or '.join(ORDERLESS)}, not {self.accumulator}"
            )
        step = self._largest_corrected(1)
        if self.sums_are_integers and self.group_size * step > LARGEST_EXACT:
            largest = LARGEST_EXACT // step
            formats = f"{self.weight_format} x {self.activation_format}"
            raise InputError(f"group_size of {formats} is at most {largest}, not {self.group_size}")
        if self.kv_format != AS_WEIGHTS:
            try:
                dataclasses.replace(self, weight_format=self.kv_format, kv_format=AS_WEIGHTS)
            except InputError as error:
                raise InputError(f"kv_format is one that the PE takes as a weight: {error}") from None

    @property
    def weight(self) -> Format:
        return FORMATS[self.weight_format]

    @property
    def activation(self) -> Format:
        return FORMATS[self.activation_format]

    @cached_property
    def element(self) -> Element:
        """The PE of every place of the array."""
        return PES[self.pe](self.weight, self.activation, self.accumulator, self.pipeline)

    @cached_property
    def array(self) -> Dataflow:
        """How the array computes a product."""
        return DATAFLOWS[self.dataflow](self.rows, self.columns, self.group_size, self.double_buffered, self.element)

    def seen_by(self, kind: str, weight_format: str = "") -> "DesignPoint":
        """The design as an operator of that kind sees it (:mod:`sim.operators`), with weights of a format of its own or not."""
        if kind in CACHE_KINDS:
            return self.attention
        return self.with_weights(weight_format) if weight_format else self

    def with_weights(self, weight_format: str) -> "DesignPoint":
        """The design with another format of weights and the KV cache that it has."""
        return dataclasses.replace(self, weight_format=weight_format, kv_format=self.attention.weight_format)

    @cached_property
    def attention(self) -> "DesignPoint":
        """The design as products with the KV cache see it: the cache's format in the place of the weights'."""
        if self.kv_format == AS_WEIGHTS:
            return self
        return dataclasses.replace(self, weight_format=self.kv_format, kv_format=AS_WEIGHTS)

    @property
    def macs_per_cycle(self) -> Fraction:
        """Peak rate of the array [MAC/cycle]."""
        return self.rows * self.columns * self.element.macs_per_cycle

    @property
    def scratchpads(self) -> dict[str, Scratchpad]:
        """The three scratchpads by the operand that they hold."""
        return {
            name: Scratchpad(
                kib=getattr(self, f"{name}_buffer_kib"),
                banks=getattr(self, f"{name}_buffer_banks"),
                ports=self.bank_ports,
                width=self.bank_width,
            )
            for name in ("weight", "activation", "output")
        }

    @property
    def weight_scheme(self) -> Scheme:
        """How weights are quantized."""
        return weight_scheme(self.weight, self.group_size, self.scaling)

    @property
    def activation_scheme(self) -> Scheme:
        """How activations are quantized."""
        return activation_scheme(self.activation, self.group_size, self.scaling)

    @property
    def has_token_scales(self) -> bool:
        """Whether a result is multiplied by its token's scale at the end."""
        return any(level.per == "token" for level in self.activation_scheme.levels)

    @property
    def sums_are_integers(self) -> bool:
        """Whether a group's sum is an exact integer, which the epilogue takes up to 2**24; it rounds all others to fp32."""
        return self.weight.is_integer and self.activation.is_integer and self.accumulator == "exact"

    @property
    def dram(self) -> Dram:
        return MEMORIES[self.memory]

    @property
    def dram_bits_per_second(self) -> Fraction:
        """What all channels sustain [bit/s]."""
        return self.dram.sustained_bits_per_second * self.memory_channels

    @property
    def dram_bits_per_cycle(self) -> Fraction:
        """What all channels sustain [bit/cycle]."""
        return self.dram_bits_per_second / self.clock_hz

    @property
    def clock_hz(self) -> int:
        return self.clock_mhz * 1_000_000

    @property
    def has_zero_points(self) -> bool:
        """Whether the epilogue corrects sums by a zero point: with integer weights, though signed ones have it at zero."""
        return self.weight.is_integer and SCALINGS[self.scaling].has_zero_points

    @property
    def accumulator_bits(self) -> int:
        """Width [bit] of the accumulator: an exact one holds the sum of any ``group_size`` products."""
        return self.element.accumulator_bits(self.group_size)

    @property
    def pe_latency(self) -> int:
        """From a group's last operands at a PE to its sum [cycle]."""
        return self.element.sum_latency(self.group_size)

    @property
    def row_sums_are_integers(self) -> bool:
        """Whether the sum of a group's activations is exact; beside a float accumulator or ``aligned`` it is one of fp32."""
        return not (self.element.accumulation.is_float or self.element.accumulation.family == "aligned")

    @property
    def row_sum_bits(self) -> int:
        """Width [bit] of the sum of a group's activations: or that of fp32."""
        if not self.row_sums_are_integers:
            return FP32_BITS
        return signed_bits(self.group_size * self.activation.smallest, self.group_size * self.activation.largest)

    @property
    def zero_point_bits(self) -> int:
        """Width [bit] of a zero point, an unsigned number; symmetric weights have it at zero."""
        return self.weight.bits

    @property
    def corrected_bits(self) -> int:
        """Width [bit] of a group sum after the zero point's correction: exact where row sums are, else that of fp32."""
        if not self.has_zero_points:
            return self.accumulator_bits
        if not self.row_sums_are_integers:
            return FP32_BITS
        if self.accumulator == "exact":
            largest = self._largest_corrected(self.group_size)
            return signed_bits(-largest, largest)
        # A sum of given width may be any number of that width.
        offset = 0 if self.weight.signed else self._largest_corrected(self.group_size)
        return max(self.accumulator_bits, signed_bits(-offset, offset)) + 1

    def _largest_corrected(self, terms: int) -> int:
        return terms * self.weight.magnitude * self.activation.magnitude


PRESETS: dict[str, dict[str, Any]] = {
    "mixpe-w4a8": {"memory": "hbm2_peak"},
    "mixpe-w8a8": {"memory": "hbm2_peak", "weight_format": "uint8"},
    "mixpe-w3a8": {"memory": "hbm2_peak", "weight_format": "uint3"},
    "mixpe-w4a16": {"memory": "hbm2_peak", "activation_format": "int16", "group_size": 32},
    "mixpe-w4a8-ws": {"memory": "hbm2_peak", "dataflow": "weight_stationary"},
    "edge-w4a8": {
        "rows": 16,
        "columns": 16,
        "weight_buffer_kib": 64,
        "activation_buffer_kib": 64,
        "output_buffer_kib": 32,
        "memory": "lpddr4",
        "memory_channels": 4,
    },
    "mixpe-study-fp16": {
        "memory": "hbm2_peak",
        "group_size": 128,
        "pe": "multiplier",
        "weight_format": "fp16",
        "activation_format": "fp16",
        "accumulator": "fp32",
        "columns": 28,
    },
    "mixpe-study-int8": {"memory": "hbm2_peak", "group_size": 128, "pe": "multiplier", "weight_format": "int8"},
    "mixpe-study-bitfusion": {
        "memory": "hbm2_peak",
        "group_size": 128,
        "pe": "multiplier",
        "weight_format": "int8",
        "columns": 40,
    },
    "mixpe-study-ant": {
        "memory": "hbm2_peak",
        "group_size": 128,
        "pe": "multiplier",
        "weight_format": "int4",
        "activation_format": "int4",
    },
    "mixpe-study-w4a16": {
        "memory": "hbm2_peak",
        "group_size": 128,
        "pe": "shift_add_float",
        "activation_format": "fp16",
        "accumulator": "fp32",
    },
    "mixpe-study-w4a8": {"memory": "hbm2_peak", "group_size": 128, "rows": 64, "columns": 64},
}
"""Named designs. ``mixpe-*``: clock, buffers and 1024 bit/cycle of DRAM as in MixPE's study (arXiv 2411.16158),
on a 32x32 array at one MAC per PE and cycle. ``mixpe-study-*``: the study's six designs on arrays of its sizes, also at one
MAC per PE and cycle; Bit Fusion and ANT in the formats of most of their layers (:mod:`reports.mixpe`)."""


def load_design(name_or_path: str | DesignPoint) -> DesignPoint:
    """The preset of that name, or the design that a TOML file of keyword arguments describes; a design as it is.

    Raises ``InputError`` when there is neither, or when the file holds something that cannot be built.
    """
    from sim.overlay.design import is_overlay  # here, for an overlay has a design point of its own

    if isinstance(name_or_path, DesignPoint):
        return name_or_path
    if name_or_path in PRESETS:
        return DesignPoint(name=name_or_path, **PRESETS[name_or_path])
    if is_overlay(name_or_path):
        raise InputError(
            f"{name_or_path} is an overlay, which simulate (in Python simulate_overlay), generate and fit take alone"
        )
    fields = read_fields(name_or_path, {**PRESETS, **OVERLAYS})
    with of_file(name_or_path):
        check_known(fields, DesignPoint, "an array's design, for which a file without fields that only overlays have is taken")
        try:
            return DesignPoint(**fields)
        except TypeError as error:
            raise InputError(str(error)) from None


@contextmanager
def of_file(name_or_path: str | DesignPoint) -> Iterator[None]:
    """Have an ``InputError`` about a design name the TOML file that it came from, if it came from one."""
    try:
        yield
    except InputError as error:
        if isinstance(name_or_path, DesignPoint) or name_or_path in PRESETS:
            raise
        raise InputError(f"design file {name_or_path!r}: {error}") from None
