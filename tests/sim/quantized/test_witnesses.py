"""Other people's software: gfloat for the OCP blocks, ml_dtypes for casts, torch for integers with zero points."""

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sim.quantized import SCHEMES, quantize
from sim.quantized.scales import SCALE_FORMATS

BLOCKS = {
    "mxfp4": gfloat.formats.format_info_mxfp4_e2m1,
    "mxfp6_e2m3": gfloat.formats.format_info_mxfp6_e2m3,
    "mxfp6_e3m2": gfloat.formats.format_info_mxfp6_e3m2,
    "mxfp8_e4m3": gfloat.formats.format_info_mxfp8_e4m3,
    "mxfp8_e5m2": gfloat.formats.format_info_mxfp8_e5m2,
    "mxint8": gfloat.formats.format_info_mxint8,
}


def blocks_of_32(rng: np.random.Generator) -> NDArray[np.float32]:
    """``[k, n]``: ordinary columns, one of them scaled down to fp32's subnormals, one up to its end, zeros, ties."""
    x = rng.standard_t(3, size=(64, 8)) * 2.0 ** rng.integers(-10, 10, size=8)
    x[:, 1] *= 2.0**-130
    x[:, 2] *= 2.0**115 / np.abs(x[:, 2]).max()
    x[:32, 3] = 0
    x[:, 4] = np.round(x[:, 4] / np.abs(x[:, 4]).max() * 16) / 16
    x[:, 5] = -(2.0 ** -np.arange(64))
    return x.astype(np.float32)


@pytest.mark.parametrize("name", BLOCKS)
def test_ocp_blocks_equal_gfloats(rng: np.random.Generator, name: str) -> None:
    info, x = BLOCKS[name], blocks_of_32(rng)
    q = quantize(x, SCHEMES[name], 0)
    numbers = q.dequantize()
    assert q.bits_per_weight == info.block_size_bytes * 8 / info.k
    for column in range(x.shape[1]):
        for group in range(2):
            part = slice(32 * group, 32 * group + 32)
            block = x[part, column].astype(np.float64)
            scale = gfloat.compute_scale_amax(info.etype.emax, block)
            codes = list(gfloat.encode_block(info, scale, block / scale))
            assert [q.scales[0][group, column], *q.codes[part, column]] == codes
            assert np.array_equal(numbers[part, column], np.float32(list(gfloat.decode_block(info, codes))))


@pytest.mark.parametrize("axis", [0, 1])
def test_nvfp4_equals_ml_dtypes(rng: np.random.Generator, axis: int) -> None:
    """NVIDIA's recipe in the types of another library, one block at a time."""
    x = rng.standard_t(3, size=(64, 48)).astype(np.float32)
    q = quantize(x, SCHEMES["nvfp4"], 0 if axis == 0 else 1)
    tensor_scale = np.float32(np.abs(x).max() / np.float64(448 * 6))
    assert q.scales[0] == tensor_scale
    rows, codes, scales = (x, q.codes, q.scales[1]) if axis == 1 else (x.T, q.codes.T, q.scales[1].T)
    for row in range(rows.shape[0]):
        for group in range(rows.shape[1] // 16):
            block = rows[row, 16 * group : 16 * group + 16].astype(np.float64)
            scale = ml_dtypes.float8_e4m3fn(np.abs(block).max() / 6 / np.float64(tensor_scale))
            assert scales[row, group] == scale.view(np.uint8)
            elements = (block / (np.float64(scale) * np.float64(tensor_scale))).astype(ml_dtypes.float4_e2m1fn)
            assert np.array_equal(codes[row, 16 * group : 16 * group + 16], elements.view(np.uint8))


def test_fp8_per_token_equals_torch(rng: np.random.Generator) -> None:
    x = rng.normal(size=(9, 77)).astype(np.float32)
    q = quantize(x, SCHEMES["e4m3_token"], 1)
    theirs = torch.from_numpy(x.astype(np.float64) / q.scales[0].astype(np.float64)).to(torch.float8_e4m3fn)
    assert np.array_equal(q.codes, theirs.view(torch.uint8).numpy())


@pytest.mark.parametrize(("name", "dtype"), [("fp16", np.float16), ("bf16", ml_dtypes.bfloat16)])
def test_floats_without_scales_equal_a_cast(rng: np.random.Generator, name: str, dtype: type[np.generic]) -> None:
    x = (rng.normal(size=(30, 30)) * 2.0 ** rng.integers(-20, 10, size=30)).astype(np.float32)
    q = quantize(x, SCHEMES[name], 0)
    assert np.array_equal(q.codes, x.astype(dtype).view(np.uint16))
    assert np.array_equal(q.dequantize(), x.astype(dtype).astype(np.float32))


@pytest.mark.parametrize(("name", "low", "high"), [("uint4_g64", 0, 15), ("int4_g128", -8, 7), ("int8_channel", -128, 127)])
def test_integers_equal_torchs_fake_quantization(rng: np.random.Generator, name: str, low: int, high: int) -> None:
    """torch multiplies by the reciprocal of the scale, so a number that near a tie may differ; these numbers have none."""
    x = rng.normal(size=(64, 33)).astype(np.float32)
    q = quantize(x, SCHEMES[name], 0)
    zero = torch.zeros(33) if q.zero is None else torch.from_numpy(q.zero[0].astype(np.float32))
    scale = torch.from_numpy(q.scales[0][0].astype(np.float32))
    theirs = torch.fake_quantize_per_channel_affine(torch.from_numpy(x), scale, zero, 1, low, high)
    assert np.array_equal(q.dequantize(), theirs.numpy())


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("fp32", np.float32), ("fp16", np.float16), ("bf16", ml_dtypes.bfloat16), ("ocp_e4m3", ml_dtypes.float8_e4m3fn)],
)
def test_scales_are_rounded_as_casts_do(rng: np.random.Generator, name: str, dtype: type[np.generic]) -> None:
    scales = SCALE_FORMATS[name]
    least, greatest = scales.range
    exact = rng.lognormal(sigma=3, size=5000).astype(np.float32).astype(np.float64)
    stored = scales.round_scale(exact, 1.0)
    assert np.array_equal(
        stored.view(f"u{stored.itemsize}"), np.clip(exact, least, greatest).astype(dtype).view(f"u{stored.itemsize}")
    )
    ends = scales.to_real(scales.round_scale(np.array([1e-60, 1e60, 0.0, 0.0]), 1.0))
    assert ends.tolist() == [least, greatest, 1.0, 1.0]


def test_scales_of_steps_and_of_powers_of_two() -> None:
    steps = SCALE_FORMATS["int8"].round_scale(np.array([1e-9, 0.5, 1.5, 2.5, 126.6, 500, 0]), 0.0)
    assert steps.tolist() == [1, 1, 2, 2, 127, 127, 1]
    powers = SCALE_FORMATS["e8m0"].round_scale(np.array([1, 1.999, 2, 0.999, 2.0**-200, 2.0**200, 0]), 0.0)
    assert powers.tolist() == [127, 127, 128, 126, 0, 254, 0]
