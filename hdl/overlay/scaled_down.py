"""The scaled-down accelerator of an overlay's design: a few of its vector units behind one port of memory."""

from collections.abc import Callable
from dataclasses import replace

from hdl.overlay.top import check_element, check_hardware
from hdl.overlay.walk import MOST_BLOCKS
from sim.errors import InputError
from sim.overlay.compiler.code import Code
from sim.overlay.compiler.compile import memory_map
from sim.overlay.compiler.memory_map import MemoryMap
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import BLOCK

VECTOR_UNITS = 2

TOKENS = 16
"""Of the example's cache at the most; programs are of :data:`NEW` tokens."""

NEW = (1, 3)
"""A decode step and a prefill."""

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
    decoder = example_decoder(small)

    def with_slots(kib: int) -> OverlayDesign:
        fits = replace(small, slot_kib=kib, activation_buffer_kib=SIZES[-1])
        for new in NEW:
            Code(memory_map(decoder, fits, TOKENS), new, TOKENS)  # a slot holds a head's keys too
        return fits

    def with_activations(kib: int) -> OverlayDesign:
        fits = replace(small, activation_buffer_kib=kib)
        for new in NEW:
            Code(memory_map(decoder, fits, TOKENS), new, TOKENS)
        return fits

    small = _least(with_slots)
    _check_cells(memory_map(decoder, small, TOKENS))
    return _least(with_activations)


def _check_cells(where: MemoryMap) -> None:
    """Raise ``InputError`` for sparse cells whose blocks have more densities than a word holds."""
    longest = max(cells.part for cells in where.cells.values())
    if where.design.is_sparse and longest > MOST_BLOCKS * BLOCK:
        size = where.design.group_size
        most = MOST_BLOCKS * BLOCK // (longest // size)
        raise InputError(
            f"sparse cells of an overlay's hardware have at most {MOST_BLOCKS} blocks along k, not {longest // BLOCK} as for "
            f"groups of {size}: group_size is at most {1 << most.bit_length() - 1}"
        )


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
