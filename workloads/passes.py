"""What one pass of a model is: its phase, and how many tokens go through it."""

from typing import Literal, get_args

from sim.errors import InputError, demand

Phase = Literal["prefill", "decode"]

LARGEST_BATCH = 1 << 16
"""Sequences at once: far beyond what is served, and sizes [byte] of a model's tensors stay below torch's 2**63."""

LARGEST_SEQUENCE = 1 << 20
"""Tokens of a sequence, of a model that states no context of its own."""


def check_pass(phase: str, batch: int, sequence: int | None) -> None:
    """Raise ``InputError`` for a phase, a batch, or a sequence [token] that no model has, ``TypeError`` for no integers."""
    if phase not in get_args(Phase):
        raise InputError(f"unknown phase {phase!r}; known are {', '.join(get_args(Phase))}")
    for name, value, largest in (("batch", batch, LARGEST_BATCH), ("sequence", sequence, LARGEST_SEQUENCE)):
        if value is not None:
            demand(name, value, int)
        if value is not None and value < 1:
            raise InputError(f"{name} is at least 1, not {value}")
        if value is not None and value > largest:
            raise InputError(f"{name} is at most {largest}, not {value}")
