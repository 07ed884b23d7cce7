"""What a component is fed and what must come out, cycle by cycle, as a file that a Verilog test bench reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth import Shape
from amaranth.lib import wiring
from numpy.typing import NDArray

RESET = "rst"
"""The reset of the module under test is an input like any other."""


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


def restarted(vectors: Vectors, cut: int, again: int) -> Vectors:
    """The same; its first ``cut`` cycles, in the last of which a reset loses what is on its way; then its first ``again``.

    The same ends with a reset too.
    """

    def extended(values: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([values, values[:cut], values[:again]])

    resets = np.zeros(vectors.cycles, dtype=np.int64) if RESET not in vectors.inputs else vectors.inputs[RESET]
    resets = extended(resets)
    resets[[vectors.cycles - 1, vectors.cycles + cut - 1]] = 1
    inputs = {**{name: extended(values) for name, values in vectors.inputs.items()}, RESET: resets}
    outputs = {name: extended(values) for name, values in vectors.outputs.items()}
    return Vectors(inputs, outputs, {name: extended(values) for name, values in vectors.checked.items()})


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
