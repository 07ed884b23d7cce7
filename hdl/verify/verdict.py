"""What a verification returns or raises."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sim.errors import Failure


class VerificationError(Failure):
    """The Verilog differs from what was expected; the message names the first difference.

    ``keep_wave`` simulates once more, with a waveform around the first wrong cycle, and returns the waveform's file.
    """

    def __init__(self, message: str, keep_wave: Callable[[], Path] | None = None) -> None:
        super().__init__(message)
        self.keep_wave = keep_wave


@dataclass(frozen=True)
class PEVerdict:
    """What was found equal: operand pairs, group sums (the pairs included), cycles compared."""

    design: str
    pairs: int
    groups: int
    cycles: int


@dataclass(frozen=True)
class ArrayVerdict:
    """What was found equal: fp32 results, tiles and groups they came from, cycles compared."""

    design: str
    results: int
    tiles: int
    groups: int
    cycles: int
