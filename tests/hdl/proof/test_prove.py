"""Products and decoders proved for all inputs, by a solver, against plain Verilog."""

import dataclasses
from itertools import groupby

import pytest
from amaranth import Module, Value

from hdl.arithmetic.tables import factors
from hdl.decoder import DECODERS, has_fields
from hdl.pe import shift_add
from hdl.pe.element import PRODUCTS
from hdl.pe.term import Term
from hdl.proof.claims import Claim, decoder_claim, elements, product_claim
from hdl.proof.prove import ProofError, prove
from sim.formats import FORMATS
from sim.pe import PES, Element
from sim.pe.fields import minifloat_fields

CODES_8 = [f for f in FORMATS.values() if f.bits <= 8]
DECODED = {**dict.fromkeys(("table", "logic"), CODES_8), "fields": list(filter(has_fields, FORMATS.values()))}
QUICK = [
    "uint1",
    "uint8",
    "int2",
    "int8",
    "bipolar3",
    "e2m1",
    "e2m3",
    "ocp_e4m3",
    "ocp_e5m2",
    "e8m0",
    "pot4",
    "apot5",
    "log4",
    "nf4",
]
MINIFLOATS = [f for f in CODES_8 if f.bits >= 3 and minifloat_fields(f)]
ALL = [
    (f"{kind}-{weight}", list(group))
    for kind in PRODUCTS
    for weight, group in groupby(elements(kind), key=lambda element: element.weight.name)
]


def claim(kind: str, weight: str, activation: str) -> Claim:
    return product_claim(PES[kind](FORMATS[weight], FORMATS[activation]))


@pytest.mark.parametrize("kind", DECODERS)
def test_decoders_are_tables_of_their_formats(kind: str) -> None:
    claims = [decoder_claim(f, kind) for f in DECODED[kind] if f.name in QUICK]
    assert prove(claims) == len(claims) == {"table": 14, "logic": 14, "fields": 10}[kind]


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", DECODERS)
def test_every_decoder_is_the_table_of_its_format(kind: str) -> None:
    claims = [decoder_claim(f, kind) for f in DECODED[kind]]
    # uint1..8, int2..8, bipolar1..4, 24 e<E>m<M>, two of OCP, e8m0, pot2..6, three apot, log3..6, nf4 twice make 60.
    # Fields: without planes, apot5 and 7 (apot3 has one power), log and nf4, but with uint16, int16, fp16 and bf16.
    assert prove(claims) == len(claims) == {"table": 60, "logic": 60, "fields": 60 - 4 - 2 - 4 - 2 + 4}[kind]


def test_products_of_integers_are_those_of_verilog() -> None:
    # One row, pairs, and a row above pairs that is added or subtracted.
    pairs = [("uint1", "int8"), ("uint4", "int8"), ("uint3", "int4"), ("uint5", "int6")]
    pairs += [("int2", "int8"), ("int3", "int2"), ("int4", "int8"), ("int5", "int6")]
    planes = [(f"bipolar{count}", "int5") for count in (1, 2, 3, 4)]
    claims = [claim("shift_add", *pair) for pair in (*pairs, *planes)]
    # One digit, an upper digit of one bit with and without a sign, three digits times two.
    fused = [("uint1", "int2"), ("int3", "int4"), ("uint5", "int4"), ("int6", "int3"), ("uint4", "int8"), ("int8", "int4")]
    claims += [claim("fused", *pair) for pair in fused]
    claims += [claim("multiplier", "int4", "int4"), claim("multiplier", "uint3", "int5")]
    claims += [claim("shift_only", weight, "int6") for weight in ("pot4", "pot6", "apot5", "e2m1")]
    assert prove(claims) == len(claims)


def test_products_of_minifloats_are_those_of_their_tables() -> None:
    claims = [claim("minifloat", f.name, f.name) for f in MINIFLOATS if f.bits <= 5]
    claims += [claim("minifloat", "ocp_e4m3", "ocp_e5m2"), claim("minifloat", "e2m1", "ocp_e4m3")]
    claims += [claim("mixed", *pair) for pair in (("int4", "ocp_e4m3"), ("e2m1", "int8"), ("uint3", "e3m2"), ("e3m0", "int4"))]
    assert prove(claims) == len(claims)


def test_a_wrong_product_is_refuted_by_operands(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong_for_one_pair(m: Module, element: Element, weight: Value, activation: Value) -> Term:
        right = shift_add.product(m, element, weight, activation)
        return Term(right.significand ^ ((weight == 0x5) & (activation == 0xB3)))

    monkeypatch.setitem(PRODUCTS, "shift_add", wrong_for_one_pair)
    # 5 * -77 = -385, whose last bit is the one that is inverted.
    with pytest.raises(ProofError, match=r"^shift_add_uint4_int8: of weight 0x5, activation 0xb3 .* -386 \* 2\*\*0, not -385 "):
        prove([claim("shift_add", "uint4", "int8")])


def test_a_wrong_table_is_refuted() -> None:
    """The hardware of one format against the table of another that differs in a single code."""
    plain = FORMATS["e4m3"]
    # 1.875 * 2**8 = 480 is 480 * 2**9 units of 2**-9, which is 15 * 2**14; the largest number of OCP's type is 448.
    assert plain.lsb == -9 and plain.values[0x7F] == 480 << 9
    wrong = dataclasses.replace(plain, values=(*plain.values[:0x7F], 448 << 9, *plain.values[0x80:]))
    with pytest.raises(ProofError, match=r"of code 0x7f the hardware makes 15 \* 2\*\*14, not 7 \* 2\*\*15"):
        prove([dataclasses.replace(decoder_claim(plain, "fields"), expected=factors("c", wrong, "code"))])


@pytest.mark.exhaustive
@pytest.mark.parametrize("claimed", [group for _, group in ALL], ids=[name for name, _ in ALL])
def test_every_product_of_up_to_8_by_8_bits(claimed: list[Element]) -> None:
    claims = [product_claim(element) for element in claimed]
    assert prove(claims) >= len(claims)
