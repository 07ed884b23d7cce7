"""The epilogue's Verilog for sums that are no short integers, against numpy's float32 in the order of ``sim.epilogue``."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hdl.bench.vectors import Vectors
from hdl.epilogue import Epilogue
from hdl.tools.verilator import Bench
from sim.design import DesignPoint
from sim.epilogue import LATENCY
from sim.reference import round_to_float

GROUPS, OUTPUTS = 3, 600
NAN = 0x7FC00000

Floats = NDArray[np.float32]


def bits_of(numbers: Floats) -> NDArray[np.int64]:
    """The bits of fp32 numbers; those of the one NaN that hardware makes for any."""
    return np.where(np.isnan(numbers), NAN, numbers.view(np.uint32).astype(np.int64))


def random_floats(rng: np.random.Generator, shape: tuple[int, ...], dtype: type, bits: int) -> Floats:
    """Any number that is no NaN and no negative zero, some of them infinities, subnormal, or near to others."""
    codes = rng.integers(1 << bits, size=shape)
    near = (
        rng.integers(1 << bits, size=(*shape[:-1], 1)) ^ rng.integers(8, size=shape) ^ (rng.integers(2, size=shape) << bits - 1)
    )
    codes = np.where(rng.random(shape) < 0.3, near, codes)
    short = rng.integers(1 << bits, size=shape) & rng.choice([0x80000000 >> 32 - bits, 0xFF >> 8 - min(bits, 8)], size=shape)
    codes = np.where(rng.random(shape) < 0.1, short, codes)
    numbers = codes.astype(np.uint32 if bits == 32 else np.uint16).view(dtype).astype(np.float32)
    numbers = np.where(rng.random(shape) < 0.02, rng.choice([-np.inf, np.inf], size=shape), numbers)
    return np.where(np.isnan(numbers) | (numbers == 0), np.float32(0), numbers).astype(np.float32)


def random_scales(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float16]:
    return rng.integers(1, 0x7C00, size=shape).astype(np.uint16).view(np.float16)


def differences(
    design: DesignPoint, inputs: dict[str, NDArray[np.int64]], corrected: Floats, build_dir: Path, seed: int
) -> list[object]:
    """Sums, and what belongs to them, ``[output, group]`` through the epilogue of an array of one row, back to back."""
    rng = np.random.default_rng(seed)
    scale, token_scale = random_scales(rng, corrected.shape), random_scales(rng, corrected.shape[:1])
    total = np.zeros(corrected.shape[0], np.float32)
    with np.errstate(all="ignore"):
        for g in range(corrected.shape[1]):
            total = total + scale[:, g].astype(np.float32) * corrected[:, g]
        results = total * token_scale.astype(np.float32)
    cycles = corrected.size + LATENCY + 2

    def at(start: int, values: NDArray[np.generic]) -> NDArray[np.generic]:
        padded = np.zeros(cycles, dtype=values.dtype)
        padded[start : start + values.size] = values.ravel()
        return padded

    group = np.broadcast_to(np.arange(corrected.shape[1]), corrected.shape)
    with_load = {"load": np.ones_like(group), "scale": scale.view(np.uint16).astype(np.int64)}
    with_load |= {"first_group": (group == 0).astype(np.int64), "last_group": (group == group[0, -1]).astype(np.int64)}
    with_load |= {name: values for name, values in inputs.items() if name == "zero_point"}
    with_sum = {name: values for name, values in inputs.items() if name != "zero_point"} | {"sum_valid": np.ones_like(group)}
    with_sum["token_scale"] = np.repeat(token_scale.view(np.uint16).astype(np.int64), corrected.shape[1])
    stimulus = {name: at(0, values) for name, values in with_load.items()} | {name: at(1, v) for name, v in with_sum.items()}
    due = np.zeros(cycles, dtype=bool)
    due[LATENCY + corrected.shape[1] : corrected.size + LATENCY + 1 : corrected.shape[1]] = True
    expected = np.zeros(cycles, dtype=np.int64)
    expected[due] = bits_of(results)
    outputs = {"result": expected, "result_valid": due.astype(np.int64)}
    return list(Bench.of([Epilogue(design)], build_dir).run(Vectors(stimulus, outputs, {"result": due})))


@pytest.mark.parametrize(("accumulator", "dtype", "bits"), [("fp32", np.float32, 32), ("fp16", np.float16, 16)])
def test_float_sums_with_zero_points(accumulator: str, dtype: type, bits: int, build_dir: Path, seed: int) -> None:
    """Infinite sums and row sums, zero points of zero, cancellation, products that underflow: one rounding each."""
    formats = {"weight_format": "uint8", "activation_format": "bf16", "accumulator": accumulator}
    design = DesignPoint("test", pe="shift_add_float", **formats, group_size=8, rows=1, columns=1)
    rng = np.random.default_rng(seed)
    sums = random_floats(rng, (OUTPUTS, GROUPS), dtype, bits)
    row_sums = random_floats(rng, (OUTPUTS, GROUPS), np.float32, 32)
    zero_point = rng.integers(256, size=sums.shape) * (rng.random(sums.shape) < 0.7)
    # Row sums of which the zero point's product is about the group's sum.
    close = (sums / np.maximum(zero_point, 1)).astype(np.float32)
    row_sums = np.where((rng.random(sums.shape) < 0.5) & (close != 0), close, row_sums)
    with np.errstate(all="ignore"):
        corrected = sums - zero_point.astype(np.float32) * row_sums
    assert np.isnan(corrected).any() and np.isinf(corrected).any() and (corrected == 0).any()
    codes = sums.astype(dtype).view(np.uint32 if bits == 32 else np.uint16).astype(np.int64)
    inputs = {"sum": codes, "row_sum": bits_of(row_sums), "zero_point": zero_point}
    assert differences(design, inputs, corrected, build_dir, seed) == []


def test_small_float_sums(build_dir: Path, seed: int) -> None:
    """Subnormal sums times small scales: totals and results that are subnormal, or zeros that keep their sign."""
    formats = {"weight_format": "bf16", "activation_format": "bf16", "accumulator": "bf16"}
    design = DesignPoint("test", pe="multiplier", **formats, group_size=8, rows=1, columns=1)
    rng = np.random.default_rng(seed)
    codes = rng.integers(0x1300, size=(OUTPUTS, GROUPS)) & rng.choice([0x7F, 0x3FF, 0x1FFF], size=(OUTPUTS, GROUPS))
    codes = np.where(codes, codes | rng.integers(2, size=codes.shape) << 15, 0)
    sums = (codes.astype(np.uint32) << 16).view(np.float32)
    assert differences(design, {"sum": codes}, sums, build_dir, seed) == []


@pytest.mark.parametrize("accumulator", ["exact", "wrap60"])
def test_fixed_point_sums_are_rounded_before_they_are_scaled(accumulator: str, build_dir: Path, seed: int) -> None:
    """uint8 x fp16: units of 2**-24; sums of all widths, ties among them."""
    formats = {"weight_format": "uint8", "activation_format": "fp16", "accumulator": accumulator}
    design = DesignPoint("test", pe="shift_add_float", **formats, group_size=8, rows=1, columns=1)
    rng = np.random.default_rng(seed)
    shape = (OUTPUTS, GROUPS)
    largest = 8 * 255 * design.activation.largest
    assert largest < 1 << 59
    ends = rng.choice([-largest, largest], size=shape)
    wanted = np.where(
        rng.random(shape) < 0.05, ends, rng.integers(-largest, largest + 1, size=shape) >> rng.integers(59, size=shape)
    )
    ties = (rng.integers(-(1 << 25), 1 << 25, size=shape) | 1) << rng.integers(26, size=shape)
    wanted = np.where(rng.random(shape) < 0.3, ties, wanted)
    row_sums = rng.integers(-(8 << 40), 8 << 40, size=shape) >> rng.integers(43, size=shape)
    zero_point = rng.integers(256, size=shape)
    sums = wanted + zero_point * row_sums
    fits = np.abs(sums) < 1 << design.accumulator_bits - 1
    zero_point, sums = np.where(fits, zero_point, 0), np.where(fits, sums, wanted)
    corrected = np.array(
        [[float(round_to_float(Fraction(int(x), 1 << 24), "fp32")) for x in row] for row in wanted], np.float32
    )
    inputs = {"sum": sums, "row_sum": row_sums, "zero_point": zero_point}
    assert differences(design, inputs, corrected, build_dir, seed) == []
