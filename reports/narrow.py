"""Tables of text for a terminal of 80 columns."""

from collections.abc import Mapping

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_narrow(console: Console, shown: pd.DataFrame, heads: Mapping[str, str], wide: int) -> None:
    """Cells as they are, the first column to the left, with a space between columns from ``wide`` columns of terminal on."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, int(console.width >= wide), 0, 0), pad_edge=False, show_edge=False)
    for place, name in enumerate(shown):
        table.add_column(heads[str(name)], justify="right" if place else "left", no_wrap=True)
    for row in shown.to_numpy().tolist():
        table.add_row(*map(Text, row))
    console.print(table)
