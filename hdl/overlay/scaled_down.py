"""The scaled-down accelerator of an overlay's design: a few of its vector units behind one port of memory."""

from collections.abc import Callable
from dataclasses import replace

from hdl.overlay.top import check_element, check_hardware, most_words
from hdl.overlay.walk import MOST_BLOCKS
from sim.errors import InputError
from sim.overlay.cells import FP16_BYTES, WORD, aligned
from sim.overlay.compiler.code import Code
from sim.overlay.compiler.compile import memory_map
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK

VECTOR_UNITS = 2

TOKENS = 16
"""Of the example's cache at the most; programs are of :data:`NEW` tokens."""

NEW = (1, 3)
"""A decode step and a prefill."""

STEPS = (("query", "codes", "query"), ("value", "codes", "value"), ("down", "up_codes", "branch"))
"""Products of the example: name, and the regions of operands and results."""

SIZES = tuple(1 << place for place in range(13))
"""[KiB] Of buffers."""


def example_decoder(design: OverlayDesign) -> Decoder:
    """A layer of a few groups along ``k``, of whose products two have biases."""
    size = design.group_size
    return Decoder("example", 1, 2 * size, 2, 1, size, 3 * size, 16, TOKENS, rotary=False, biases=("query", "down"))


def scaled_down(design: OverlayDesign) -> OverlayDesign:
    """What is generated of a design: its chain, element, multiplexers, formats and groups, and the least buffers that
    :func:`example_decoder` fits. Raises ``InputError`` where there is no such hardware."""
    check_element(design)
    small = replace(
        design, name=f"{design.name} scaled down", units=1, vector_units=VECTOR_UNITS, slots=2, queue=2, on_chip=True,
        clock_mhz=225, memory="hbm2_1800", channels=16, ports=1, port_bits=256, memory_gib=1, decode_step=TOKENS,
        prefill_step=TOKENS,
    )  # fmt: skip
    check_hardware(small)
    found, size = _with_buffers(small), design.group_size
    while not _has_room(found):
        size //= 2
        found = _with_buffers(replace(small, group_size=size))
    if size < design.group_size:
        raise InputError(
            f"the hardware of {small.name} has at most {MOST_BLOCKS} blocks along k in a sparse cell and "
            f"{most_words(small):,} words of memory, so group_size is at most {size}, not {design.group_size}"
        )
    return found


def example_words(design: OverlayDesign) -> int:
    """Words of the memory that hold the example's weights, and operands and results of the longest program."""
    where = memory_map(example_decoder(design), design, TOKENS)
    size, new = where.cache(0, False), max(NEW)
    for name, _, _ in STEPS:
        k, n = where.decoder.products[name]
        size += aligned(new * k) + aligned(new * FP16_BYTES) + aligned(new * n * FP16_BYTES)
    return 1 << (size // WORD - 1).bit_length()


def _has_room(design: OverlayDesign) -> bool:
    """Whether a word holds the densities of a sparse cell, and the memory the example."""
    cells = memory_map(example_decoder(design), design, TOKENS).cells
    longest = max(of.part for of in cells.values()) if design.is_sparse else 0
    return longest <= MOST_BLOCKS * BLOCK and example_words(design) <= most_words(design)


def _with_buffers(small: OverlayDesign) -> OverlayDesign:
    """With the least slots and the least activation buffer."""
    decoder = example_decoder(small)

    def with_slots(kib: int) -> OverlayDesign:
        return with_activations(SIZES[-1], replace(small, slot_kib=kib))  # a slot holds a head's keys too

    def with_activations(kib: int, slotted: OverlayDesign) -> OverlayDesign:
        fits = replace(slotted, activation_buffer_kib=kib)
        for new in NEW:
            Code(memory_map(decoder, fits, TOKENS), new, TOKENS)
        return fits

    slotted = _least(with_slots)
    return _least(lambda kib: with_activations(kib, slotted))


def sentence(small: OverlayDesign) -> str:
    """What was scaled down."""
    return (
        f"{small.name}: {small.units} unit of {small.vector_units} vector units with chains of {small.chain}, "
        f"{small.slots} slots of {small.slot_kib} KiB for weights, {small.activation_buffer_kib} KiB for activations, and a "
        "memory on the chip that behaves as one port of one off it; it executes LD, MM, MV, ST and SYS."
    )


def _least(fits: Callable[[int], OverlayDesign]) -> OverlayDesign:
    """With the smallest buffer that does. Raises ``InputError`` as it does with the largest."""
    for kib in SIZES[:-1]:
        try:
            return fits(kib)
        except InputError:
            continue
    return fits(SIZES[-1])
