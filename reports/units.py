"""Numbers as people read them: three significant digits, an SI prefix and a unit."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

PREFIXES = {-5: "f", -4: "p", -3: "n", -2: "µ", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T"}
MISSING = "n/a"


def engineering(value: float | None, unit: str, digits: int = 3) -> str:
    """``0.00123, "s"`` as ``1.23 ms``, and a count below 1000 as it is; ``n/a`` for what is absent or not finite."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0 or (isinstance(value, int) and abs(value) < 1000):
        return f"{value or 0:.0f} {unit}"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    power = _power(exponent)
    decimals = max(0, digits - 1 - exponent + 3 * power)
    return f"{value / 1000.0**power:.{decimals}f} {PREFIXES[power]}{unit}"


def significant(value: float | None, digits: int = 3) -> str:
    """``416250.3`` as ``416,250`` and ``12.345`` as ``12.3``: no digit before the point is lost."""
    if value is None or not math.isfinite(value):
        return MISSING
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{max(0, digits - 1 - exponent) if value else 0}f}"


def percent(fraction: float | None, decimals: int = 1, sign: str = "-") -> str:
    """``0.8314`` as ``83.1 %``; ``sign`` is ``+`` for a change and ``-`` for a share."""
    if fraction is None or not math.isfinite(fraction):
        return MISSING
    return f"{100 * fraction:{sign}.{decimals}f} %"


def square(um2: float | None) -> str:
    """An area [um2] in mm², or in µm² below 0.01 mm²."""
    if um2 is None or not math.isfinite(um2):
        return MISSING
    return f"{significant(um2)} µm²" if um2 < 1e4 else f"{significant(um2 / 1e6)} mm²"


@dataclass(frozen=True)
class ColumnUnit:
    """One prefix and one number of decimals for a whole column, so that its numbers can be compared by eye."""

    prefix: str
    scale: float
    decimals: int

    def text(self, value: float) -> str:
        """The number in the column's unit; what would round to zero but is not says so with ``<``."""
        shown = f"{value / self.scale:,.{self.decimals}f}"
        smallest = 10.0**-self.decimals
        return f"<{smallest:.{self.decimals}f}" if 0 < value < smallest * self.scale / 2 else shown


def column_unit(values: Iterable[float]) -> ColumnUnit:
    """The prefix that puts the largest of the values between 10 and 10,000, so that smaller ones keep digits."""
    finite = [v for v in values if math.isfinite(v)]
    largest = max(map(abs, finite), default=0.0)
    power = _power(math.floor(math.log10(largest)) - 1) if largest else 0
    scale = 1000.0**power
    counts = power == 0 and largest and all(float(v).is_integer() for v in finite)
    return ColumnUnit(PREFIXES[power], scale, 0 if counts or largest >= 1000 * scale else 1)


def _power(exponent: int) -> int:
    """The power of 1000 [-5..4] for a number whose leading digit stands at ``10**exponent``."""
    return min(max(exponent // 3, min(PREFIXES)), max(PREFIXES))
