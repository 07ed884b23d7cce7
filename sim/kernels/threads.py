"""Threads that share the work of one kernel.

A kernel is compiled to run without the interpreter's lock; each thread calls it once, and the calls take pieces of work
from one counter until none is left. No piece depends on another, so that neither the number of threads nor the order
in which they take pieces can change a result. Idle threads sleep: they do not spin beside torch's own threads, with
which a model's forward pass alternates.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


def thread_count() -> int:
    """The processors that this process may use, or what ``NUMBA_NUM_THREADS`` or ``OMP_NUM_THREADS`` says, if less."""
    allowed = int(numba.config.NUMBA_NUM_THREADS)
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(allowed, int(limit))) if limit.isdecimal() else allowed


@cache
def _helpers(count: int, _process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "kernel")


def share(kernel: Callable[..., None], *arguments: Any, pieces: int) -> None:
    """Call ``kernel(counter, *arguments)`` in as many threads as there are and as ``pieces`` of work can use."""
    counter: NDArray[np.int64] = np.zeros(1, np.int64)
    others = min(thread_count(), pieces) - 1
    if others <= 0:
        kernel(counter, *arguments)
        return
    # Threads do not survive a fork, so a child process starts its own.
    helpers = _helpers(thread_count() - 1, os.getpid())
    calls = [helpers.submit(kernel, counter, *arguments) for _ in range(others)]
    kernel(counter, *arguments)
    for call in calls:
        call.result()
