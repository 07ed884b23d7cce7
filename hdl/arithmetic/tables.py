"""Formats as tables in plain Verilog, written from their values: what decoders and products are proved equal to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sim.formats import Format

SHORT = 256
"""Entries of a table that are written one by one."""


@dataclass(frozen=True)
class Factors:
    """Verilog expressions of a code's value ``number * 2**place`` and of whether it has one; functions that they call."""

    number: str
    place: str = "1'b0"
    known: str = "1'b1"
    functions: str = ""


def number_bits(format_: Format) -> int:
    """Width [bit] of the number in :func:`factors`."""
    return format_.bits + 1 if format_.is_integer else format_.significand_bits + 1


def factors(prefix: str, format_: Format, code: str) -> Factors:
    """Integers are numbers themselves; other values come from a table, as short numbers and powers of two."""
    if format_.is_integer:
        return Factors(f"$signed({code})" if format_.signed else f"$signed({{1'b0, {code}}})")
    rows = list(runs([value or 0 for value in format_.values]))
    place_bits = max(row.place for row in rows).bit_length() + 1
    functions = (
        table(f"{prefix}_number", format_.bits, number_bits(format_), rows)
        + table(f"{prefix}_place", format_.bits, place_bits, [Run(r.start, r.count, r.place, 0, 0) for r in rows])
        + table(f"{prefix}_known", format_.bits, 2, list(runs([int(value is not None) for value in format_.values])))
    )
    return Factors(f"{prefix}_number({code})", f"$unsigned({prefix}_place({code}))", f"{prefix}_known({code})", functions)


@dataclass(frozen=True)
class Run:
    """Values ``(number + i * step) * 2**place`` of ``count`` codes from ``start``."""

    start: int
    count: int
    number: int
    step: int
    place: int


def runs(entries: Sequence[int], start: int = 0, count: int | None = None) -> Iterator[Run]:
    """Aligned runs of entries that grow by one step; of short tables each entry is one.

    A table of 65536 entries is more than Yosys takes as cases.
    """
    count = len(entries) if count is None else count
    step = entries[start + 1] - entries[start] if count > 1 else 0
    linear = len(entries) > SHORT and all(entries[i + 1] - entries[i] == step for i in range(start, start + count - 1))
    if count == 1 or linear:
        both = abs(entries[start]) | abs(step)
        place = (both & -both).bit_length() - 1 if both else 0
        yield Run(start, count, entries[start] >> place, step >> place, place)
        return
    yield from runs(entries, start, count // 2)
    yield from runs(entries, start + count // 2, count // 2)


def table(name: str, code_bits: int, width: int, rows: Sequence[Run]) -> str:
    """A function of a code that looks up a signed number of ``width`` [bit] by cases."""
    lines = []
    for row in rows:
        low = row.count.bit_length() - 1
        pattern = format(row.start >> low, f"0{code_bits - low}b") * (low < code_bits) + "?" * low
        number = f"{width}'h{row.number & (1 << width) - 1:x}"
        steps = f" + {width}'h{row.step & (1 << width) - 1:x} * code[{low - 1}:0]" if row.step else ""
        lines.append(f"    {code_bits}'b{pattern}: {name} = {number}{steps};")
    head = f"  function signed [{width - 1}:0] {name}(input [{code_bits - 1}:0] code);\n    casez (code)\n"
    return head + "\n".join(lines) + "\n    endcase\n  endfunction\n"
