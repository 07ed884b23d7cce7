"""How numbers become codes in every scheme: by hand, at the extremes, in blocks, and again after dequantizing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.errors import InputError
from sim.formats import FORMATS
from sim.quantized import SCHEMES, Axis, QuantizedTensor, ScaleLevel, Scheme, codes_of, quantize
from sim.quantized import blocks as blocks_module

CASES = [(name, axis) for name, scheme in SCHEMES.items() for axis in scheme.axes]

IDEMPOTENT = {
    *("fp16", "bf16", "int8_channel", "int8_token", "int4_g128"),
    *("mxfp4", "mxfp6_e2m3", "mxfp6_e3m2", "mxfp8_e4m3", "mxfp8_e5m2", "nvfp4", "e4m3_channel", "e4m3_token"),
    *("nf4_g64", "log4_g128", "pot4_g128", "apot5_g128", "bipolar4_g128"),
}
"""Quantized again these give the same tensor: the greatest magnitude keeps the code that its scale was made for. Not the
others: MXINT8 rounds up to -2 and then the exponent rises, ranges with a zero point need not reach both ends, a small
int8 scale is coarse, and a code book is fitted anew."""


def column(*numbers: float) -> NDArray[np.float32]:
    return np.array(numbers, np.float32)[:, None]


def test_mxfp4_by_hand() -> None:
    """amax 13: exponent 3 - 2, scale 2; 13/2 is beyond 6; -5/2 is a tie of 2 and 3, the even significand is 2."""
    q = quantize(column(13, -5, 1, 0.5, -0.1), SCHEMES["mxfp4"], 0)
    assert q.scales[0].tolist() == [[128]]
    assert q.codes.ravel().tolist() == [7, 0b1100, 1, 0, 0b1000]
    assert q.dequantize().ravel().tolist() == [12, -4, 1, 0, 0]


def test_e8m0_is_limited_to_its_exponents() -> None:
    least = quantize(column(2.0**-126, 2.0**-128), SCHEMES["mxfp4"], 0)
    assert (least.scales[0].tolist(), least.codes.ravel().tolist()) == ([[0]], [4, 1])
    greatest = quantize(column(2.0**127), SCHEMES["mxfp8_e5m2"], 0)
    assert greatest.scales[0].tolist() == [[127 + 127 - 15]]


def test_nvfp4_by_hand() -> None:
    """Tensor 2688 = 448 * 6: scale 1; the blocks' amax 2688, 6 * 3 and 6 * 0.001 become 448, 3 and the least E4M3."""
    q = quantize(column(*[2688, -1344, *[0] * 14, 18, -6, *[0] * 14, 0.006]), SCHEMES["nvfp4"], 0)
    assert q.scales[0].tolist() == [[1.0]]
    assert q.scales[1].ravel().tolist() == [0x7E, 0x44, 0x01]
    assert q.codes.ravel()[[0, 1, 16, 17, 32]].tolist() == [7, 0b1101, 7, 0b1100, 5]


def test_nf4_by_hand() -> None:
    q = quantize(column(-4, 4 * 0.7229568362236023, 1, 0), SCHEMES["nf4_g64"], 0)
    assert q.scales[0].tolist() == [[4.0]]
    assert q.codes.ravel().tolist() == [0, 14, 10, 7]


def test_two_levels_by_hand() -> None:
    """Groups with amax 7 * 127 * 0.5 and 7 * 31.6 * 0.5: the channel's scale 0.5, of which they take 127 and 32 steps."""
    q = quantize(column(*[7 * 63.5] * 128, 7 * 15.8), SCHEMES["int4_two_level"], 0)
    assert q.scales[0].tolist() == [[0.5]]
    assert q.scales[1].ravel().tolist() == [127, 32]
    assert q.codes.ravel()[[0, -1]].tolist() == [7, 7]


def test_float_minimum_by_hand() -> None:
    """Range 10 to 25: minimum 10, step 1, no zero needed inside."""
    q = quantize(column(10, 25, 12.5, 13.5), SCHEMES["uint4_minimum_g64"], 0)
    assert (q.scales[0].tolist(), q.zero.tolist()) == ([[1.0]], [[10.0]])
    assert q.codes.ravel().tolist() == [0, 15, 2, 4]
    assert q.dequantize().ravel().tolist() == [10, 25, 12, 14]


