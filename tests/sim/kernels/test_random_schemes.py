"""Products of operands whose schemes nobody would register: every output against the judge."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS
from sim.kernels.product import matrix_product
from sim.quantized import QuantizedTensor, ScaleLevel, Scheme
from sim.quantized.scheme import Axis
from tests.sim.kernels.judging import judged

CASES, BATCHES = 60, 8
NAMES = [name for name in FORMATS if name != "uint16"]
SCALES = ("fp32", "fp16", "bf16", "ocp_e4m3", "int8", "e8m0", "signed_fp16", "fp16_uint6", "fp16_int8")


def some_scales(rng: np.random.Generator, name: str, shape: tuple[int, int]) -> np.ndarray:
    """Any scale of fp16, E4M3, int8 and products of two; a wide range of the others, in which nothing becomes infinite."""
    if name == "fp32":
        numbers = np.ldexp(rng.integers(1 << 23, 1 << 24, shape).astype(float), rng.integers(-60, 10, shape) - 23)
        return numbers.astype(np.float32)
    if name == "fp16":
        return rng.integers(1, 0x7C00, shape).astype(np.uint16).view(np.float16)
    if name == "signed_fp16":
        return rng.choice(np.float16([-1, 1, 0.0]), shape, p=[0.4, 0.4, 0.2]) * some_scales(rng, "fp16", shape)
    if name in ("fp16_uint6", "fp16_int8"):
        steps = rng.integers(*{"fp16_uint6": (0, 64), "fp16_int8": (-128, 128)}[name], shape)
        return some_scales(rng, "signed_fp16", shape).astype(np.float32) * steps.astype(np.float32)
    low, high = {"bf16": (0x3000, 0x4400), "e8m0": (100, 140), "ocp_e4m3": (1, 0x7F), "int8": (1, 128)}[name]
    return rng.integers(low, high, shape).astype(np.uint16 if name == "bf16" else np.uint8)


def some_scheme(rng: np.random.Generator, axis: Axis, group_size: int) -> Scheme:
    format_ = FORMATS[rng.choice(NAMES)]
    pers = ["tensor"] * (rng.random() < 0.3) + ["channel" if axis == 0 else "token"] * (rng.random() < 0.5)
    pers += ["group"] * (rng.random() < 0.5)
    levels = []
    for i, per in enumerate(pers):
        names = [n for n in SCALES if (n != "int8" or i) and (n != "e8m0" or i == len(pers) - 1)]
        levels.append(ScaleLevel(per, str(rng.choice(names))))
    unsigned = format_.is_integer and not format_.signed and levels
    zero = str(rng.choice(["none", "integer", "minimum"] if axis == 0 else ["none", "integer"])) if unsigned else "none"
    return Scheme(format_, tuple(levels), zero, group_size if "group" in pers else 0)


def some_tensor(rng: np.random.Generator, scheme: Scheme, axis: Axis, shape: tuple[int, int]) -> QuantizedTensor:
    """Any codes of numbers; sometimes only those of the extremes."""
    codes = np.flatnonzero(np.isfinite(scheme.format.reals))
    if rng.random() < 0.3:
        order = np.argsort(scheme.format.reals[codes])
        codes = codes[np.r_[order[:2], order[-2:]]]
    scales = tuple(some_scales(rng, level.format, scheme.level_shape(level.per, shape, axis)) for level in scheme.levels)
    zero = None
    if scheme.zero == "integer":
        zero = rng.integers(0, scheme.format.largest + 1, scheme.finest_shape(shape, axis)).astype(scheme.code_dtype)
    elif scheme.zero == "minimum":
        zero = (rng.normal(size=scheme.finest_shape(shape, axis)) * 100).astype(np.float16).astype(scheme.minimum_format.dtype)
    return QuantizedTensor(rng.choice(codes, shape).astype(scheme.code_dtype), scheme, axis, scales, zero)


def some_accumulator(rng: np.random.Generator, product_bits: int) -> str:
    family = str(rng.choice(["exact", "exact", "fp32", "fp16", "bf16", "aligned", "wrap", "saturate"]))
    if family == "aligned":
        return f"aligned{rng.integers(0, 25)}"
    if family in ("wrap", "saturate"):
        return f"{family}{min(rng.integers(product_bits, product_bits + 12), 128)}"
    return family


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_schemes(rng: np.random.Generator, batch: int) -> None:
    rng = np.random.default_rng([batch, int(rng.integers(1 << 30))])
    done = 0
    while done < CASES:
        m, n, group_size = (int(rng.choice(sizes)) for sizes in ([1, 2, 5], [1, 3], [1, 2, 16, 32]))
        k = int(rng.choice([1, 2, 3, 16, 17, 40, 70]))
        try:
            sa, sw = some_scheme(rng, 1, group_size), some_scheme(rng, 0, group_size)
            kept = some_accumulator(rng, sa.format.fixed_bits + sw.format.fixed_bits)
            a, w = some_tensor(rng, sa, 1, (m, k)), some_tensor(rng, sw, 0, (k, n))
            result = matrix_product(a, w, kept)
        except InputError:  # what no scheme or no product may be is tested elsewhere
            continue
        try:
            expected = [[judged(a, w, kept, i, j) for j in range(n)] for i in range(m)]
        except AssertionError:  # infinities, of which the judge knows nothing
            continue
        assert result.tolist() == expected, (sa, sw, kept, m, k, n)
        done += 1


def test_minima_are_not_scaled_by_any_level() -> None:
    """All numbers are small and scales powers of two, so that nothing is rounded: the product of what is dequantized."""
    levels = (ScaleLevel("channel", "fp16"), ScaleLevel("group", "int8"))
    scales = (np.float16([[4, 0.25]]), np.uint8([[1, 2], [4, 8]]))
    minimum = np.float16([[-3, 5], [0.5, -1]])
    codes = np.arange(8, dtype=np.uint8).reshape(4, 2)
    w = QuantizedTensor(codes, Scheme(FORMATS["uint4"], levels, "minimum", 2), 0, scales, minimum)
    zero = np.uint8([[3], [1]])
    token = Scheme(FORMATS["uint8"], (ScaleLevel("token", "fp16"),), "integer")
    a = QuantizedTensor(np.uint8([[1, 2, 3, 4], [0, 9, 7, 5]]), token, 1, (np.float16([[2], [0.5]]),), zero)
    expected = a.dequantize().astype(np.float64) @ w.dequantize().astype(np.float64)
    assert matrix_product(a, w, "exact").tolist() == expected.tolist()


@pytest.mark.parametrize("kept", ["wrap62", "wrap63", "wrap64", "wrap65", "saturate60", "saturate64"])
def test_corrections_around_64_bits(kept: str) -> None:
    """fp16's largest number times uint16, with the largest zero point: 256 products of 41 + 17 bits."""
    scheme = Scheme(FORMATS["uint16"], (ScaleLevel("group", "fp16"),), "integer", 256)
    one = np.float16([[1]])
    w = QuantizedTensor(np.full((256, 1), 3, np.uint16), scheme, 0, (one,), np.uint16([[65535]]))
    a = QuantizedTensor(np.full((1, 256), 0x7BFF, np.uint16), Scheme(FORMATS["fp16"]), 1)
    assert matrix_product(a, w, kept).tolist() == [[judged(a, w, kept, 0, 0)]]
