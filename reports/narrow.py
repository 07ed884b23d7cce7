"""Tables of figures as they are read: as text, and on a terminal of 80 columns."""

from collections.abc import Mapping, Sequence

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def as_read(table: pd.DataFrame, plain: Sequence[str], digits: Mapping[str, int], otherwise: int) -> pd.DataFrame:
    """Text of each cell: of columns ``plain`` as it is, of others so many digits, empty where there is none."""

    def text(name: str, value: object) -> str:
        if name in plain:
            return str(value)
        return "" if pd.isna(value) else f"{value:.{digits.get(name, otherwise)}f}"

    return pd.DataFrame({name: [text(str(name), value) for value in table[name]] for name in table})


def print_narrow(console: Console, shown: pd.DataFrame, heads: Mapping[str, str], wide: int) -> None:
    """Cells as they are, the first column to the left, with a space between columns from ``wide`` columns of terminal on."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, int(console.width >= wide), 0, 0), pad_edge=False, show_edge=False)
    for place, name in enumerate(shown):
        table.add_column(heads[str(name)], justify="right" if place else "left", no_wrap=True)
    for row in shown.to_numpy().tolist():
        table.add_row(*map(Text, row))
    console.print(table)
