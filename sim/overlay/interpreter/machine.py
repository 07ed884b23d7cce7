"""What a program works on: bytes of the memory and of both buffers, and the sums that the engine holds."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from sim.errors import InputError, demand
from sim.overlay.cells import Bytes
from sim.overlay.design import OverlayDesign
from sim.quantized.blocks import N

MEMORY, WEIGHT, ACTIVATION = "memory", "weight buffer", "activation buffer"


@dataclass
class Machine:
    """An overlay at work: ``bytes_of`` each place; ``held`` sums ``[heads, m, n]``, if the engine holds any: fp32, of fp16
    numbers fp16."""

    design: OverlayDesign
    bytes_of: dict[str, Bytes]
    held: NDArray[np.floating] | None = None

    @staticmethod
    def of(design: OverlayDesign, memory: Bytes) -> "Machine":
        """With that memory, which it changes, and empty buffers. Raises ``TypeError`` for what is no array of bytes."""
        demand("memory", memory, np.ndarray)
        if memory.dtype != np.uint8 or memory.ndim != 1 or not memory.flags.c_contiguous:
            raise TypeError(f"memory is a row of uint8, not {memory.dtype} of shape {memory.shape}")
        buffers = {WEIGHT: design.slots * design.slot_bytes, ACTIVATION: design.activation_bytes}
        return Machine(design, {MEMORY: memory} | {name: np.zeros(size, np.uint8) for name, size in buffers.items()})

    def runs(self, place: str, address: int, size: int, counts: tuple[int, ...] = (), pitches: tuple[int, ...] = ()) -> Bytes:
        """A view ``[*counts, size]`` of runs of ``size`` bytes, along each axis ``pitches`` apart.

        Raises ``InputError`` for sizes of 0 and bytes that are not there.
        """
        if min(size, *counts, size) < 1:
            raise InputError(f"sizes are at least 1, not {min(size, *counts, size)}")
        own = self.bytes_of[place]
        end = address + sum((count - 1) * pitch for count, pitch in zip(counts, pitches, strict=True)) + size
        if end > len(own):
            raise InputError(f"the {place} has {len(own):,} bytes, so the last one used is not at {end - 1:,}")
        return as_strided(own[address:], (*counts, size), (*pitches, 1))

    def read(self, place: str, address: int, shape: tuple[int, ...], kind: type[N]) -> NDArray[N]:
        """Numbers of one ``kind``, one behind the other."""
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        return self.runs(place, address, size).view(kind).reshape(shape).copy()

    def halves(self, address: int, counts: tuple[int, ...], pitches: tuple[int, ...], length: int) -> NDArray[np.float16]:
        """Rows ``[*counts, length]`` of fp16 in the activation buffer."""
        return self.runs(ACTIVATION, address, 2 * length, counts, pitches).copy().view(np.float16)

    def write(self, address: int, numbers: NDArray[np.generic]) -> int:
        """Numbers one behind the other into the activation buffer; returns the address behind the last."""
        given = np.ascontiguousarray(numbers).reshape(-1).view(np.uint8)
        self.runs(ACTIVATION, address, len(given))[:] = given
        return address + len(given)
