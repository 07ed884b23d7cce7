"""The epilogue's Verilog against numpy's float32, operation by operation in the stated order."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdl.bench.vectors import Vectors, restarted
from hdl.epilogue import Epilogue
from hdl.tools.verilator import Bench
from sim.design import DesignPoint
from sim.epilogue import LATENCY

# Group sums of 25 bits: the largest corrected sums that any design can have.
DESIGN = DesignPoint("test", weight_format="uint8", activation_format="int16", group_size=2, rows=6, columns=3)
LIMIT = 2 * 255 * 32768
ROWS = DESIGN.rows
OUTPUTS = 400

LARGEST, SMALLEST, SUBNORMAL = np.float16(65504), np.float16(2**-24), np.float16(1023 * 2**-24)


def random_scales(rng: np.random.Generator, shape: int | tuple[int, ...]) -> NDArray[np.float16]:
    """Every positive finite fp16 number is as likely as every other one: a thirtieth are subnormal."""
    return rng.integers(1, 0x7C00, size=shape).astype(np.uint16).view(np.float16)


def scales_of(rng: np.random.Generator, significands: NDArray[np.int64]) -> NDArray[np.float16]:
    """Scales with these significands of at most 11 bits, half of them as low as they can be: subnormal ones."""
    exponents = np.where(rng.random(significands.shape) < 0.5, -24, rng.integers(-24, 5, size=significands.shape))
    return np.ldexp(significands, exponents).astype(np.float16)


def tied(
    rng: np.random.Generator, bits: NDArray[np.int64], shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Significands of ``bits``, and sums whose products with them have at most a bit more than fp32: those are ties."""
    significands = rng.integers(1 << bits - 1, 1 << bits) | 1
    return significands, np.minimum(LIMIT, rng.integers(1 << 24 - bits, 1 << 25 - bits, size=shape) | 1)


