"""Instructions as numbers, bytes and text."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.isa import FIELDS, HEADER, OPCODES, UNIT_OF, UNITS, Program, assemble, decode, disassemble, encode
from sim.overlay.isa.encoding import BYTES, names_of
from sim.overlay.isa.instructions import COLUMNS, INSTRUCTION_BITS

SEED = 5


def _random_program(count: int = 200) -> Program:
    """Every opcode, each field anything between its extremes, which come up often."""
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    numbers = np.zeros((count, COLUMNS), np.int64)
    for row in numbers:
        name = str(rng.choice(list(OPCODES)))
        row[0] = OPCODES[name]
        for column, field in enumerate((HEADER + FIELDS[name])[1:], 1):
            names = names_of(name, field.name)
            top = (1 << field.bits if names is None else len(names)) - 1
            row[column] = rng.choice([0, top, rng.integers(0, top + 1)])
    return Program(numbers)


def test_words_are_those_of_the_documented_layout() -> None:
    """Lowest bits by hand: 0 of the opcode, then 4, 9, 14, 16, 43, 83, 111, 127."""
    program = assemble("LD wait=engine signal=special buffer=activation address=3 memory=0xabcdef0123 size=5 runs=6 pitch=7")
    word = 1 | 0b00100 << 4 | 0b01000 << 9 | 1 << 14 | 3 << 16 | 0xABCDEF0123 << 43 | 5 << 83 | 6 << 111 | 7 << 127
    assert encode(program) == word.to_bytes(32, "little")


@pytest.mark.parametrize("opcode", OPCODES)
def test_fields_fit_a_word_and_its_unit_is_one(opcode: str) -> None:
    assert sum(field.bits for field in HEADER + FIELDS[opcode]) <= INSTRUCTION_BITS
    assert len({field.name for field in HEADER + FIELDS[opcode]}) == len(HEADER + FIELDS[opcode])
    assert UNIT_OF[opcode] in UNITS


def test_bytes_and_text_give_the_program_back() -> None:
    program = _random_program()
    assert np.array_equal(decode(encode(program)).numbers, program.numbers)
    assert np.array_equal(assemble(disassemble(program)).numbers, program.numbers)
    assert program.size == len(encode(program)) == len(program) * BYTES


def test_an_empty_program_is_one() -> None:
    assert len(decode(b"")) == len(assemble("# nothing\n\n")) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("LOAD size=1", "line 1: unknown opcode 'LOAD'"),
        ("SYS operation=end\nLD length=1", "line 2: unknown field of LD 'length'"),
        ("MV wait=loads", "line 1: unknown unit 'loads'"),
        ("LD size=many", "line 1: size is a number, decimal or behind 0x, not 'many'"),
        ("LD runs=65536", "line 1: runs is between 0 and 65535, not 65536"),
        ("MM m=99999999999999999999999999", "line 1: m is between 0 and 16383, not 99999999999999999999999999"),
        (f"MM m=0x{'f' * 5000}", "line 1: m is between 0 and 16383, not 0xfff"),
        ("# c\n\nMM m=-1", "line 3: m is between 0 and 16383, not -1"),
        ("MISC operation=sine", "line 1: unknown operation 'sine'"),
        ("LD size=-1", "line 1: size is between 0 and 268435455, not -1"),
        ("LD wait=load,load", "line 1: wait names each unit once, not 'load,load'"),
        ("LD size=1 size=1", "line 1: size is given once, not again as 'size=1'"),
        ("LD wait=load wait=store", "line 1: wait is given once, not again as 'wait=store'"),
        ("SYS end extra", "line 1: fields of SYS are given as name=value, not 'end'"),
    ],
)
def test_text_that_is_no_program_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        assemble(text)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\0" * 33, "whole instructions of 32 bytes, not 33 bytes"),
        (b"\x0f" + b"\0" * 31, "opcode of instruction 0 is one of 0 to 5, not 15"),
        (b"\0" * 31 + b"\x01", "bits of instruction 0 behind its fields are 0"),
        ((0 | 9 << 14).to_bytes(32, "little"), "operation of instruction 0, SYS, is between 0 and 1, not 9"),
    ],
)
def test_bytes_that_are_no_program_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        decode(data)
