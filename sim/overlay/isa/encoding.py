"""Programs as numbers and as bytes: an instruction is a word of 256 bit, its fields one after the other from the lowest bit."""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.overlay.isa.instructions import (
    BUFFERS,
    COLUMNS,
    FIELDS,
    HEADER,
    INSTRUCTION_BITS,
    LAYOUTS,
    OPCODES,
    SPECIAL,
    SYSTEM,
    Field,
)

BYTES = INSTRUCTION_BITS // 8

WORD = 64

NAMED = {
    "buffer": BUFFERS,
    "layout": LAYOUTS,
    ("MISC", "operation"): SPECIAL,
    ("SYS", "operation"): SYSTEM,
}
"""Fields whose numbers have names."""

NAMES = tuple(OPCODES)


@dataclass(frozen=True, eq=False)
class Program:
    """Instructions ``[count, COLUMNS]``: opcode, wait, signal and the fields of :data:`sim.overlay.isa.FIELDS`, else zeros.

    Raises ``InputError`` for an opcode, a name's number or a field that there is not.
    """

    numbers: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.numbers.ndim != 2 or self.numbers.shape[1] != COLUMNS:
            raise InputError(f"a program has {COLUMNS} numbers for each instruction, not shape {self.numbers.shape}")
        opcodes = self.numbers[:, 0]
        if (bad := np.flatnonzero((opcodes < 0) | (opcodes >= len(NAMES)))).size:
            raise InputError(f"opcode of instruction {bad[0]} is one of 0 to {len(NAMES) - 1}, not {opcodes[bad[0]]}")
        for number, name in enumerate(NAMES):
            at = np.flatnonzero(opcodes == number)
            for column, field in enumerate(HEADER + FIELDS[name]):
                self._check(at, name, column, field)
            rest = self.numbers[at, len(HEADER + FIELDS[name]) :]
            if rest.any():
                raise InputError(f"instruction {at[rest.any(axis=1)][0]} has no fields beyond those of {name}")

    def _check(self, at: NDArray[np.int64], name: str, column: int, field: Field) -> None:
        values = self.numbers[at, column]
        names = names_of(name, field.name)
        limit = (1 << field.bits) if names is None else len(names)
        if (bad := np.flatnonzero((values < 0) | (values >= limit))).size:
            place, value = at[bad[0]], values[bad[0]]
            raise InputError(f"{field.name} of instruction {place}, {name}, is between 0 and {limit - 1}, not {value}")

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def size(self) -> int:
        """Storage [byte]."""
        return len(self) * BYTES

    def column(self, opcode: str, field: str) -> NDArray[np.int64]:
        """A field of all instructions of that opcode, in order."""
        place = [f.name for f in HEADER + FIELDS[opcode]].index(field)
        found: NDArray[np.int64] = self.numbers[self.numbers[:, 0] == OPCODES[opcode], place]
        return found


def names_of(opcode: str, field: str) -> tuple[str, ...] | None:
    """What the numbers of a field are called; ``None`` of plain numbers."""
    return NAMED.get(field, NAMED.get((opcode, field)))


def encode(program: Program) -> bytes:
    """The program's words, little-endian."""
    words = np.zeros((len(program), INSTRUCTION_BITS // WORD), np.uint64)
    for name, number in OPCODES.items():
        at = np.flatnonzero(program.numbers[:, 0] == number)
        for column, (field, low) in enumerate(_placed(name)):
            value = program.numbers[at, column].astype(np.uint64)
            word, shift = divmod(low, WORD)
            words[at, word] |= value << np.uint64(shift)
            if shift + field.bits > WORD:
                words[at, word + 1] |= value >> np.uint64(WORD - shift)
    return words.astype("<u8").tobytes()


def decode(data: bytes) -> Program:
    """The program of these words. Raises ``InputError`` for what :func:`encode` does not make of any program."""
    if len(data) % BYTES:
        raise InputError(f"a program has whole instructions of {BYTES} bytes, not {len(data)} bytes")
    words = np.frombuffer(data, "<u8").reshape(-1, INSTRUCTION_BITS // WORD)
    numbers = np.zeros((len(words), COLUMNS), np.int64)
    numbers[:, 0] = words[:, 0] & np.uint64((1 << HEADER[0].bits) - 1)
    for name, number in OPCODES.items():
        at = np.flatnonzero(numbers[:, 0] == number)
        for column, (field, low) in enumerate(_placed(name)):
            word, shift = divmod(low, WORD)
            value = words[at, word] >> np.uint64(shift)
            if shift + field.bits > WORD:
                value |= words[at, word + 1] << np.uint64(WORD - shift)
            numbers[at, column] = value & np.uint64((1 << field.bits) - 1)
    program = Program(numbers)
    if encode(program) != data:
        bad = next(i for i in range(len(words)) if encode(Program(numbers[i : i + 1])) != data[i * BYTES : (i + 1) * BYTES])
        raise InputError(
            f"bits of instruction {bad} behind its fields are 0, which is not so of {data[bad * BYTES :][:BYTES].hex()}"
        )
    return program


def _placed(opcode: str) -> list[tuple[Field, int]]:
    """Fields with their lowest bits."""
    fields: tuple[Field, ...] = HEADER + FIELDS[opcode]
    lows = accumulate((field.bits for field in fields), initial=0)
    return list(zip(fields, lows, strict=False))
