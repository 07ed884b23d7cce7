"""Products without a multiplier: masked rows added in pairs, then pairs in pairs, each sum one carry chain."""

from collections.abc import Sequence

from amaranth import Module, Mux, Signal, Value, signed, unsigned

from hdl.pe.term import register

Row = tuple[Value, bool]
"""A row, or a sum of rows, and whether it is subtracted."""


def add_rows(m: Module, rows: Sequence[Value], widths: Sequence[int], registered: bool, negative_last: bool = False) -> Value:
    """Sum of ``rows[b] << b`` by adders of these widths [bit]; the last row is subtracted if ``negative_last``.

    Rows are added in pairs ``(w0 ? a : 0) + ((w1 ? a : 0) << 1)``: both maskings fit into the look-up table in front of
    the carry chain, so a pair costs one chain. The sums are kept as named nets because Yosys otherwise merges the
    chains into one multi-operand adder that is larger (``alumacc``, ``maccmap``). If ``registered``, pairs are added up a
    cycle after they were formed.
    """
    remaining = list(widths)
    terms = _paired(m, [(row, negative_last and b == len(rows) - 1) for b, row in enumerate(rows)], remaining, 1)
    if registered:
        terms = [(register(m, f"partial_{index}", term), negative) for index, (term, negative) in enumerate(terms)]
    shift = 2
    while len(terms) > 1:
        terms = _paired(m, terms, remaining, shift)
        shift *= 2
    product, negative = terms[0]
    return -product if negative else product


def _paired(m: Module, terms: Sequence[Row], widths: list[int], shift: int) -> list[Row]:
    """Each second term added to the one before it, so much higher, by the first of the adders; a lone one is left as it is."""
    pairs: list[Row] = []
    for (low, _), (high, negative) in zip(terms[::2], terms[1::2], strict=False):
        width = widths.pop(0)
        shape = signed(width) if low.shape().signed else unsigned(width)
        pair = Signal(shape, name=f"pair_{shift}_{len(pairs)}", attrs={"keep": 1})
        m.d.comb += pair.eq(low - (high << shift) if negative else low + (high << shift))
        pairs.append((pair, False))
    return [*pairs, *terms[len(pairs) * 2 :]]


def masked_rows(m: Module, selectors: Value, number: Value) -> list[Signal]:
    """For each bit of ``selectors`` the number, or zero."""
    rows = []
    for bit in range(len(selectors)):
        row = Signal(number.shape(), name=f"row_{bit}")
        m.d.comb += row.eq(Mux(selectors[bit], number, 0))
        rows.append(row)
    return rows