def test_zero_point_per_token_by_hand() -> None:
    q = quantize(np.float32([[-10, 245], [0, 510]]), SCHEMES["uint8_token"], 1)
    assert (q.scales[0].tolist(), q.zero.tolist()) == ([[1.0], [2.0]], [[10], [0]])
    assert q.codes.tolist() == [[0, 255], [0, 255]]


def test_fp8_per_channel_by_hand() -> None:
    q = quantize(np.float32([[448, 1], [-17, 0.5]]), SCHEMES["e4m3_channel"], 0)
    assert q.scales[0].tolist() == [[1.0, float(np.float32(1 / 448))]]
    assert q.codes.tolist() == [[0x7E, 0x7E], [0xD8, 0x76]]


def test_planes_of_plus_and_minus_one_have_no_zero() -> None:
    q = quantize(column(30, 0.5, -0.5, -30), SCHEMES["bipolar4_g128"], 0)
    assert q.dequantize().ravel().tolist() == [30, 2, -2, -30]


@pytest.mark.parametrize(("name", "axis"), CASES)
def test_zeros_become_zeros(name: str, axis: Axis) -> None:
    q = quantize(np.zeros((66, 3) if axis == 0 else (3, 66)), SCHEMES[name], axis)
    least = 2.0**-24  # of fp16, which a format without zero is left with
    assert np.abs(q.dequantize()).max() <= (15 * least if name.startswith("bipolar") else 0)


@pytest.mark.parametrize(("name", "axis"), CASES)
@pytest.mark.parametrize("magnitude", [2.0**-149, 2.0**-126, 2.0**-20, 1, 2.0**14, float(np.finfo(np.float32).max)])
def test_extremes_give_tensors_of_finite_numbers(rng: np.random.Generator, name: str, axis: Axis, magnitude: float) -> None:
    x = (rng.uniform(-1, 1, size=(40, 40)) * magnitude).astype(np.float32)
    x[3, 3] = magnitude
    assert np.isfinite(quantize(x, SCHEMES[name], axis).dequantize()).all()


