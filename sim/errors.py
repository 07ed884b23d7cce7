"""The two ways in which a command ends without a result."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class InputError(ValueError):
    """A value from outside that cannot be used.

    The message is one sentence that names the value and what is allowed. The command line prints it and ends
    with exit status 2.
    """


class Failure(Exception):  # noqa: N818 - a finding rather than an error
    """A check that did not hold, or a tool that failed; the message says where, and names the log that was kept.

    The command line prints it and ends with exit status 1. Every exception but these two is a defect of the program
    and keeps its traceback.
    """


def demand(what: str, value: object, kind: type) -> None:
    """Raise ``TypeError`` for a value that is not of that kind; ``True`` and ``False`` are no integers."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{what} is of type {kind.__name__}, not {value!r}")


def choose(kind: str, name: str, registry: Mapping[str, T]) -> T:
    """The entry ``name`` of a registry, or an :class:`InputError` that lists what there is."""
    demand(kind, name, str)
    if name not in registry:
        raise InputError(f"unknown {kind} {name!r}; known are {', '.join(registry)}")
    return registry[name]
