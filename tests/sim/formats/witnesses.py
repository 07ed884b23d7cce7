"""The same formats in other libraries."""

import re
from typing import Any

import ml_dtypes
import numpy as np
import torch
from gfloat import Domain, FormatInfo

from sim.formats import FORMATS, Format
from sim.formats.families import minifloat

IEEE_8_BIT = {"ieee_e4m3": minifloat(4, 3, "ieee"), "ieee_e3m4": minifloat(3, 4, "ieee")}

ML_DTYPES: dict[str, tuple[Format, Any]] = {
    "e2m1": (FORMATS["e2m1"], ml_dtypes.float4_e2m1fn),
    "e2m3": (FORMATS["e2m3"], ml_dtypes.float6_e2m3fn),
    "e3m2": (FORMATS["e3m2"], ml_dtypes.float6_e3m2fn),
    "ocp_e4m3": (FORMATS["ocp_e4m3"], ml_dtypes.float8_e4m3fn),
    "ocp_e5m2": (FORMATS["ocp_e5m2"], ml_dtypes.float8_e5m2),
    "ieee_e4m3": (IEEE_8_BIT["ieee_e4m3"], ml_dtypes.float8_e4m3),
    "ieee_e3m4": (IEEE_8_BIT["ieee_e3m4"], ml_dtypes.float8_e3m4),
    "e8m0": (FORMATS["e8m0"], ml_dtypes.float8_e8m0fnu),
    "bf16": (FORMATS["bf16"], ml_dtypes.bfloat16),
    "fp16": (FORMATS["fp16"], np.float16),
}
"""Floating-point types of ml_dtypes, and of numpy."""

INTEGERS: dict[str, Any] = {
    "int2": ml_dtypes.int2,
    "int4": ml_dtypes.int4,
    "int8": np.int8,
    "int16": np.int16,
    "uint1": ml_dtypes.uint1,
    "uint2": ml_dtypes.uint2,
    "uint4": ml_dtypes.uint4,
    "uint8": np.uint8,
    "uint16": np.uint16,
}

TORCH = {
    "ocp_e4m3": torch.float8_e4m3fn,
    "ocp_e5m2": torch.float8_e5m2,
    "e8m0": torch.float8_e8m0fnu,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


def _float(exponent_bits: int, mantissa_bits: int, infinity: bool = False, nans: int = 0) -> FormatInfo:
    return FormatInfo(
        name=f"e{exponent_bits}m{mantissa_bits}",
        k=1 + exponent_bits + mantissa_bits,
        precision=mantissa_bits + 1,
        bias=2 ** (exponent_bits - 1) - 1,
        is_signed=True,
        domain=Domain.Extended if infinity else Domain.Finite,
        has_nz=True,
        num_high_nans=nans,
        has_subnormals=True,
        is_twos_complement=False,
    )


def _integer(bits: int, signed: bool) -> FormatInfo:
    trailing = bits - signed
    return FormatInfo(
        name=f"int{bits}",
        k=bits,
        precision=trailing + 1,
        bias=1 - trailing,
        is_signed=signed,
        domain=Domain.Finite,
        has_nz=False,
        num_high_nans=0,
        has_subnormals=True,
        is_twos_complement=signed,
    )


GFLOAT: dict[str, FormatInfo] = {
    **{m[0]: _float(int(m[1]), int(m[2])) for name in FORMATS if (m := re.fullmatch(r"e(\d)m(\d)", name)) and name != "e8m0"},
    **{m[0]: _integer(int(m[2]), m[1] == "int") for name in FORMATS if (m := re.fullmatch(r"(u?int)(\d+)", name))},
    "ocp_e4m3": _float(4, 3, nans=1),
    "ocp_e5m2": _float(5, 2, infinity=True, nans=3),
    "ieee_e4m3": _float(4, 3, infinity=True, nans=7),
    "ieee_e3m4": _float(3, 4, infinity=True, nans=15),
    "fp16": _float(5, 10, infinity=True, nans=1023),
    "bf16": _float(8, 7, infinity=True, nans=127),
}
"""Every minifloat and every integer format; the two of IEEE's kind in eight bits are not in the registry."""
