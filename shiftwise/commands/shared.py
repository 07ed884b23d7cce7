"""What commands share: their options, and how they print a table."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDER_THAN_ANY_TABLE = 1 << 16  # [column]

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
    """A table on stdout, whole lines where that is no terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in header:
        table.add_column(str(name), overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    width = None if sys.stdout.isatty() else WIDER_THAN_ANY_TABLE  # what reads a pipe wants each row on one line
    Console(width=width).print(table)
