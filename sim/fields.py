"""Fields of a design from outside: of their kind, whole numbers within what anybody builds, none that there is not."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from sim.errors import InputError

KINDS: dict[Any, str] = {int: "an integer", str: "a string", bool: "true or false"}

LARGEST_FIELD = 1 << 16
"""Of counts, KiB, bits, MHz: far beyond anything built, and cycle counts stay below 2**63."""


def check_fields(design: Any, what: str, unbounded: Iterable[str] = ()) -> None:
    """The fields of a dataclass that are of one of ``KINDS``; integers that are not ``unbounded`` are 1 to ``LARGEST_FIELD``.

    Raises ``TypeError`` for a value of another kind, ``InputError`` for a number beyond.
    """
    for field in dataclasses.fields(design):
        value = getattr(design, field.name)
        if field.type not in KINDS:
            continue
        if type(value) is not field.type:
            shown = repr(value) if isinstance(value, str) else str(value)
            raise TypeError(f"{field.name} of {what} is {KINDS[field.type]}, not {shown}")
        if type(value) is int and field.name not in unbounded and not 1 <= value <= LARGEST_FIELD:
            raise InputError(f"{field.name} of {what} is between 1 and {LARGEST_FIELD}, not {value}")


def check_known(fields: Mapping[str, Any], kind: type, what: str) -> None:
    """Raise ``InputError`` for a field that a dataclass does not have, ``what`` saying what it is taken for and why."""
    known = [field.name for field in dataclasses.fields(kind)]
    for name in fields:
        if name not in known:
            raise InputError(f"unknown field {name!r} of {what}; known are {', '.join(known)}")
