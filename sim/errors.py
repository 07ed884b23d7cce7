"""The one error that a user's input can cause."""

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class InputError(ValueError):
    """A value from outside that cannot be used.

    The message is one sentence that names the value and what is allowed. The command line prints it and ends
    with exit status 2; every other exception is a defect of the program and keeps its traceback.
    """


def choose(kind: str, name: str, registry: Mapping[str, T]) -> T:
    """The entry ``name`` of a registry, or an :class:`InputError` that lists what there is."""
    if name not in registry:
        raise InputError(f"unknown {kind} {name!r}; known are {', '.join(registry)}")
    return registry[name]
