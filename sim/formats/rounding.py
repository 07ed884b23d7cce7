"""Real numbers become codes, one at a time, as the definition reads; the fast twin for arrays is in ``encoding``.

``nearest_even``: the nearest value; of two equally near ones that at an even position, positions counted along the
values from 0 (from the least value above, where a format has no 0), which is the even significand of a minifloat
and the even integer of an integer. ``toward_zero``: the nearest value that is no larger in magnitude.
``stochastic``: of the two neighbours the upper one with a probability that is the number's distance from the lower one.

Beyond the ends. ``saturate``: the end. Otherwise as if the values went on by one more step, and what is rounded to
that becomes infinity, or NaN where the format has no infinity (IEEE 754-2019, 4.3; OCP 8-bit floating point
specification, table 3); a format with neither always saturates. An infinity is far beyond the end.
"""

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
    """The code of one number. ``draw``, in [0, 1), decides stochastic rounding: up where it is below the distance.

    Raises ``InputError`` for NaN where the format has none, and for an infinity where it has no special code to tell it.
    """
    choose("rounding", rounding, ROUNDINGS)
    if number != number:
        return nan_code(format_)
    if abs(number) == float("inf"):
        return infinity_code(format_, number > 0, saturate)
    points, codes = points_of(format_, saturate)
    exact = Fraction(number)
    code = codes[_choose_point(points, exact, rounding, draw, origin_of(points))]
    negative = exact < 0 or (exact == 0 and np.signbit(float(number)))
    if negative and format_.values[code] == 0:
        negative_zero = format_.special_code(-0.0)
        return code if negative_zero is None else negative_zero
    return code


def _choose_point(points: Sequence[Fraction], exact: Fraction, rounding: str, draw: float, origin: int) -> int:
    """Index of the point that a number is rounded to."""
    if exact <= points[0]:
        return 0
    if exact >= points[-1]:
        return len(points) - 1
    upper = next(i for i, point in enumerate(points) if point > exact)
    lower = upper - 1
    below, above = exact - points[lower], points[upper] - exact
    if rounding == "toward_zero":
        return lower if exact >= 0 or below == 0 else upper
    if rounding == "stochastic":
        return upper if Fraction(draw) * (below + above) < below else lower
    if below != above:
        return lower if below < above else upper
    return lower if (lower - origin) % 2 == 0 else upper


@lru_cache(maxsize=256)
def points_of(format_: Format, saturate: bool) -> tuple[Sequence[Fraction], Sequence[int]]:
    """What numbers are rounded to, ascending, and the code of each: the values, and a step beyond unless it saturates."""
    code_of: dict[int, int] = {}
    for code, value in enumerate(format_.values):
        if value is not None:
            code_of.setdefault(value, code)
    values = sorted(code_of)
    codes = [code_of[value] for value in values]
    if not saturate and _overflow_code(format_, positive=True) is not None:
        high, low = _overflow_code(format_, positive=True), _overflow_code(format_, positive=False)
        assert high is not None and low is not None
        values = [2 * values[0] - values[1], *values, 2 * values[-1] - values[-2]]
        codes = [low, *codes, high]
    return [value * Fraction(2) ** format_.lsb for value in values], codes


def origin_of(points: Sequence[Fraction]) -> int:
    """Index of the point that the positions of ties are counted from."""
    return next((i for i, point in enumerate(points) if point >= 0), 0)


def _overflow_code(format_: Format, positive: bool) -> int | None:
    infinity = format_.special_code(float("inf") if positive else float("-inf"))
    nan = _signed_nan(format_, positive)
    return nan if infinity is None else infinity


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
    codes = points_of(format_, saturate)[1]
    return codes[-1 if positive else 0]
