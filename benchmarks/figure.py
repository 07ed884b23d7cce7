"""Measured figures, and how time and memory are measured."""

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
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


def seconds_of(run: Callable[[], object]) -> float:
    """Time [s] of one call."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def median_seconds(*runs: Callable[[], object], repeats: int = 7) -> tuple[float, ...]:
    """Median time [s] of each call. They take turns, so that what else the machine does falls on all alike.

    A first turn, in which things are compiled and caches filled, is not counted.
    """
    for run in runs:
        run()
    turns = [[seconds_of(run) for run in runs] for _ in range(repeats)]
    return tuple(statistics.median(turn) for turn in zip(*turns, strict=True))


def peak_bytes(run: Callable[[], object]) -> int | None:
    """Memory [byte] that a call had at its peak beyond what the process held before it; ``None`` off Linux.

    The kernel's own count of resident memory, whose peak is reset first (``proc_pid_clear_refs(5)``), after what was
    freed has been handed back (``malloc_trim(3)``), as it would otherwise be used again unseen.
    """
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        return None
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    reset.write_text("5")
    before = _resident("VmRSS")
    kept = run()
    peak = _resident("VmHWM")
    del kept
    return peak - before


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))
