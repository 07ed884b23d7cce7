"""Progress of a long call: bars on a terminal, a plain line for each finished stage elsewhere, both on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:  # what it imports takes seconds
    from shiftwise.accuracy import Tell


@contextmanager
def shown_progress() -> "Iterator[Tell]":
    """A function to be told what is done; the bars vanish at the end."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done, total: console.print(f"{what}: {total} done") if done == total else None
        return
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int) -> None:
        if not tasks:
            bars.start()
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done)

    try:
        yield tell
    finally:
        if tasks:
            bars.stop()
