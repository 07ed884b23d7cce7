"""Products and decoders proved for all inputs, by a solver, against plain Verilog."""

import dataclasses
from itertools import groupby

import pytest
from amaranth import Module, Value

from hdl.claims import Claim, decoder_claim, elements, product_claim
from hdl.pe import shift_add
from hdl.pe.element import PRODUCTS
from hdl.pe.term import Term
from hdl.prove import ProofError, prove
from hdl.tables import factors
from sim.formats import FORMATS
from sim.pe import PES, Element
from sim.pe.fields import integer_fields, minifloat_fields

DECODED = [f for f in FORMATS.values() if f.bits <= 8 and (integer_fields(f) or minifloat_fields(f))]
FLOATS_16 = [FORMATS["fp16"], FORMATS["bf16"]]
MINIFLOATS = [f for f in DECODED if f.bits >= 3 and minifloat_fields(f)]
ALL = [
    (f"{kind}-{weight}", list(group))
    for kind in PRODUCTS
    for weight, group in groupby(elements(kind), key=lambda element: element.weight.name)
]


def claim(kind: str, weight: str, activation: str) -> Claim:
    return product_claim(PES[kind](FORMATS[weight], FORMATS[activation]))


def test_every_decoder_is_the_table_of_its_format() -> None:
    assert len(DECODED) == 15 + len(MINIFLOATS) == 15 + 27  # uint1..8, int2..8; of 3 to 8 bits 24 e<E>m<M>, two of OCP, pot3
    assert prove([decoder_claim(format_) for format_ in (*DECODED, *FLOATS_16)]) == 44


def test_products_of_integers_are_those_of_verilog() -> None:
    pairs = [("uint1", "int8"), ("uint4", "int8"), ("int2", "int8"), ("int3", "int2"), ("int4", "int8"), ("int5", "int6")]
    planes = [(f"bipolar{count}", "int5") for count in (1, 2, 3, 4)]
    claims = [claim("shift_add", *pair) for pair in (*pairs, *planes)]
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
        prove([dataclasses.replace(decoder_claim(plain), expected=factors("c", wrong, "code"))])


@pytest.mark.exhaustive
@pytest.mark.parametrize("claimed", [group for _, group in ALL], ids=[name for name, _ in ALL])
def test_every_product_of_up_to_8_by_8_bits(claimed: list[Element]) -> None:
    claims = [product_claim(element) for element in claimed]
    assert prove(claims) >= len(claims)
