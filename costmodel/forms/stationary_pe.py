"""Form of processing elements that hold a weight: that of the others, but for multipliers and sums of two powers.

A multiplier has few terms, those of the rows that Yosys adds up: what it saves beside, in circuits of ten look-up tables,
follows no width, and many terms would guess it from few rows.
"""

from collections.abc import Mapping
from dataclasses import replace

from costmodel.forms.form import Term
from costmodel.forms.pe import PE, activation_bits, is_of_powers
from sim.design import DesignPoint


def _is_by_weight(design: DesignPoint) -> bool:
    """Whether rows are those of the weight's bits, which is the narrower operand.

    Operands are signed: a weight without sign has one bit more, which is zero.
    """
    return design.weight.bits + (not design.weight.signed) < design.activation.bits


def _row_bits(design: DesignPoint) -> int:
    return design.activation.bits if _is_by_weight(design) else design.weight.bits


def _compressed_bits(design: DesignPoint) -> int:
    """Bits of carry-save adders: there is one for each row but two, which a carry chain adds."""
    rows = design.weight.bits if _is_by_weight(design) else design.activation.bits
    return max(0, rows - 2) * _row_bits(design)


def _subtracted_bits(design: DesignPoint) -> int:
    """Bits of the row of a sign, which is subtracted."""
    return _row_bits(design) if design.weight.signed or not _is_by_weight(design) else 0


def _of(is_multiplier: bool, term: Term) -> Term:
    """A term of multipliers alone, or of all others."""
    return lambda design: term(design) if (design.pe == "multiplier") is is_multiplier else 0


SHARED = ("sum bits", "partial register bits", "product register bits")
"""Terms of all kinds of PE."""

OTHERS: Mapping[str, Term] = {
    **PE.terms,
    "shifted bits": lambda design: 0 if is_of_powers(design, 2) else PE.terms["shifted bits"](design),
    "activation bits": activation_bits,
}
"""Of all but multipliers. Bits of activations and products say of sums of two powers what those of shifted products would."""

MULTIPLIER: Mapping[str, Term] = {
    "bits of a row": _row_bits,
    "compressed bits": _compressed_bits,
    "bits of the subtracted row": _subtracted_bits,
}

STATIONARY_PE = replace(
    PE,
    terms={
        **{name: term if name in SHARED else _of(False, term) for name, term in OTHERS.items()},
        **{name: _of(True, term) for name, term in MULTIPLIER.items()},
    },
)
