"""The dequantization unit of an overlay: codes of weights become the 8-bit integers that the engine multiplies.

    expanded = values[code]              of the format, in units of its ``2**lsb``: integers, minifloats, codebooks
    expanded = code - zero               of unsigned integers with zero points

The unit ``2**lsb`` goes into the scale of the weight's group, where it is exact. Each vector unit has an expander for each
weight that it takes in a cycle, two for each multiplier where two columns share an activation, and never waits for them.
"""

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import FORMATS, NORMAL_FLOAT_4, Format
from sim.formats.families import codebook

INT8 = np.iinfo(np.int8)

LATENCY = 1
"""[cycle] From codes to integers."""

LONGEST_CODE = 8
"""[bit] Of a weight."""


def expandable(format_: Format) -> bool:
    """Whether every code of at most 8 bits stands for an 8-bit integer times ``2**lsb``, zero points subtracted or not."""
    if format_.bits > LONGEST_CODE or format_.has_special:
        return False
    smallest = -format_.largest if format_.is_integer and not format_.signed else format_.smallest
    return bool(smallest >= INT8.min and format_.largest <= INT8.max)


NF4_INT8 = codebook("nf4_int8", [round(number * INT8.max) for number in NORMAL_FLOAT_4])
"""Quantiles of a normal distribution in steps of 1/127, ties to even: a codebook of integers."""

EXPANDED: dict[str, Format] = {f.name: f for f in (*FORMATS.values(), NF4_INT8) if expandable(f)}
"""Formats of weights that the unit takes."""

HALVES: dict[str, Format] = {"fp16": FORMATS["fp16"]}
"""Numbers that are multiplied as they are stored, without a scale."""

STORED = EXPANDED | HALVES
"""Formats of weights in an overlay's memory."""


def expand(format_: Format, codes: NDArray[np.integer], zero: NDArray[np.integer] | None = None) -> NDArray[np.int8]:
    """The integers of codes of any shape; zero points are of a shape that broadcasts.

    Raises ``InputError`` for a format that is not :func:`expandable`, and for zero points of one that takes none.
    """
    if not expandable(format_):
        raise InputError(
            f"weights of an overlay are integers of 8 bits times 2**lsb, as {', '.join(EXPANDED)}; not {format_.name}"
        )
    numbers = format_.decode(codes)
    if zero is None:
        return numbers.astype(np.int8)
    if not format_.is_integer or format_.signed:
        raise InputError(f"zero points go with unsigned integers, not with {format_.name}")
    return (numbers - zero.astype(np.int32)).astype(np.int8)


def zero_code(format_: Format) -> int:
    """The code of 0, which a pruned weight has. Raises ``InputError`` for a format without it."""
    if 0 not in format_.values:
        raise InputError(f"pruned weights are 0, which {format_.name} does not have")
    return format_.values.index(0)
