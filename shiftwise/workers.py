"""A function of many tasks, in processes of this machine or on a Dask cluster, results as they are found."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache, partial
from multiprocessing import get_context
from typing import Any, TypeVar

from sim.errors import Failure, InputError

Task = TypeVar("Task")
Result = TypeVar("Result")

PATIENCE = 10  # [s] for a scheduler to answer
RETRIES = 3
"""Times that a task goes to another worker when its own is lost."""

THREADS = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
"""Each process is one thread: more of them than cores would wait for each other."""


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_workers(workers: int) -> None:
    """Raise ``InputError`` for a number of processes that there cannot be."""
    if not 1 <= workers <= 1024:
        raise InputError(f"workers are between 1 and 1024, not {workers}")


def each(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int, scheduler: str | None = None
) -> Iterator[tuple[Task, Result]]:
    """Every task and its result, in the order in which they are found.

    In ``workers`` processes, in this one if that is 1, or on the cluster of a Dask ``scheduler`` (``tcp://HOST:PORT``).
    Raises ``InputError`` for a scheduler that does not answer, ``Failure`` for workers that end before their work, and what
    ``function`` raises; what is not begun then is not begun any more.
    """
    if not tasks:
        return iter(())
    if scheduler is not None:
        return _on_cluster(function, tasks, scheduler)
    check_workers(workers)
    return ((task, function(task)) for task in tasks) if workers == 1 else _in_processes(function, tasks, workers)


def _in_processes(function: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[tuple[Task, Result]]:
    with _processes(min(workers, len(tasks))) as pool:
        futures = {pool.submit(function, task): task for task in tasks}
        yield from _found(futures, as_completed(futures))


def _on_cluster(function: Callable[[Task], Result], tasks: Sequence[Task], scheduler: str) -> Iterator[tuple[Task, Result]]:
    import distributed

    with _cluster(scheduler) as client:
        futures = dict(zip(client.map(function, tasks, pure=False, retries=RETRIES), tasks, strict=True))
        yield from _found(futures, distributed.as_completed(futures, loop=client.loop))


Submit = Callable[[Callable[[Any], Any], Any], Callable[[], Any]]
"""Begins a function of a task, and returns what waits for its result."""


@contextmanager
def crew(workers: int, scheduler: str | None = None) -> Iterator[Submit]:
    """Workers that stay, for tasks that are found one after the other; where and what is raised as :func:`each` has it."""
    check_workers(workers)
    if scheduler is not None:
        with _cluster(scheduler) as client:
            yield lambda function, task: client.submit(function, task, pure=False, retries=RETRIES).result
    elif workers == 1:
        yield lambda function, task: cache(partial(function, task))
    else:
        with _processes(workers) as pool:
            yield lambda function, task: pool.submit(function, task).result


@contextmanager
def _processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(THREADS)
    try:
        pool = ProcessPoolExecutor(workers, get_context("spawn"))
        try:
            yield pool
        except BrokenProcessPool:
            raise Failure("a worker process was ended; what was found is kept, and a new start goes on from there") from None
        finally:
            pool.shutdown(wait=sys.exc_info()[0] is None, cancel_futures=True)
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _cluster(scheduler: str) -> Iterator[Any]:
    import distributed

    try:
        client = distributed.Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"scheduler {scheduler!r} does not answer within {PATIENCE} s: {reason}; one that runs at tcp://HOST:PORT is needed"
        ) from None
    with client:
        yield client


def _found(futures: dict[Any, Task], done: Iterable[Future[Result]]) -> Iterator[tuple[Task, Result]]:
    for future in done:
        yield futures[future], future.result()
