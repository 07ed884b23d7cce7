"""Products without a multiplier: masked rows added in pairs, then pairs in pairs, each sum one carry chain."""

from collections.abc import Sequence

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned

from hdl.pe.term import register

Row = tuple[Value, bool]
"""A row, or a sum of rows, and whether it is subtracted."""


def add_rows(m: Module, rows: Sequence[Value], widths: Sequence[int], registered: bool, negative_last: bool = False) -> Value:
    """Sum of ``rows[b] << b`` by adders of these widths [bit]; the last row is subtracted if ``negative_last``.

    Rows are added in pairs ``(w0 ? a : 0) + ((w1 ? a : 0) << 1)``: both maskings fit into the look-up table in front of
    the carry chain, so a pair costs one chain. If ``registered``, pairs are added up a cycle after they were formed.
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
    """Each second term added to the one before it, so much higher, by the first of the adders; a lone one is left as it is.

    The lowest bits of the one before go around the adder. Written so, sums are no operands of sums, which Yosys would merge
    into one adder of many operands that is larger (``alumacc``, ``maccmap``).
    """
    pairs: list[Row] = []
    for (low, _), (high, negative) in zip(terms[::2], terms[1::2], strict=False):
        width, name = widths.pop(0), f"{shift}_{len(pairs)}"
        has_sign = low.shape().signed or high.shape().signed or negative
        upper = low[shift:].as_signed() if low.shape().signed else low[shift:]
        total = Signal(width - shift, name=f"upper_{name}")
        pair = Signal(signed(width) if has_sign else unsigned(width), name=f"pair_{name}")
        m.d.comb += [total.eq(upper - high if negative else upper + high), pair.eq(Cat(low[:shift], total))]
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


def without_signs(rows: Sequence[Value], negative_last: bool) -> list[Value]:
    """Unsigned rows with the same sum of ``rows[b] << b`` as these two's complement ones, the last subtracted or not.

    Signs would otherwise be extended over the upper bits of each adder (C. R. Baugh, B. A. Wooley, A two's complement
    parallel array multiplication algorithm, IEEE Trans. Computers C-22(12), 1973). A sign bit that is inverted makes a
    row ``half = 2**(bits - 1)`` greater. With another half in the first row, all but the last are together ``half << last``
    too great: as much as the last one is when it is subtracted. One that is added has a constant sign, ``2*half`` less.
    """
    if len(rows) == 1:
        return list(rows)
    first, *others = ((row[:-1], row[-1]) for row in rows)
    *middle, last = (Cat(low, ~sign) for low, sign in others)
    return [Cat(first[0], first[1], ~first[1]), *middle, last if negative_last else Cat(last, Const(1)).as_signed()]
