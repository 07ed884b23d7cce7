"""Every code of every format that another library has: the number, NaN, infinity and the sign of zero."""

import math

import gfloat
import ml_dtypes
import numpy as np
import pytest
import torch
from gfloat.formats import format_info_ocp_e8m0

from sim.formats import FORMATS, Format
from tests.sim.formats.cases import assert_same_reals
from tests.sim.formats.witnesses import GFLOAT, IEEE_8_BIT, INTEGERS, ML_DTYPES, TORCH

HAVE_GFLOAT = {name: (FORMATS | IEEE_8_BIT)[name] for name in GFLOAT}


def codes_of(format_: Format) -> np.ndarray:
    return np.arange(1 << format_.bits, dtype=np.uint16 if format_.bits > 8 else np.uint8)


@pytest.mark.parametrize("name", ML_DTYPES)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # a signalling NaN's
def test_floats_of_ml_dtypes_and_numpy(name: str) -> None:
    format_, dtype = ML_DTYPES[name]
    codes = codes_of(format_)
    assert_same_reals(codes, format_.to_real(codes), codes.view(dtype).astype(np.float64))


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_of_ml_dtypes_and_numpy(name: str) -> None:
    codes = codes_of(FORMATS[name])
    assert FORMATS[name].decode(codes).tolist() == codes.view(INTEGERS[name]).astype(np.int64).tolist()


@pytest.mark.parametrize("name", TORCH)
def test_floats_of_torch(name: str) -> None:
    codes = codes_of(FORMATS[name])
    expected = torch.from_numpy(codes).view(TORCH[name]).double().numpy()
    assert_same_reals(codes, FORMATS[name].to_real(codes), expected)


@pytest.mark.parametrize("name", GFLOAT)
def test_gfloat(name: str) -> None:
    format_, info = HAVE_GFLOAT[name], GFLOAT[name]
    codes = codes_of(format_)
    expected = [gfloat.decode_float(info, int(code)).fval for code in codes]
    assert_same_reals(codes, format_.to_real(codes), np.array(expected))


@pytest.mark.parametrize("name", GFLOAT)
def test_what_gfloat_says_of_the_format(name: str) -> None:
    format_, info = HAVE_GFLOAT[name], GFLOAT[name]
    assert format_.bits == info.k
    assert math.ldexp(format_.largest, format_.lsb) == info.max
    assert math.ldexp(format_.smallest, format_.lsb) == info.min
    assert format_.emax == info.emax
    assert format_.signed == info.is_signed
    assert format_.has_special == (info.num_nans + info.num_infs > 0)
    assert format_.special_code(-0.0) == (info.code_of_negzero if info.has_nz else None)
    assert format_.special_code(math.inf) == (info.code_of_posinf if info.num_infs else None)
    assert format_.special_code(-math.inf) == (info.code_of_neginf if info.num_infs else None)
    assert sum(math.isnan(number) for _, number in format_.special) == info.num_nans


def test_e8m0_of_gfloat() -> None:
    codes = codes_of(FORMATS["e8m0"])
    expected = [gfloat.decode_float(format_info_ocp_e8m0, int(code)).fval for code in codes]
    assert_same_reals(codes, FORMATS["e8m0"].to_real(codes), np.array(expected))


@pytest.mark.parametrize("name", [name for name, (format_, _) in ML_DTYPES.items() if format_.special_code(math.nan)])
def test_nan_becomes_the_quiet_nan_of_ml_dtypes_and_numpy(name: str) -> None:
    """IEEE 754-2019, 6.2.1: the first bit of a quiet NaN's trailing significand is 1."""
    format_, dtype = ML_DTYPES[name]
    assert format_.special_code(math.nan) == int(np.array([math.nan]).astype(dtype).view(codes_of(format_).dtype)[0])


@pytest.mark.parametrize(
    ("name", "info"),
    [("ocp_e4m3", "float8_e4m3fn"), ("ocp_e5m2", "float8_e5m2"), ("e2m1", "float4_e2m1fn"), ("e3m2", "float6_e3m2fn")],
)
def test_finfo_of_ml_dtypes(name: str, info: str) -> None:
    limits, format_ = ml_dtypes.finfo(info), FORMATS[name]
    assert math.ldexp(format_.largest, format_.lsb) == float(limits.max)
    assert math.ldexp(1, format_.lsb) == float(limits.smallest_subnormal)
