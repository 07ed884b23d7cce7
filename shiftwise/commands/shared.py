"""What commands share: their options, and how they print a table."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Design = Annotated[str, typer.Option(help="A preset's name (see `shiftwise list`) or a TOML file with the fields of a design.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout instead of tables.")]
Out = Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")]


def figure(cell: Any) -> str:
    """A cell with a float in four digits."""
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def count(number: float | None) -> str:
    """How many there are of something, where that is known."""
    return "not known" if number is None else f"{number:,.0f}"


def print_table(header: Any, rows: Any) -> None:
    """A table on stdout; where that is no terminal each row is one line, which ends with its last cell."""
    heads, cells = [str(name) for name in header], [[str(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        print("\n".join(_lines(heads, cells)))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in heads:
        table.add_column(name, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


def _lines(heads: list[str], rows: list[list[str]]) -> Iterator[str]:
    """Columns one under the other, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    rule = ["─" * width for width in (*widths[:-1], len(heads[-1]))]
    for row in (heads, rule, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