def random_sums(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Integers of all widths: short ones times an 11-bit significand often end in a rounding tie."""
    sums = rng.integers(-LIMIT, LIMIT + 1, size=shape) >> rng.integers(0, 24, size=shape)
    return np.where(rng.random(shape) < 0.1, 0, sums)


def groups_of_output(
    rng: np.random.Generator, index: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float16], NDArray[np.float16]]:
    """Sums less their corrections ``[g, r]``, zero points ``[g]``, scales ``[g]``, token scales ``[r]`` of an output."""
    groups = int(rng.integers(1, 5))
    sums, zero_points, scales = random_sums(rng, (groups, ROWS)), np.zeros(groups, dtype=np.int64), random_scales(rng, groups)
    token_scales = random_scales(rng, ROWS)
    if rng.random() < 0.1:
        token_scales[:] = rng.choice([SMALLEST, SUBNORMAL, LARGEST])
    match index % 8:
        case 0:  # exact cancellation, and cancellation down to the last unit
            sums = np.concatenate([sums, -sums[::-1] + rng.integers(-1, 2, size=sums.shape) * (rng.random(sums.shape) < 0.5)])
            sums = np.clip(sums, -LIMIT, LIMIT)
            scales = np.concatenate([scales, scales[::-1]])
            zero_points = np.zeros(2 * groups, dtype=np.int64)
        case 1:  # the largest of everything
            sums = np.where(rng.random(sums.shape) < 0.5, -LIMIT, LIMIT)
            scales[:] = LARGEST
        case 2:  # the smallest of everything
            sums = rng.integers(-2, 3, size=sums.shape)
            scales = rng.choice([SMALLEST, SUBNORMAL], size=groups)
        case 3:  # powers of two: sums whose tail is exactly half a unit in the last place
            scales = (2.0 ** rng.integers(-20, 16, size=groups)).astype(np.float16)
        case 4 | 5:  # zero points
            zero_points = rng.integers(1 << DESIGN.zero_point_bits, size=groups)
            sums = rng.integers(-1000, 1001, size=sums.shape)
        case 6:  # products with scales are ties
            significands, sums = tied(rng, rng.integers(1, 12, size=(groups, 1)), sums.shape)
            scales = scales_of(rng, significands[:, 0])
        case 7:  # products with token scales are ties
            significands, sums = tied(rng, rng.integers(1, 12, size=ROWS), (1, ROWS))
            scales, zero_points = np.ldexp(1.0, rng.integers(-20, 16, size=1)).astype(np.float16), zero_points[:1]
            token_scales = scales_of(rng, significands)
    return sums, zero_points, scales, token_scales


def epilogue_vectors(seed: int) -> Vectors:
    """Outputs of all kinds, groups back to back or not, noise in between; a reset, and some of them again."""
    rng = np.random.default_rng(seed)
    outputs = [groups_of_output(rng, index) for index in range(OUTPUTS)]
    groups = sum(len(scales) for _, _, scales, _ in outputs)
    gaps = rng.integers(0, 3, size=groups) * (rng.random(groups) < 0.3).astype(np.int64)
    cycles = groups * ROWS + int(gaps.sum()) + 2 * LATENCY
    noise = {"scale": 1 << 16, "zero_point": 256, "token_scale": 1 << 16, "first_group": 2, "last_group": 2}
    inputs = {name: rng.integers(limit, size=cycles) for name, limit in noise.items()}
    inputs |= {"sum": rng.integers(1 << 25, size=cycles), "row_sum": rng.integers(1 << DESIGN.row_sum_bits, size=cycles)}
    inputs |= {"sum_valid": np.zeros(cycles, dtype=np.int64), "load": np.zeros(cycles, dtype=np.int64)}
    expected: dict[int, np.float32] = {}

    load = 0  # with the last row of the previous group, if that follows directly
    group = 0
    for sums, zero_points, scales, token_scales in outputs:
        total = np.zeros(ROWS, dtype=np.float32)
        for g, scale in enumerate(scales):
            row_sums = rng.integers(-60000, 60001, size=ROWS) if zero_points[g] else rng.integers(-65536, 65535, size=ROWS)
            row_sums = np.clip(row_sums, -32000, 32000) if zero_points[g] else row_sums
            corrected = sums[g] - zero_points[g] * row_sums
            total = total + scale.astype(np.float32) * corrected.astype(np.float32)
            at = slice(load + 1, load + 1 + ROWS)
            inputs["load"][load] = 1
            inputs["scale"][load] = scale.view(np.uint16)
            inputs["zero_point"][load] = zero_points[g]
            inputs["first_group"][load], inputs["last_group"][load] = g == 0, g == len(scales) - 1
            inputs["sum"][at], inputs["row_sum"][at] = sums[g], row_sums
            inputs["sum_valid"][at], inputs["token_scale"][at] = 1, token_scales.view(np.uint16)
            if g == len(scales) - 1:
                scaled = total * token_scales.astype(np.float32)
                expected |= {load + 1 + r + LATENCY: scaled[r] for r in range(ROWS)}
            load += ROWS + int(gaps[group])
            group += 1

    due = np.isin(np.arange(cycles), list(expected))
    results = np.zeros(cycles, dtype=np.int64)
    results[list(expected)] = [int(value.view(np.uint32)) for value in expected.values()]
    outputs = {"result_valid": due.astype(np.int64), "result": results}
    for name in ("row_sum", "token_scale", "load", "first_group", "last_group"):
        outputs[f"{name}_out"] = np.concatenate([[0], inputs[name][:-1]])
    cut, again = rng.integers(cycles // 8, cycles // 4, size=2)
    return restarted(Vectors(inputs, outputs, {"result": due}), int(cut), int(again))


def test_every_result_in_its_cycle(build_dir: Path, seed: int) -> None:
    assert Bench.of([Epilogue(DESIGN)], build_dir).run(epilogue_vectors(seed)) == []
