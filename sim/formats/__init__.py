"""Number formats: one line of the registry each. A format is a table of exact integers; see :mod:`sim.formats.format`."""

from sim.formats.encoding import encode, round_to
from sim.formats.families import (
    bipolar,
    codebook,
    exponent_only,
    logarithmic,
    minifloat,
    power_of_two,
    signed,
    two_powers,
    unsigned,
)
from sim.formats.format import Format, signed_bits
from sim.formats.rounding import ROUNDINGS, encode_one

__all__ = ["FORMATS", "NORMAL_FLOAT_4", "ROUNDINGS", "Format", "encode", "encode_one", "round_to", "signed_bits"]

NORMAL_FLOAT_4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
    *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
    *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
    *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)
"""Quantiles of a normal distribution as fp32 numbers (QLoRA, Dettmers et al., NeurIPS 2023, appendix E)."""

FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        *(unsigned(bits) for bits in (1, 2, 3, 4, 5, 6, 7, 8, 16)),
        *(signed(bits) for bits in (2, 3, 4, 5, 6, 7, 8, 16)),
        *(bipolar(planes) for planes in (1, 2, 3, 4)),
        *(minifloat(e, m) for e in range(1, 6) for m in range(7) if 3 <= 1 + e + m <= 8),
        minifloat(5, 2, "ieee", "ocp_e5m2"),
        minifloat(4, 3, "fn", "ocp_e4m3"),
        exponent_only(8),
        minifloat(5, 10, "ieee", "fp16"),
        minifloat(8, 7, "ieee", "bf16"),
        *(power_of_two(bits) for bits in (2, 3, 4, 5, 6)),
        *(two_powers(bits) for bits in (3, 5, 7)),
        *(logarithmic(f"log{bits}", bits, 2**0.5, 8) for bits in (3, 4, 5, 6)),
        codebook("nf4", NORMAL_FLOAT_4),
        codebook("nf4_8", NORMAL_FLOAT_4, 8),
    )
}
"""``e<E>m<M>`` have every code finite; ``ocp_*`` reserve codes as the OCP specification says; ``log*`` have base sqrt(2)."""
