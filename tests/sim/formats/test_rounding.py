"""A million numbers a format against the casts of ml_dtypes, numpy and torch and the rounding of gfloat.

What the libraries do that the definition does not:

- ml_dtypes goes from float64 through float32 and rounds twice, so that its numbers are float32 ones here.
- ml_dtypes and torch round a float32 between 2**-127 and 1.5 * 2**-127, a subnormal one, up to 2**-126 for E8M0.
- torch ignores the sign of what it rounds to E8M0, and 0 becomes 2**-127; ml_dtypes gives NaN, and so does the
  definition without saturation: a format without sign and zero has no nearest number (IEEE 754-2019, 7.2).
- ml_dtypes saturates formats without NaN and infinity even for these, and NaN becomes -0; the definition refuses both,
  as the OCP MX specification 1.0 says nothing of them.
- gfloat follows IEEE P3109 for significands of one bit, in which a tie between two powers of two goes to the even
  exponent; IEEE 754-2019, 4.3.1, and the casts of the others deliver the one larger in magnitude.
"""

import gfloat
import numpy as np
import pytest
import torch
from gfloat import RoundMode

from sim.formats import FORMATS, encode, round_to
from tests.sim.formats.cases import assert_same_codes, assert_same_reals, hard_numbers
from tests.sim.formats.witnesses import GFLOAT, IEEE_8_BIT, ML_DTYPES, TORCH

COUNT = 1_000_000
HAVE_GFLOAT = {name: (FORMATS | IEEE_8_BIT)[name] for name in GFLOAT}


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("name", ML_DTYPES)
def test_nearest_even_against_ml_dtypes_and_numpy(name: str, saturate: bool, rng: np.random.Generator) -> None:
    format_, dtype = ML_DTYPES[name]
    source = np.float64 if dtype is np.float16 else np.float32
    numbers = hard_numbers(format_, rng, COUNT, source)
    if name == "e8m0":
        numbers = numbers[(numbers <= 2.0**-127) | (numbers >= 1.5 * 2.0**-127)]
    finite = format_.reals[np.isfinite(format_.reals)]
    ends = source(finite.min()), source(finite.max())
    with np.errstate(over="ignore"):
        cast = (np.clip(numbers, *ends) if saturate else numbers).astype(dtype)
    expected = cast.view(np.uint16 if format_.bits > 8 else np.uint8)
    assert_same_codes(numbers, encode(format_, numbers, "nearest_even", saturate), expected)


@pytest.mark.parametrize(("name", "saturate"), [(name, name == "ocp_e4m3") for name in TORCH])
def test_nearest_even_against_torch(name: str, saturate: bool, rng: np.random.Generator) -> None:
    numbers = hard_numbers(FORMATS[name], rng, COUNT, np.float32)
    if name == "e8m0":
        numbers = numbers[numbers >= 1.5 * 2.0**-127]
    expected = torch.from_numpy(numbers).to(TORCH[name]).double().numpy()
    assert_same_reals(numbers, round_to(FORMATS[name], numbers, "nearest_even", saturate), expected)


@pytest.mark.parametrize(
    ("name", "saturate"),
    [(name, saturate) for name in GFLOAT for saturate in (True, False) if saturate or HAVE_GFLOAT[name].has_special],
)
@pytest.mark.parametrize(
    ("rounding", "mode"), [("nearest_even", RoundMode.TiesToEven), ("toward_zero", RoundMode.TowardZero)], ids=["even", "zero"]
)
@pytest.mark.filterwarnings("ignore:overflow encountered in ldexp")
def test_gfloat(name: str, saturate: bool, rounding: str, mode: RoundMode, rng: np.random.Generator) -> None:
    format_, info = HAVE_GFLOAT[name], GFLOAT[name]
    numbers = hard_numbers(format_, rng, COUNT)
    if not format_.signed:
        numbers = np.abs(numbers)
    expected = gfloat.round_ndarray(info, numbers, mode, saturate)
    if rounding == "nearest_even" and format_.significand_bits == 1 and not format_.is_integer:
        away = gfloat.round_ndarray(info, numbers, RoundMode.TiesToAway, saturate)
        expected = np.where(np.abs(numbers) == info.smallest / 2, expected, away)
    assert_same_reals(numbers, round_to(format_, numbers, rounding, saturate), expected)


@pytest.mark.parametrize("name", [name for name in FORMATS if name.startswith(("int", "uint"))])
@pytest.mark.parametrize(("rounding", "function"), [("nearest_even", np.rint), ("toward_zero", np.trunc)])
def test_integers_against_numpy(name: str, rounding: str, function: np.ufunc, rng: np.random.Generator) -> None:
    bits = int(name.removeprefix("u").removeprefix("int"))
    low, high = (0, 2**bits - 1) if name.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    numbers = hard_numbers(FORMATS[name], rng, COUNT)
    expected = np.clip(function(numbers), low, high).astype(np.int64) & (2**bits - 1)
    assert_same_codes(numbers, encode(FORMATS[name], numbers, rounding), expected)


@pytest.mark.parametrize(
    ("number", "saturate", "code"),
    [
        (1.1 * 2.0**-127, False, 0x00),
        (1.5 * 2.0**-127, False, 0x01),
        (2.0**-149, False, 0x00),
        (0.0, False, 0xFF),
        (0.0, True, 0x00),
        (-1.0, False, 0xFF),
        (-1.0, True, 0x00),
        (1.5, False, 0x80),
        (3.0, False, 0x81),
        (1.49 * 2.0**127, False, 0xFE),
        (1.5 * 2.0**127, False, 0xFF),
        (1.5 * 2.0**127, True, 0xFE),
    ],
)
def test_ends_and_ties_of_e8m0(number: float, saturate: bool, code: int) -> None:
    assert encode(FORMATS["e8m0"], [number], "nearest_even", saturate).tolist() == [code]


@pytest.mark.parametrize(
    ("name", "number", "rounding", "code"),
    [
        ("ocp_e4m3", 464.0, "nearest_even", 0x7E),  # midway between 448 and 480, whose significand is odd
        ("ocp_e4m3", np.nextafter(464.0, 500), "nearest_even", 0x7F),
        ("ocp_e4m3", -1e9, "nearest_even", 0xFF),
        ("ocp_e4m3", 1e9, "toward_zero", 0x7E),  # IEEE 754-2019, 7.4 b
        ("ocp_e4m3", np.inf, "toward_zero", 0x7F),
        ("ocp_e5m2", 61440.0, "nearest_even", 0x7C),  # midway between 57344, whose significand is odd, and 65536
        ("ocp_e5m2", np.nextafter(61440.0, 0), "nearest_even", 0x7B),
        ("ocp_e5m2", -1e9, "toward_zero", 0xFB),
        ("fp16", 65520.0, "nearest_even", 0x7C00),
        ("fp16", 1e9, "toward_zero", 0x7BFF),
        ("fp16", -(2.0**-25), "nearest_even", 0x8000),
    ],
)
def test_overflow_without_saturation(name: str, number: float, rounding: str, code: int) -> None:
    """OCP 8-bit floating point specification 1.0, conversion without saturation; IEEE 754-2019, 7.4."""
    assert encode(FORMATS[name], [number], rounding, saturate=False).tolist() == [code]
