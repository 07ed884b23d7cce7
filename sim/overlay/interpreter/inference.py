"""A decoder on an overlay, token after token: programs of the compiler on one memory."""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.overlay.cells import FP16_BYTES, Bytes
from sim.overlay.compiler.compile import compile_step, memory_map, padded_length
from sim.overlay.compiler.image import Parameters, image
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.interpreter.execute import execute
from sim.overlay.interpreter.machine import MEMORY, Machine
from sim.overlay.isa.encoding import Program

Halves = NDArray[np.float16]


class Inference:
    """A sequence of at most ``context`` tokens (default: the decoder's), of which ``length`` are there.

    Raises ``InputError`` for parameters that are not the decoder's on this design, and where memory or buffers are too small.
    """

    def __init__(self, decoder: Decoder, design: OverlayDesign, parameters: Parameters, context: int | None = None) -> None:
        self.decoder, self.design = decoder, design
        self.context = context or decoder.context
        self.where = memory_map(decoder, design, self.context)
        self.machine = Machine.of(design, image(self.where, parameters))
        self.length = 0
        self._programs: dict[tuple[int, int, bool], Program] = {}

    def append(self, rows: Halves) -> Halves:
        """Logits ``[vocabulary]`` of the last of more tokens, whose embeddings are ``rows [tokens, hidden]``.

        From multiples of ``prefill_step`` on many tokens are one program, else each token. Raises ``InputError`` for rows that
        are not such, or do not fit the context, and results that fp16 does not hold.
        """
        if rows.dtype != np.float16 or rows.ndim != 2 or rows.shape[1] != self.decoder.hidden or not len(rows):
            raise InputError(f"rows of tokens are fp16 [tokens, {self.decoder.hidden}], not {rows.dtype} {list(rows.shape)}")
        if self.length + len(rows) > self.context:
            raise InputError(f"tokens of a sequence are at most {self.context}, not {self.length + len(rows)}")
        while len(rows):
            step = self.design.prefill_step if len(rows) > 1 and self.length % self.design.prefill_step == 0 else 1
            # A step of a prefill that goes on finds no logits; what is not such a step has the code of decode.
            self._step(rows[:step], step, len(rows) <= step or step < self.design.prefill_step)
            rows = rows[step:]
        return self.logits()

    def put(self, rows: Halves, new: int) -> None:
        """Write rows for a program of ``new`` tokens, zeros behind them."""
        inputs = np.zeros((new, self.decoder.hidden), np.float16)
        inputs[: len(rows)] = rows
        self._bytes(self.where.inputs, inputs.nbytes)[:] = inputs.reshape(-1).view(np.uint8)

    def logits(self) -> Halves:
        """What the last program that has a head left."""
        return self._bytes(self.where.logits, self.decoder.vocabulary * FP16_BYTES).copy().view(np.float16)

    def _step(self, rows: Halves, new: int, logits: bool) -> None:
        length = self.length + len(rows)
        self.put(rows, new)
        execute(self._program(new, length, logits), self.machine, self.length, len(rows))
        self.length = length

    def _program(self, new: int, length: int, logits: bool) -> Program:
        key = new, padded_length(self.design, new, length), logits
        if key not in self._programs:
            self._programs[key] = compile_step(self.decoder, self.design, new, length, self.context, logits).program
        return self._programs[key]

    def _bytes(self, address: int, size: int) -> Bytes:
        return self.machine.bytes_of[MEMORY][address : address + size]
