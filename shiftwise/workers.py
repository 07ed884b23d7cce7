"""A function of many tasks, in processes of this machine or on a Dask cluster, results as they are found."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Crew:
    """Workers that stay: processes, a cluster's, or without a ``pool`` this process alone."""

    pool: Any = None
    as_completed: Callable[[dict[Any, Any]], Iterable[Any]] = as_completed

    def begin(self, function: Callable[[Task], Result], task: Task) -> Callable[[], Result]:
        """Begin with a task; what is returned waits for its result."""
        if self.pool is None:
            return cache(partial(function, task))
        result: Callable[[], Result] = self.pool.submit(function, task).result
        return result

    def each(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[Task, Result]]:
        """Every task and its result, in the order in which they are found."""
        if self.pool is None:
            return ((task, function(task)) for task in tasks)
        futures = {self.pool.submit(function, task): task for task in tasks}
        return ((futures[future], future.result()) for future in self.as_completed(futures))


def each(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int, scheduler: str | None = None
) -> Iterator[tuple[Task, Result]]:
    """What :meth:`Crew.each` says, by a crew of its own; raises what :func:`crew` does."""
    check_workers(workers)
    return _each(function, tasks, min(workers, len(tasks)), scheduler) if tasks else iter(())


def _each(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: int, scheduler: str | None
) -> Iterator[tuple[Task, Result]]:
    with crew(workers, scheduler) as own:
        yield from own.each(function, tasks)


@contextmanager
def crew(workers: int, scheduler: str | None = None) -> Iterator[Crew]:
    """So many processes, none where that is 1, or the cluster of a Dask ``scheduler`` (``tcp://HOST:PORT``).

    Raises ``InputError`` for a scheduler that does not answer, ``Failure`` for workers that end before their work, and what
    functions of tasks raise; what is not begun then is not begun any more.
    """
    check_workers(workers)
    if scheduler is not None:
        with _cluster(scheduler) as own:
            yield own
    elif workers == 1:
        yield Crew()
    else:
        with _processes(workers) as pool:
            yield Crew(pool)


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
def _cluster(scheduler: str) -> Iterator[Crew]:
    import distributed

    try:
        client = distributed.Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"scheduler {scheduler!r} does not answer within {PATIENCE} s: {reason}; one that runs at tcp://HOST:PORT is needed"
        ) from None
    with client:
        yield Crew(_OfCluster(client), partial(distributed.as_completed, loop=client.loop))


@dataclass(frozen=True)
class _OfCluster:
    """A cluster as a pool of processes: a task that is asked for twice is done twice, one whose worker is lost elsewhere."""

    client: Any

    def submit(self, function: Callable[[Any], Any], task: Any) -> Any:
        return self.client.submit(function, task, pure=False, retries=RETRIES)
