"""The group epilogue: zero point, scale and the fp32 sum across groups.

    corrected = sum - zero_point * row_sum                       rounded as below
    total     = fp32(total + fp32(scale * corrected))            groups in order of k, from +0, nearest even
    y         = fp32(token_scale * total)                        after the last group

=============================== ===================================================================================
sums                            corrected
=============================== ===================================================================================
integers (``exact``)            exact, below 2**24 in magnitude
fixed point (``exact``,         fp32(sum - zero_point * row_sum), rounded once, in units of the products' last place
``wrap``, ``saturate``)
floats, ``aligned``             fp32(sum - fp32(zero_point * row_sum)), the row sum rounded to fp32 at every addition
=============================== ===================================================================================

``scale`` and ``token_scale`` are positive fp16 numbers, so every intermediate of integers is a multiple of 2**-24
(2**-48 for ``y``), and with fewer than 2**60 groups below 2**117 in magnitude: no subnormal, no overflow and no negative
zero can occur, and numpy's float32 arithmetic and a plain normalise-and-round circuit are the same function.

The same holds for fixed point. Of the formats and PEs that there are, products are multiples of 2**-48 (fp16 x fp16) and
below 2**46 (pot6 x int16), so corrected sums of at most 2**16 terms are below 2**63, every intermediate is a multiple of
2**-96, and with fewer than 2**30 groups below 2**125. Float accumulators are another matter: a product of bf16 numbers
may be as small as 2**-266, a sum infinite, and the difference of infinities NaN.
"""

LATENCY = 6
"""[cycle] From a group sum on the column's bus to the result: three to correct and scale, add, multiply, round."""

SCALE_BITS = 16
OUTPUT_BITS = 32
LARGEST_EXACT = 1 << 24
"""Integers up to this magnitude are fp32 numbers (24-bit significand, IEEE 754)."""
