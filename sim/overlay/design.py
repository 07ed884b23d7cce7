"""An overlay's design: the one description that its arithmetic, code, cycles, hardware and cost are read from."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property

from sim.design import DesignPoint
from sim.errors import InputError, choose
from sim.fields import check_fields, check_known
from sim.formats.format import signed_bits
from sim.overlay.budget import check_mean
from sim.overlay.cells import FP16_BYTES, CellLayout
from sim.overlay.decoder import PRODUCTS
from sim.overlay.dequantizer import STORED
from sim.overlay.elements import ELEMENTS
from sim.overlay.engine import ACCUMULATOR_BITS, BLOCK, DENSITIES, LONGEST_GROUP, PRODUCT_MAX, Engine, check_group
from sim.overlay.isa.instructions import ADDRESS_BITS
from sim.overlay.memory import LATENCIES, Channels
from sim.overlay.presets import PRESETS
from sim.overlay.special.reduction import check_lanes
from sim.quantized import Scheme, weight_scheme
from sim.toml import read_fields


@dataclass(frozen=True)
class OverlayDesign:
    """A matrix engine, a special-function unit, two buffers and a memory on a board, led by instructions.

    ``device`` is a board's name. ``units`` to ``sparse`` are the engine's (:class:`sim.overlay.engine.Engine`). Weights are of
    ``weight_format``, those of products that ``formats`` names of another: pairs of names (:attr:`sim.overlay.decoder.Decoder.
    products`) and formats. Of 16 weights of a column ``kept`` are not pruned; with ``per_block`` each 16 x 16
    block has its own N, with the mean ``kept`` in each group (:mod:`sim.overlay.budget`). ``group_size`` is along the reduction
    axis. Where the ``element`` multiplies fp16 numbers, weights and the cache are such, without scales, and prompts go through
    token by token. The weight buffer holds ``slots`` tiles of ``slot_kib``. ``special_lanes`` numbers a cycle go through the
    special-function unit. The memory has ``channels`` behind ``ports`` of ``port_bits`` [bit/cycle] and ``memory_gib`` in all.
    ``queue`` instructions wait before each unit. With ``on_chip`` what is between products stays in the activation buffer,
    else each operator reads it from the memory and writes it there. Code is shared by lengths up to a multiple of
    ``decode_step`` or ``prefill_step`` tokens. Raises ``TypeError`` for a field of the wrong kind and ``InputError`` for a
    value that cannot be built.
    """

    name: str
    device: str = "u280"
    clock_mhz: int = 225
    units: int = 6
    vector_units: int = 64
    chain: int = 8
    element: str = "dsp"
    sparse: bool = True
    weight_format: str = "int4"
    formats: tuple[tuple[str, str], ...] = ()
    kept: int = 8
    per_block: bool = False
    group_size: int = 64
    slots: int = 4
    slot_kib: int = 2048
    activation_buffer_kib: int = 18_432
    special_lanes: int = 64
    memory: str = "hbm2_1800"
    channels: int = 16
    ports: int = 32
    port_bits: int = 256
    memory_gib: int = 8
    queue: int = 16
    on_chip: bool = True
    decode_step: int = 16
    prefill_step: int = 128

    def __post_init__(self) -> None:
        object.__setattr__(self, "formats", _pairs(self.formats))
        check_fields(self, "an overlay")
        choose("memory of an overlay", self.memory, LATENCIES)
        _ = self.engine, self.point, self.schemes
        check_group(self.group_size, 1)
        self._check_kept()
        if not self.quantized:
            self._check_halves()
        check_lanes(self.special_lanes)
        if (size := self.slots * self.slot_bytes) > 1 << ADDRESS_BITS:
            raise InputError(f"a buffer has at most {1 << ADDRESS_BITS - 20} MiB, not the {size >> 20} of the weight buffer")
        for name in dict.fromkeys((self.weight_format, *(format_ for _, format_ in self.formats))):
            CellLayout(STORED[name], BLOCK, self.kept, self.group_size, False)
        if self.slots < 2:
            raise InputError(f"slots of an overlay are at least 2, one to fill and one to read, not {self.slots}")

    def _check_kept(self) -> None:
        """Raise ``InputError`` for N that hardware does not have. More than half with indices would be more than all."""
        if self.per_block and not self.sparse:
            raise InputError("per_block of an overlay goes with multiplexers, so with sparse, which is not so of this one")
        of_all = DENSITIES[1:] if self.sparse else (BLOCK,)
        allowed = range(1, BLOCK // 2 + 1) if self.per_block else of_all
        if self.kept not in allowed:
            words = ", ".join(map(str, allowed)) if self.sparse else f"{BLOCK} without multiplexers"
            mean = ", which goes with per_block = true" if self.sparse and 1 <= self.kept <= BLOCK // 2 else ""
            raise InputError(f"kept of an overlay, of {BLOCK} weights, is {words}, not {self.kept}{mean}")
        check_mean(self.kept, self.budget_blocks)

    @cached_property
    def engine(self) -> Engine:
        """The matrix engine."""
        quantized = choose("element of an engine", self.element, ELEMENTS).quantized
        beside = ("int8",) if quantized else ()
        formats = dict.fromkeys((self.weight_format, *(format_ for _, format_ in self.formats), *beside))
        terms = max(BLOCK, self.group_size) if quantized else LONGEST_GROUP
        sums = min(signed_bits(0, terms * PRODUCT_MAX), ACCUMULATOR_BITS)
        return Engine(self.units, self.vector_units, self.chain, self.element, self.sparse, tuple(formats), sums)

    @cached_property
    def schemes(self) -> dict[str, Scheme]:
        """How weights are quantized, by their format; fp16 numbers are as they are."""
        if not self.quantized:
            return {name: Scheme(STORED[name]) for name in self.engine.weight_formats}
        return {name: weight_scheme(STORED[name], self.group_size) for name in self.engine.weight_formats}

    @cached_property
    def point(self) -> DesignPoint:
        """What a product is by the rules of :mod:`sim.kernels.product`: all weights are int8 when they are multiplied.

        Of fp16 numbers, whose sums :mod:`sim.overlay.tree` has, the formats alone.
        """
        point = DesignPoint(self.name, pe="multiplier", weight_format="int8", group_size=self.group_size)
        if self.quantized:
            return point
        return dataclasses.replace(point, weight_format="fp16", activation_format="fp16", accumulator="fp16")

    @cached_property
    def channels_off_chip(self) -> Channels:
        """The memory."""
        return Channels(self.memory, self.channels, self.ports, self.port_bits, self.clock_hz)

    @property
    def clock_hz(self) -> int:
        return self.clock_mhz * 1_000_000

    @property
    def quantized(self) -> bool:
        """Whether products are of integers with scales, not of fp16 numbers."""
        return self.engine.quantized

    @property
    def operand_bytes(self) -> int:
        """Of an activation that is multiplied, and of a number of the cache."""
        return 1 if self.quantized else FP16_BYTES

    @property
    def scale_bytes(self) -> int:
        """Of a row of activations, and of a token of a head of the cache."""
        return FP16_BYTES if self.quantized else 0

    @property
    def is_sparse(self) -> bool:
        """Whether weights are pruned."""
        return self.kept < BLOCK

    @property
    def budget_blocks(self) -> int:
        """Blocks along ``k`` whose N have the mean ``kept``."""
        return self.group_size // BLOCK if self.per_block else 1

    @property
    def slot_bytes(self) -> int:
        """Of a tile at the most."""
        return self.slot_kib * 1024

    @property
    def activation_bytes(self) -> int:
        """The activation buffer's."""
        return self.activation_buffer_kib * 1024

    @property
    def memory_bytes(self) -> int:
        """The memory's capacity."""
        return self.memory_gib << 30

    def _check_halves(self) -> None:
        """Raise ``InputError`` for what does not go with products of fp16 numbers."""
        if self.prefill_step != 1:
            raise InputError(f"an engine of {self.element} takes one token, so prefill_step is 1, not {self.prefill_step}")
        width = self.engine.width
        if self.group_size % width:
            raise InputError(f"group_size is so many whole trees of {width} products, such as {width}, not {self.group_size}")

    def format_of(self, product: str) -> str:
        """The format of a product's weights."""
        return dict(self.formats).get(product, self.weight_format)