def ordinary(rng: np.random.Generator, axis: Axis) -> NDArray[np.float32]:
    """Numbers ``[k, 6]`` or ``[6, k]`` with a tail, every 64 of them of another size, half of the tensors off zero.

    The last group is short, or the only one.
    """
    k = int(rng.integers(1, 400))
    sizes = np.repeat(rng.lognormal(sigma=2, size=(-(-k // 64), 1)), 64, axis=0)[:k]
    numbers = rng.standard_t(4, size=(k, 6)) * sizes + rng.integers(2) * 50 * rng.normal()
    return np.ascontiguousarray(numbers if axis == 0 else numbers.T, dtype=np.float32)


@pytest.mark.parametrize(("name", "axis"), CASES)
def test_dequantized_numbers_have_the_codes_they_came_from(rng: np.random.Generator, name: str, axis: Axis) -> None:
    for _ in range(20):
        q = quantize(ordinary(rng, axis), SCHEMES[name], axis)
        assert np.array_equal(codes_of(q.dequantize(), q.scheme, axis, q.scales, q.zero), q.codes)


@pytest.mark.parametrize(("name", "axis"), CASES)
def test_which_schemes_are_idempotent(rng: np.random.Generator, name: str, axis: Axis) -> None:
    again = []
    for _ in range(60):
        q = quantize(ordinary(rng, axis), SCHEMES[name], axis)
        again.append(quantize(q.dequantize(), SCHEMES[name], axis) == q)
    assert all(again) == (name in IDEMPOTENT)


@pytest.mark.parametrize(("name", "axis"), [(name, axis) for name, axis in CASES if SCHEMES[name].format.bits <= 8])
def test_every_code_is_the_nearest_number(rng: np.random.Generator, name: str, axis: Axis) -> None:
    """By trying all codes; what rounding in fp32 or a tie leaves open is below 2**-20 of a scale."""
    x = ordinary(rng, axis)[:40, :40]
    q = quantize(x, SCHEMES[name], axis)
    error = np.abs(q.dequantize().astype(np.float64) - x)
    best = np.full(x.shape, np.inf)
    for code in np.flatnonzero(np.isfinite(q.format.reals)):
        one = QuantizedTensor(np.full(x.shape, code, q.codes.dtype), q.scheme, axis, q.scales, q.zero)
        best = np.minimum(best, np.abs(one.dequantize().astype(np.float64) - x))
    assert (error <= best + 2.0**-20 * np.abs(x).max()).all()


@pytest.mark.parametrize(("name", "axis"), CASES)
def test_blocks_do_not_show(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, name: str, axis: Axis) -> None:
    x = rng.normal(size=(70, 50)).astype(np.float32)
    whole = quantize(x, SCHEMES[name], axis)
    numbers = whole.dequantize()
    monkeypatch.setattr(blocks_module, "BLOCK", 150)
    assert quantize(x, SCHEMES[name], axis) == whole
    assert np.array_equal(whole.dequantize(), numbers)


@pytest.mark.parametrize("name", ["int8_channel", "uint4_g64", "mxfp4", "nvfp4"])
def test_rounding_toward_zero(rng: np.random.Generator, name: str) -> None:
    x = rng.normal(size=(130, 4)).astype(np.float32)
    nearest, toward = (quantize(x, SCHEMES[name], 0, rounding) for rounding in ("nearest_even", "toward_zero"))
    assert all(np.array_equal(a, b) for a, b in zip(nearest.scales, toward.scales, strict=True))
    assert (np.abs(toward.dequantize()) <= np.abs(x) * (1 + 2.0**-23)).all()
    assert (nearest.codes != toward.codes).any()


@pytest.mark.parametrize("name", ["int8_channel", "uint4_g64", "mxfp8_e4m3", "uint4_minimum_g64"])
def test_stochastic_rounding_is_right_on_average(rng: np.random.Generator, name: str) -> None:
    """Mean of 400 roundings of the same numbers: within five standard deviations of at most half a step each.

    Ends at 0.875, 448/512, so that no number inside saturates in any of the formats.
    """
    x = rng.uniform(-0.8, 0.8, size=(64, 1)).astype(np.float32)
    x[[0, 1, 32]] = [[0.875], [-0.875], [0.875]]
    scheme = SCHEMES[name]
    runs = np.stack([quantize(x, scheme, 0, "stochastic", seed).dequantize() for seed in range(400)])
    step = np.abs(np.diff(np.unique(runs))).max()
    inside = np.abs(x) <= 0.8
    assert (np.abs(runs.mean(axis=0) - x)[inside] <= 5 * step / 2 / np.sqrt(400) + step * 2.0**-8).all()
    assert quantize(x, scheme, 0, "stochastic", 7) == quantize(x, scheme, 0, "stochastic", 7)
    assert quantize(x, scheme, 0, "stochastic", 7) != quantize(x, scheme, 0, "stochastic", 8)


def test_blocks_draw_different_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "BLOCK", 64)
    x = np.full((64, 64), 0.5, np.float32)
    x[0] = 127
    codes = quantize(x, SCHEMES["int8_channel"], 0, "stochastic", 0).codes
    assert not np.array_equal(codes[1], codes[2])


def test_what_cannot_be_quantized_is_refused() -> None:
    x = np.ones((4, 4))
    for rounding, seed, message in (
        ("up", None, "unknown rounding 'up'"),
        ("stochastic", None, "not None$"),
        ("stochastic", -1, "not -1$"),
    ):
        for name in ("int8_channel", "mxfp4"):
            with pytest.raises(InputError, match=message):
                quantize(x, SCHEMES[name], 0, rounding, seed)
    with pytest.raises(InputError, match="are not per channel, unlike channel$"):
        quantize(x, SCHEMES["int8_channel"], 1)
    with pytest.raises(InputError, match=r"two axes of at least 1, not shape \(4,\)$"):
        quantize(np.ones(4), SCHEMES["mxfp4"], 0)
    with pytest.raises(InputError, match=r"not shape \(0, 4\)$"):
        quantize(np.ones((0, 4)), SCHEMES["mxfp4"], 0)
    with pytest.raises(InputError, match="fp32 numbers, not 1e\\+39$"):
        quantize(np.float64([[1e39]]), SCHEMES["mxfp4"], 0)
    unsigned = Scheme(FORMATS["uint4"], (ScaleLevel("token", "fp16"),))
    assert quantize(np.float32([[15, 3]]), unsigned, 1).codes.tolist() == [[15, 3]]
    with pytest.raises(InputError, match=r"without a zero point are not negative, unlike -3\.0$"):
        quantize(np.float32([[15, -3]]), unsigned, 1)
