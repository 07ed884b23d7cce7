"""The group epilogue: zero point, scale and the fp32 sum across groups.

    corrected = sum - zero_point * row_sum                       exact integer, below 2**24 in magnitude
    total     = fp32(total + fp32(scale * corrected))            groups in order of k, from +0, nearest even
    y         = fp32(token_scale * total)                        after the last group

``scale`` and ``token_scale`` are positive fp16 numbers, so every intermediate is a multiple of 2**-24 (2**-48
for ``y``), and with fewer than 2**60 groups below 2**117 in magnitude: no subnormal, no overflow and no negative
zero can occur, and numpy's float32 arithmetic and a plain normalise-and-round circuit are the same function.
"""

LATENCY = 6
"""[cycle] from a group sum on the column's bus to the result: correct, multiply, round, add, multiply, round."""

SCALE_BITS = 16
OUTPUT_BITS = 32
LARGEST_EXACT = 1 << 24
"""Integers up to this magnitude are fp32 numbers (24-bit significand, IEEE 754)."""
