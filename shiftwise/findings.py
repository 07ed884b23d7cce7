"""What is found of many tasks, each once: what is known is not found again, what is new is kept at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from shiftwise.results import Results


class Keyed(Protocol):
    """A task whose ``key`` says all that its result depends on."""

    @property
    def key(self) -> str: ...


Task = TypeVar("Task", bound=Keyed)


Each = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[tuple[Any, Any]]]
"""What does tasks, as :meth:`shiftwise.workers.Crew.each`."""


def found(
    find: Callable[[Task], Any], tasks: Iterable[Task], results: Results, each: Each, tell: Callable[[int, int], None]
) -> dict[str, Any]:
    """What ``find`` says of each task by its key; ``tell`` is told how many there are so far, and of how many."""
    keys = {task.key: task for task in tasks}
    known = results.known(keys)
    missing = [task for key, task in keys.items() if key not in known]
    tell(len(known), len(keys))
    for task, value in each(find, missing):
        results.keep({task.key: value})
        known[task.key] = value
        tell(len(known), len(keys))
    return known