def _pairs(formats: object) -> tuple[tuple[str, str], ...]:
    """Formats by product, of pairs or of a table. Raises ``InputError`` for anything else, and products that there are not."""
    given = formats.items() if isinstance(formats, dict) else formats
    try:
        pairs = tuple((name, format_) for name, format_ in given)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        pairs = ((None, None),)
    if not all(isinstance(word, str) for pair in pairs for word in pair) or isinstance(given, str):
        raise InputError(f"formats of an overlay are pairs of a product and a format, or a table of them, not {formats!r}")
    for name, _ in pairs:
        choose("product of an overlay", name, dict.fromkeys(PRODUCTS))
    return pairs


ALONE = {field.name for field in dataclasses.fields(OverlayDesign)} - {field.name for field in dataclasses.fields(DesignPoint)}
"""Fields that no other design has."""


def load_overlay(name_or_path: str | OverlayDesign) -> OverlayDesign:
    """The preset of that name, or the overlay that a TOML file of keyword arguments describes; an overlay as it is.

    Raises ``InputError`` when there is neither, or when the file holds something that cannot be built.
    """
    if isinstance(name_or_path, OverlayDesign):
        return name_or_path
    if name_or_path in PRESETS:
        return OverlayDesign(name=name_or_path, **PRESETS[name_or_path])
    fields = read_fields(name_or_path, PRESETS)
    try:
        because = next((name for name in fields if name in ALONE), "")
        check_known(fields, OverlayDesign, f"an overlay, for which a file is taken that has {because}")
        return OverlayDesign(**fields)
    except (InputError, TypeError) as error:
        raise InputError(f"design file {name_or_path!r}: {error}") from None


def is_overlay(name_or_path: object) -> bool:
    """Whether this names an overlay: a preset, or a TOML file with a field that no other design has."""
    if not isinstance(name_or_path, str) or name_or_path in PRESETS:
        return isinstance(name_or_path, OverlayDesign) or name_or_path in PRESETS
    if not name_or_path.endswith(".toml"):
        return False
    return bool(ALONE & read_fields(name_or_path, PRESETS).keys())
