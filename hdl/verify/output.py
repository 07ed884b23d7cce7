"""Results as they leave, and requantized: every format side by side in one build, fed with the same numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from hdl.bench.vectors import RESET, Vectors
from hdl.output import Output
from hdl.requantizer import Requantizer
from hdl.verify.codes import codes_of
from sim.epilogue import OUTPUT_BITS, SCALE_BITS
from sim.formats import FORMATS, Format
from sim.output import OutputFormat, requantize, requantizer_latency

Target = Format | OutputFormat
Bits = NDArray[np.uint32]

QUIET_NAN, INFINITY, MAGNITUDE = 0x7FC00000, 0x7F800000, 0x7FFFFFFF
LARGEST_SCALE = 0x7BFF
ORDINARY = 4000
"""Results of any bits."""
TIES = 40
"""Of each format: where its rounding changes, and numbers nearby."""
ADVANCING = 0.7


class OutputBank(wiring.Component):
    """A component for each format, with the inputs of all and an output ``converted_<index>`` each."""

    module_name = "output_bank"

    def __init__(self, formats: Sequence[Target]) -> None:
        self.formats = formats
        ins = {"result": In(OUTPUT_BITS), "scale": In(SCALE_BITS), "advance": In(1)}
        super().__init__({**ins, **{f"converted_{i}": Out(format_.bits) for i, format_ in enumerate(formats)}})

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002 - Amaranth's interface
        m = Module()
        for i, format_ in enumerate(self.formats):
            part = m.submodules[f"part_{i}"] = component_of(format_)
            m.d.comb += [part.result.eq(self.result), part.advance.eq(self.advance)]
            m.d.comb += getattr(self, f"converted_{i}").eq(part.converted)
            if isinstance(part, Requantizer):
                m.d.comb += part.scale.eq(self.scale)
        return m


def component_of(format_: Target) -> Any:
    """The hardware of a format."""
    return Output(format_) if isinstance(format_, OutputFormat) else Requantizer(format_)


def latency_of(format_: Target) -> int:
    """Cycles that advance, from a result to what it becomes."""
    return format_.latency if isinstance(format_, OutputFormat) else requantizer_latency(format_)


def output_vectors(formats: Sequence[Target], seed: int, ties: int = TIES) -> Vectors:
    """All exponents, numbers of any bits, ties and their neighbours, each with a scale; noise where nothing advances."""
    rng = np.random.default_rng(seed)
    parts = [_exponents(rng), (rng.integers(1 << 32, size=ORDINARY, dtype=np.uint32), random_scales(rng, ORDINARY))]
    parts += [near_ties(rng, format_, ties) for format_ in formats]
    results, scales = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    nan = (results & MAGNITUDE) > INFINITY
    results = np.where(nan, results | QUIET_NAN, results).astype(np.uint32)
    order = rng.permutation(len(results))
    results, scales, nan = results[order], scales[order], nan[order]

    advance = rng.random(int(len(results) / ADVANCING)) < ADVANCING
    moved: NDArray[np.int64] = np.cumsum(advance) - advance
    taken = np.minimum(moved, len(results) - 1)
    inputs = {
        RESET: rng.integers(2, size=len(advance)),
        "advance": advance.astype(np.int64),
        "result": np.where(advance, results[taken], rng.integers(1 << 32, size=len(advance))),
        "scale": np.where(advance, scales[taken], rng.integers(1 << SCALE_BITS, size=len(advance))),
    }
    outputs: dict[str, NDArray[Any]] = {}
    checked: dict[str, NDArray[np.bool_]] = {}
    for i, format_ in enumerate(formats):
        out = moved - latency_of(format_)
        source = np.clip(out, 0, len(results) - 1)
        outputs[f"converted_{i}"] = expected(format_, results, scales, nan)[source]
        checked[f"converted_{i}"] = (out >= 0) & (out < len(results)) & ~(nan[source] & _refuses_nan(format_))
    return Vectors(inputs, outputs, checked)


def expected(format_: Target, results: Bits, scales: NDArray[np.uint16], nan: NDArray[np.bool_]) -> NDArray[np.int64]:
    """What the model makes of them, as bits; of NaN, where it is refused, anything."""
    numbers = np.where(nan & _refuses_nan(format_), 0, results).astype(np.uint32).view(np.float32)
    if isinstance(format_, Format):
        return requantize(numbers, format_, scales.view(np.float16)).astype(np.int64)
    converted = format_.convert(numbers)
    return converted.view(np.uint16).astype(np.int64) if format_.kind == "fp16" else converted


def _refuses_nan(format_: Target) -> bool:
    return isinstance(format_, Format) or format_.kind == "fixed"


def random_scales(rng: np.random.Generator, count: int) -> NDArray[np.uint16]:
    """Codes of positive finite fp16 numbers: any, powers of two, subnormal ones, the ends."""
    kinds = [
        rng.integers(1, LARGEST_SCALE + 1, size=count),
        rng.integers(1, 31, size=count) << 10,
        rng.integers(1, 1 << 10, size=count),
        rng.choice([1, LARGEST_SCALE, 1 << 10], size=count),
    ]
    return np.choose(rng.choice(4, p=[0.5, 0.3, 0.1, 0.1], size=count), kinds).astype(np.uint16)


def near_ties(rng: np.random.Generator, format_: Target, count: int) -> tuple[Bits, NDArray[np.uint16]]:
    """Where a format's rounding changes, times a scale: any, the outermost, the least. And the fp32 numbers next to these,
    and those with another bit anywhere, which alone decides the rounding of a tie.
    """
    points = turning_points(format_, rng)
    least = np.argsort(np.abs(points))[:8]
    points = np.concatenate([points[[0, 1, 2, -3, -2, -1]], points[least], rng.choice(points, count)])
    scales = random_scales(rng, len(points))
    if isinstance(format_, OutputFormat):
        scales[:] = np.float16(1).view(np.uint16)
    with np.errstate(over="ignore"):
        bits = (points * scales.view(np.float16)).astype(np.float32).view(np.uint32)
    other = np.uint32(1) << rng.integers(23, size=len(bits)).astype(np.uint32)
    return np.concatenate([bits - 1, bits, bits + 1, bits ^ other]), np.tile(scales, 4)


def turning_points(format_: Target, rng: np.random.Generator) -> NDArray[np.float64]:
    """A format's numbers, what is midway between two of them, and the same one step beyond its ends; ascending."""
    if isinstance(format_, OutputFormat) and format_.kind == "fixed":
        end = 1 << format_.bits - 1
        some = rng.integers(-end, end, size=TIES) >> rng.integers(format_.bits, size=TIES)
        numbers = np.unique(np.concatenate([some, some + 1, [-end, 1 - end, -1, 0, 1, end - 2, end - 1]]))
        numbers = np.ldexp(numbers.astype(np.float64), -format_.fraction_bits)
    else:
        table = format_ if isinstance(format_, Format) else FORMATS[format_.name]
        numbers = np.unique(table.reals[codes_of(table)])
    numbers = np.concatenate([[2 * numbers[0] - numbers[1]], numbers, [2 * numbers[-1] - numbers[-2]]])
    return np.sort(np.concatenate([numbers, (numbers[1:] + numbers[:-1]) / 2]))


def _exponents(rng: np.random.Generator) -> tuple[Bits, NDArray[np.uint16]]:
    """Every sign and exponent, infinities and NaN among them, with the least, the largest and any fraction."""
    fractions = np.array([0, 1, (1 << 23) - 1, int(rng.integers(1 << 23))], dtype=np.uint32)
    results = (np.arange(512, dtype=np.uint32)[:, None] << 23 | fractions).reshape(-1)
    return results.astype(np.uint32), random_scales(rng, len(results))
