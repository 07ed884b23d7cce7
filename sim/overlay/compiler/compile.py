"""From a decoder and a design to programs: the code of one pass, shared by all lengths that its padding covers."""

from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.overlay.compiler.code import Code
from sim.overlay.compiler.layer import begin, finish, head, whole_layer
from sim.overlay.compiler.memory_map import MemoryMap
from sim.overlay.compiler.regions import Regions
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.isa.encoding import Program
from sim.overlay.isa.instructions import FIELDS, HEADER, OPCODES

MEMORY = [field.name for field in HEADER + FIELDS["LD"]].index("memory")
TRANSFERS = (OPCODES["LD"], OPCODES["ST"])

UNLIKE = 3
"""Periods of layers that are emitted: the first, before which there is none; one that is repeated; and the one behind it,
which shows what a period gives to the next, and how far its addresses lie from those of the one before."""


@dataclass(frozen=True)
class Compiled:
    """A program of ``new`` tokens with a cache padded to ``length``; ``steps`` names what each instruction belongs to, a number
    of ``names``, and ``layers`` its layer, -1 outside of them."""

    program: Program
    new: int
    length: int
    names: tuple[str, ...]
    steps: NDArray[np.int16]
    layers: NDArray[np.int16]


def compile_step(
    decoder: Decoder, design: OverlayDesign, new: int, length: int, context: int | None = None, logits: bool = True
) -> Compiled:
    """The code that computes ``new`` tokens, at the end of ``length`` of them, with a cache for ``context`` (default: the
    decoder's); of the new ones as many may be padding as lie behind ``length``. Without ``logits``, for a prefill that goes on,
    it ends behind the layers.

    Raises ``InputError`` for lengths that cannot be, and where memory or buffers are too small.
    """
    context = context or decoder.context
    if not 1 <= length <= context:
        raise InputError(f"length is between 1 and the context of {context} tokens, not {length}")
    padded = padded_length(design, new, length)
    if not 1 <= new <= padded:
        raise InputError(f"new tokens are between 1 and the padded length of {padded}, not {new}")
    code = Code(memory_map(decoder, design, context), new, padded)
    period = _period(code)
    if decoder.layers < (UNLIKE + 1) * period:
        return _compiled(code, list(range(decoder.layers)), logits)
    alike = decoder.layers // period - UNLIKE
    behind = decoder.layers - (2 + alike) * period
    layers = [*range(2 * period), *range(decoder.layers - behind, decoder.layers)]
    return _repeated(_compiled(code, layers, logits), period, alike)


def heads_together(decoder: Decoder, design: OverlayDesign, new: int, length: int) -> int:
    """Heads of keys of a tile, on which alone depends how many instructions the code of a length has.

    Raises ``InputError`` as :func:`compile_step` with a cache for that length.
    """
    return Code(memory_map(decoder, design, length), new, padded_length(design, new, length)).heads


def check_buffers(decoder: Decoder, design: OverlayDesign, longest: int) -> None:
    """Raise ``InputError`` where a buffer is too small for a decode or a prefill of up to so many tokens, with what will do."""
    ends = {new: padded_length(design, new, longest) for new in (1, design.prefill_step)}
    max((Regions(decoder, design, new, end, heads=1) for new, end in ends.items()), key=lambda regions: regions.end).check()
    new = max(ends, key=lambda new: ends[new])
    Code(memory_map(decoder, design, longest), new, ends[new])  # which holds the keys of so many tokens in a slot


def memory_map(decoder: Decoder, design: OverlayDesign, context: int) -> MemoryMap:
    """Where everything is for all programs of up to ``context`` tokens, which have room for the padding of any."""
    room = max(-(-context // step) * step for step in (design.decode_step, design.prefill_step))
    return MemoryMap(decoder, design, room)


def padded_length(design: OverlayDesign, new: int, length: int) -> int:
    """The length whose code a pass shares."""
    step = design.decode_step if new == 1 else design.prefill_step
    return -(-length // step) * step


def _period(code: Code) -> int:
    """Layers until the ring of slots is where it was."""
    d = code.decoder
    tiles = sum(len(cells.tiles(code.multiply)) for name, cells in code.map.cells.items() if name != "head")
    tiles += 2 * -(-d.kv_heads // code.heads)
    return code.design.slots // gcd(tiles, code.design.slots)


def _compiled(code: Code, layers: list[int], logits: bool) -> Compiled:
    """The code of these layers."""
    begin(code)
    starts = []
    for layer in layers:
        starts.append(len(code.emitter.rows))
        whole_layer(code, layer)
    end = len(code.emitter.rows)
    if logits:
        head(code)
    finish(code)
    steps = code.emitter.steps
    of_layer = np.full(len(steps), -1, np.int16)
    of_layer[starts[0] : end] = np.repeat(np.array(layers, np.int16), np.diff([*starts, end]))
    names = tuple(dict.fromkeys(steps))
    places = {name: number for number, name in enumerate(names)}
    of_step = np.array([places[step] for step in steps], np.int16)
    return Compiled(code.emitter.program(), code.new, code.length, names, of_step, of_layer)


def _repeated(code: Compiled, period: int, alike: int) -> Compiled:
    """With so many periods more behind the second one, like it but for addresses in the memory.

    What an address moves on by from layer to layer is seen between the second period and the one behind it.
    """
    second = np.flatnonzero((code.layers >= period) & (code.layers < 2 * period))
    third = second + len(second)
    numbers = code.program.numbers
    one, other = numbers[second], numbers[third]
    moved = (other - one)[:, MEMORY] * np.isin(one[:, 0], TRANSFERS)
    stride = moved // int(code.layers[third[0]] - period)
    copies = np.tile(one, (alike, 1))
    number = np.repeat(np.arange(1, alike + 1), len(second))
    copies[:, MEMORY] += number * period * np.tile(stride, alike)
    at = second[-1] + 1
    return Compiled(
        Program(np.concatenate([numbers[:at], copies, numbers[at:]])),
        code.new,
        code.length,
        code.names,
        np.concatenate([code.steps[:at], np.tile(code.steps[second], alike), code.steps[at:]]),
        np.concatenate(
            [code.layers[:at], (np.tile(code.layers[second], alike) + number * period).astype(np.int16), code.layers[at:]]
        ),
    )
