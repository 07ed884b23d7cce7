"""One measured figure."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """A figure, the bar that it must reach (``None`` where there is none), and what it was measured against."""

    name: str
    value: float
    unit: str
    bar: float | None
    better: Literal["higher", "lower"]
    versus: str


def median_seconds(run: Callable[[], object], repeats: int = 7) -> float:
    """Median time [s] of a call, after one that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times)
