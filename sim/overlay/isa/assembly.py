"""Programs as text: a line for each instruction, its opcode and the fields that are not zero.

    LD signal=engine buffer=weight address=0 memory=0x1000 size=2048 runs=1
    MV wait=load,special weights=0 source=0x40 target=0x2000 m=1 k=256 n=16 layout=dense

What is behind ``#`` is a comment.
"""

from collections.abc import Iterator

import numpy as np

from sim.errors import InputError, choose
from sim.overlay.isa.encoding import NAMES, Program, names_of
from sim.overlay.isa.instructions import COLUMNS, FIELDS, HEADER, OPCODES, UNITS, Field

MASKS = ("wait", "signal")


def assemble(text: str) -> Program:
    """The program of a text. Raises ``InputError`` with the line's number for what is no instruction."""
    numbers = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            try:
                numbers.append(_parsed(words))
            except InputError as error:
                raise InputError(f"line {number}: {error}") from None
    return Program(np.array(numbers, np.int64).reshape(-1, COLUMNS))


def disassemble(program: Program) -> str:
    """The text of a program, of which :func:`assemble` makes the same program."""
    return "".join(f"{line}\n" for line in _lines(program))


def _parsed(words: list[str]) -> list[int]:
    opcode, *rest = words
    choose("opcode", opcode, OPCODES)
    fields = {field.name: (place, field) for place, field in enumerate(HEADER + FIELDS[opcode]) if place}
    numbers = [OPCODES[opcode]] + [0] * (COLUMNS - 1)
    given = set()
    for word in rest:
        name, equals, value = word.partition("=")
        if not equals:
            raise InputError(f"fields of {opcode} are given as name=value, not {word!r}")
        place, field = choose(f"field of {opcode}", name, fields)
        if name in given:
            raise InputError(f"{name} is given once, not again as {word!r}")
        given.add(name)
        numbers[place] = _number(opcode, field, value)
    return numbers


def _number(opcode: str, field: Field, value: str) -> int:
    name = field.name
    if name in MASKS:
        return _mask(name, value)
    names = names_of(opcode, name)
    if names is not None:
        return names.index(choose(name, value, dict.fromkeys(names, value)))
    try:
        number = int(value, 0)
    except ValueError:
        raise InputError(f"{name} is a number, decimal or behind 0x, not {value!r}") from None
    if not 0 <= number < 1 << field.bits:
        raise InputError(f"{name} is between 0 and {(1 << field.bits) - 1}, not {value}")
    return number


def _mask(name: str, value: str) -> int:
    units = [choose("unit", unit, dict.fromkeys(UNITS, unit)) for unit in value.split(",")]
    if len(set(units)) < len(units):
        raise InputError(f"{name} names each unit once, not {value!r}")
    return sum(1 << UNITS.index(unit) for unit in units)


def _lines(program: Program) -> Iterator[str]:
    for row in program.numbers.tolist():
        opcode = NAMES[row[0]]
        words = [opcode]
        for value, field in zip(row[1:], (HEADER + FIELDS[opcode])[1:], strict=False):
            names = names_of(opcode, field.name)
            if field.name in MASKS:
                if value:
                    words.append(f"{field.name}={','.join(unit for i, unit in enumerate(UNITS) if value >> i & 1)}")
            elif names is not None:
                words.append(f"{field.name}={names[value]}")
            elif value:
                words.append(f"{field.name}={value if value < 1 << 16 else hex(value)}")
        yield " ".join(words)
