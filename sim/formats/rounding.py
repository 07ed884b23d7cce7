"""Real numbers become codes, one at a time, as the definition reads; the fast twin for arrays is in ``encoding``.

``nearest_even``: the nearest value. Of two equally near ones that at an even position, positions counted along the
values from 0 (from the least value above, where a format has no 0), which is the even significand of a minifloat
and the even integer of an integer; in a format whose significands have one bit, all odd, the larger in magnitude
(IEEE 754-2019, 4.3.1). ``toward_zero``: of the two neighbours that on zero's side; on both sides of zero, in a
format without 0, as ``nearest_even``. ``stochastic``: the upper neighbour with the probability
``(number - lower) / (upper - lower)``.

Beyond the ends. ``saturate``: the end. Otherwise as if the exponent had no bound: a number that is rounded to a unit in
the last place beyond the end becomes infinity, or NaN where the format has no infinity (IEEE 754-2019, 7.4; OCP 8-bit
floating point specification 1.0); toward zero, only an infinity does. A negative number in an unsigned format and
0 in one without sign and 0, E8M0, are NaN then. A format with neither NaN nor infinity always saturates.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from sim.errors import InputError, choose
from sim.formats.format import Format

ROUNDINGS = {name: name for name in ("nearest_even", "toward_zero", "stochastic")}


def encode_one(
    format_: Format, number: float | Fraction, rounding: str = "nearest_even", saturate: bool = True, draw: float = 0.0
) -> int:
    """The code of one number. ``draw``, in [0, 1), decides stochastic rounding: up where it is below the probability.

    Raises ``InputError`` for NaN where the format has none, and for an infinity where it has no special code to tell it.
    """
    choose("rounding", rounding, ROUNDINGS)
    if number != number:
        return nan_code(format_)
    if abs(number) == float("inf"):
        return infinity_code(format_, number > 0, saturate)
    outside = number < 0 if format_.smallest == 0 else number <= 0 < format_.smallest
    nan = overflow_code(format_, positive=False) if outside and not saturate else None
    if nan is not None:
        return nan
    points, codes = points_of(format_, rounding, saturate)
    exact = Fraction(number) / Fraction(2) ** format_.lsb
    code = codes[_choose_point(format_, points, exact, rounding, draw)]
    negative = exact < 0 or (exact == 0 and np.signbit(float(number)))
    if negative and format_.values[code] == 0:
        negative_zero = format_.special_code(-0.0)
        return code if negative_zero is None else negative_zero
    return code


def _choose_point(format_: Format, points: Sequence[int], exact: Fraction, rounding: str, draw: float) -> int:
    """Index of the point that a number, in units of ``2**lsb``, is rounded to."""
    if exact <= points[0]:
        return 0
    if exact >= points[-1]:
        return len(points) - 1
    lower = bisect_right(points, exact) - 1
    upper = lower + 1
    below, above = exact - points[lower], points[upper] - exact
    if rounding == "stochastic":
        return upper if Fraction(draw) * (below + above) < below else lower
    if rounding == "toward_zero" and points[lower] >= 0:
        return lower
    if rounding == "toward_zero" and points[upper] <= 0:
        return lower if below == 0 else upper
    if below != above:
        return lower if below < above else upper
    if format_.significand_bits == 1 and points[lower] * points[upper] > 0:
        return upper if exact > 0 else lower
    return lower if (lower - bisect_left(points, 0)) % 2 == 0 else upper


@lru_cache(maxsize=256)
def points_of(format_: Format, rounding: str, saturate: bool) -> tuple[Sequence[int], Sequence[int]]:
    """What numbers are rounded to, ascending, in units of ``2**lsb``, and the code of each.

    These are the values, and one beyond each end where a number may overflow.
    """
    code_of: dict[int, int] = {}
    for code, value in enumerate(format_.values):
        if value is not None:
            code_of.setdefault(value, code)
    points = sorted(code_of)
    codes = [code_of[value] for value in points]
    if saturate or rounding == "toward_zero":
        return points, codes
    high, low = overflow_code(format_, positive=True), overflow_code(format_, positive=False)
    if high is not None:
        points, codes = [*points, points[-1] + _last_place(format_, points[-1])], [*codes, high]
    if low is not None and format_.signed:
        points, codes = [points[0] - _last_place(format_, points[0]), *points], [low, *codes]
    return points, codes


def _last_place(format_: Format, value: int) -> int:
    """A unit in the last place of a value, were its significand as wide as the widest of the format."""
    return 1 << max(value.bit_length() - format_.significand_bits, 0)


def overflow_code(format_: Format, positive: bool) -> int | None:
    """The code of what is rounded beyond an end: infinity, else NaN, of that sign; ``None`` where there is neither."""
    infinity = format_.special_code(float("inf") if positive else float("-inf"))
    return _signed_nan(format_, positive) if infinity is None else infinity


def _signed_nan(format_: Format, positive: bool) -> int | None:
    """The NaN of that sign: the upper half of a signed format's codes is negative."""
    codes = [code for code, number in format_.special if number != number]
    of_sign = [code for code in codes if (code < len(format_.values) // 2) == positive]
    return next(iter(of_sign or codes), None)


def nan_code(format_: Format) -> int:
    """The code of NaN; raises ``InputError`` where the format has none."""
    code = format_.special_code(float("nan"))
    if code is None:
        raise InputError(f"format {format_.name} has finite numbers only, not nan")
    return code


def infinity_code(format_: Format, positive: bool, saturate: bool) -> int:
    """The code that an infinity becomes; raises ``InputError`` where the format has neither infinity nor NaN."""
    if not format_.has_special:
        raise InputError(f"format {format_.name} has finite numbers only, not {'inf' if positive else '-inf'}")
    code = None if saturate else overflow_code(format_, positive)
    return format_.values.index(format_.largest if positive else format_.smallest) if code is None else code
