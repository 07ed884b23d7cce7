"""What a component is fed and what must come out, cycle by cycle, as a file that a Verilog test bench reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth import Shape
from amaranth.lib import wiring
from numpy.typing import NDArray

from hdl.arithmetic.ieee import FP32

RESET = "rst"
"""The reset of the module under test is an input like any other."""


DRAWN_BITS = 62
"""[bit] Of a random number that numpy draws at once."""

COUNT_BYTES = 8
"""[byte] The number of words at the beginning of a file."""


@dataclass(frozen=True)
class Vectors:
    """Bits of each port ``[cycle]`` as integers of any sign, and in which cycles an output is checked (all, if not said).

    Cycle 0 is the first one after power-up; the outputs of a cycle are those before the rising edge that ends it.
    Inputs that are not given are zero.
    """

    inputs: Mapping[str, NDArray[Any]]
    outputs: Mapping[str, NDArray[Any]]
    checked: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def cycles(self) -> int:
        return max(len(values) for values in (*self.inputs.values(), *self.outputs.values()))

    def until(self, cycles: int) -> "Vectors":
        """Their first cycles."""
        ports = ({name: values[:cycles] for name, values in of.items()} for of in (self.inputs, self.outputs, self.checked))
        return Vectors(*ports)

    def file(self, component: wiring.Component) -> bytes:
        """What the test bench reads: the number of words in eight bytes, and the words."""
        words = self.words(component)
        return len(words).to_bytes(COUNT_BYTES, "big") + words.tobytes()

    def words(self, component: wiring.Component) -> NDArray[np.uint8]:
        """Bytes ``[cycle, word]``, the highest bit first: inputs lowest, then outputs, then a bit for each that is checked."""
        columns = []
        for name, width in input_widths(component).items():
            columns.append(_bits(self.inputs.get(name, np.zeros(self.cycles, dtype=np.int64)), width))
        names = list(output_widths(component))
        known = [name for name in names if name in self.outputs]
        for name, width in output_widths(component).items():
            columns.append(_bits(self.outputs.get(name, np.zeros(self.cycles, dtype=np.int64)), width))
        everywhere = {name: np.full(self.cycles, name in known) for name in names}
        checked = {**everywhere, **self.checked}
        columns.append(np.stack([checked[name] for name in names], axis=1).astype(np.uint8))
        bits = np.concatenate(columns, axis=1)
        padding = np.zeros((len(bits), -bits.shape[1] % 8), dtype=np.uint8)
        return np.packbits(np.concatenate([bits, padding], axis=1)[:, ::-1], axis=1)


def followed(first: Vectors, cycles: int, then: Vectors) -> Vectors:
    """The first cycles of one, in the last of which a reset loses what is on its way, and the other from its beginning.

    Both have the same ports.
    """

    def joined(before: Mapping[str, NDArray[Any]], after: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return {name: np.concatenate([before[name][:cycles], values]) for name, values in after.items()}

    def inputs(vectors: Vectors) -> dict[str, NDArray[Any]]:
        return {RESET: np.zeros(vectors.cycles, dtype=np.int64), **vectors.inputs}

    given = joined(inputs(first), inputs(then))
    given[RESET][cycles - 1] = 1
    return Vectors(given, joined(first.outputs, then.outputs), joined(first.checked, then.checked))


def restarted(vectors: Vectors, cut: int, again: int) -> Vectors:
    """The same, and a reset; its first ``cut`` cycles, with a reset in the last; then its first ``again``."""
    return followed(vectors, vectors.cycles, followed(vectors, cut, vectors.until(again)))


def noise(rng: np.random.Generator, bits: int, count: int) -> NDArray[Any]:
    """Any numbers of so many bits; Python's integers where 64 bits are too narrow."""
    low = rng.integers(1 << min(bits, DRAWN_BITS), size=count)
    return low if bits <= DRAWN_BITS else low + (noise(rng, bits - DRAWN_BITS, count).astype(object) << DRAWN_BITS)


def fp32_bits(results: NDArray[np.float32]) -> NDArray[np.int64]:
    """Bits of results; those of NaN, which IEEE 754 leaves open and numpy takes from the machine, are the hardware's."""
    bits = np.ascontiguousarray(results, np.float32).view(np.uint32).astype(np.int64)
    return np.where(np.isnan(results), FP32.nan, bits)


def input_widths(component: wiring.Component) -> dict[str, int]:
    """Width [bit] of a component's inputs, reset first."""
    return {RESET: 1, **_widths(component, wiring.In)}


def output_widths(component: wiring.Component) -> dict[str, int]:
    """Width [bit] of a component's outputs."""
    return _widths(component, wiring.Out)


def _widths(component: wiring.Component, flow: wiring.Flow) -> dict[str, int]:
    members = component.signature.members.items()
    return {name: Shape.cast(member.shape).width for name, member in members if member.flow == flow}


def _bits(values: NDArray[Any], width: int) -> NDArray[np.uint8]:
    """Bits ``[cycle, width]`` of numbers, the lowest first."""
    if values.dtype == object or width > 64:
        size = -(-width // 8)
        mask = (1 << width) - 1
        data = b"".join((int(value) & mask).to_bytes(size, "little") for value in values)
        octets = np.frombuffer(data, dtype=np.uint8).reshape(len(values), size)
    else:
        octets = np.ascontiguousarray(values.astype(np.int64)[:, None]).view(np.uint8)
    return np.unpackbits(octets, axis=1, bitorder="little")[:, :width]
