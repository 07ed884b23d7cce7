"""Code of many lengths of a sequence: how large it is, and how long its decode steps take."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sim.overlay.compiler import compile_step, heads_together, padded_length
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.isa.encoding import BYTES
from sim.overlay.timing import simulate


def decode_cycles(decoder: Decoder, design: OverlayDesign, first: int, last: int) -> NDArray[np.int64]:
    """Cycles of each decode step from length ``first`` to ``last``: those that share code are computed once."""
    found = {}
    context = padded_length(design, 1, last)
    cycles = np.empty(last - first + 1, np.int64)
    for place, length in enumerate(range(first, last + 1)):
        padded = padded_length(design, 1, length)
        if padded not in found:
            code = compile_step(decoder, design, 1, length, context)
            found[padded] = simulate(code.program, design).cycles
        cycles[place] = found[padded]
    return cycles


@lru_cache
def storage(decoder: Decoder, design: OverlayDesign, longest: int) -> dict[str, int]:
    """Instructions [byte] for every prefill and decode step up to ``longest`` tokens: with code of its own for each length of
    each, and with code that lengths share. A prefill's step has code with logits and, where one may follow, without. Tokens of
    a prompt that go through one by one have the code of decode steps, and that without logits."""
    known: dict[tuple[int, int, bool], int] = {}

    def size(new: int, length: int, logits: bool = True) -> int:
        alike = new, heads_together(replace(decoder, layers=1), design, new, length), logits
        if alike not in known:
            known[alike] = _size(decoder, design, new, length, logits)
        return known[alike]

    step = design.prefill_step
    decode = {end: size(1, end) for end in _ends(design.decode_step, longest)}
    if step == 1:
        alone = {end: size(1, end, logits=False) for end in decode}
        each = sum(of[padded_length(design, 1, length)] for of in (decode, alone) for length in range(1, longest + 1))
        return {"each_length": each, "shared": sum(decode.values()) + sum(alone.values())}
    last, going_on = ([size(step, end, logits) for end in _ends(step, longest)] for logits in (True, False))
    each = sum(decode[padded_length(design, 1, length)] for length in range(1, longest + 1))
    whole = np.cumsum([0, *going_on])[:-1] + last
    each += sum(int(whole[-(-length // step) - 1]) for length in range(1, longest + 1))
    return {"each_length": each, "shared": sum(decode.values()) + sum(last) + sum(going_on[:-1])}


def _ends(step: int, longest: int) -> range:
    return range(step, longest + step, step)


def _size(decoder: Decoder, design: OverlayDesign, new: int, length: int, logits: bool) -> int:
    """Of a program [byte]: every layer has as many instructions as any other."""
    one, two = (
        len(compile_step(replace(decoder, layers=layers), design, new, length, max(decoder.context, length), logits).program)
        for layers in (1, 2)
    )
    return (one + (decoder.layers - 1) * (two - one)) * BYTES
