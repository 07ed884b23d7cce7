"""Codes taken apart into sign, significand and exponent, and the product of two such."""

from dataclasses import dataclass

from amaranth import Cat, Module, Mux, Signal, Value

from hdl.pe.rows import add_rows, masked_rows
from hdl.pe.term import Term
from sim.pe import Element
from sim.pe.fields import Fields, row_adders


@dataclass(frozen=True)
class Parts:
    """A number ``(-1)**negative * significand * 2**(exponent + lsb)``; no exponent if all numbers have the same."""

    negative: Value | None
    significand: Value
    exponent: Value | None


def split(m: Module, name: str, fields: Fields, code: Value) -> Parts:
    """Sign, significand and exponent of a code: of an integer its magnitude, of a minifloat with the hidden one."""
    significand = Signal(fields.significand_bits, name=f"{name}_significand")
    negative = code[-1] if fields.signed else None
    if not fields.exponent_bits:
        m.d.comb += significand.eq(code if negative is None else Mux(negative, -code, code))
        return Parts(negative, significand, None)
    mantissa_bits = fields.bits - 1 - fields.exponent_bits
    field = code[mantissa_bits:-1]
    normal = Signal(name=f"{name}_normal")
    exponent = Signal(fields.exponent_bits, name=f"{name}_exponent")
    # Subnormals have the exponent of field 1, and exponents count from there.
    m.d.comb += [
        normal.eq(field.any()),
        significand.eq(Cat(code[:mantissa_bits], normal)),
        exponent.eq(field - normal),
    ]
    return Parts(negative, significand, exponent)


def product(m: Module, element: Element, weight: Value, activation: Value) -> Term:
    """Signs differ or not, significands are shifted and added, exponents are added."""
    w, a = (split(m, name, f, code) for name, f, code in zip(("w", "a"), element.fields, (weight, activation), strict=True))
    rows = masked_rows(m, w.significand, a.significand)
    bits = len(w.significand), len(a.significand)
    registered = "partial" in element.registers
    term = combine(w, a, add_rows(m, rows, row_adders(*bits), registered))
    return term.registered(m, "partial", ("negative", "exponent")) if registered else term


def combine(w: Parts, a: Parts, significand: Value) -> Term:
    """The product's sign and exponent beside its significand."""
    signs = [p.negative for p in (w, a) if p.negative is not None]
    exponents = [p.exponent for p in (w, a) if p.exponent is not None]
    return Term(
        significand,
        negative=signs[0] ^ signs[1] if len(signs) == 2 else signs[0],
        exponent=exponents[0] + exponents[1] if len(exponents) == 2 else exponents[0] if exponents else None,
    )
