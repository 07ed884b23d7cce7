"""What a verification returns or raises."""

from dataclasses import dataclass

from sim.errors import Failure


class VerificationError(Failure):
    """The Verilog differs from what was expected; the message names the first difference."""


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
