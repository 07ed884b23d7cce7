"""Tensors of any scheme with any codes and any scales, not only those that quantizing would give."""

from collections.abc import Callable

import numpy as np
import pytest

from sim.quantized import Axis, QuantizedTensor, Scheme

Make = Callable[[Scheme, tuple[int, int], Axis], QuantizedTensor]


@pytest.fixture
def make(rng: np.random.Generator) -> Make:
    def tensor(scheme: Scheme, shape: tuple[int, int], axis: Axis) -> QuantizedTensor:
        finite = np.flatnonzero(np.isfinite(scheme.format.reals))
        scales = []
        for level in scheme.levels:
            per, stored = scheme.level_shape(level.per, shape, axis), level.scale_format.dtype
            largest = {"fp32": 0x7F7FFFFF, "fp16": 0x7BFF, "bf16": 0x7F7F, "e8m0": 0xFE, "ocp_e4m3": 0x7E, "int8": 127}[
                level.format
            ]
            bits = rng.integers(0 if level.format == "e8m0" else 1, largest, per, endpoint=True)
            scales.append(bits.astype(f"u{stored.itemsize}").view(stored))
        finest = scheme.finest_shape(shape, axis)
        zero = {
            "none": None,
            "integer": rng.integers(0, len(scheme.format.values), finest).astype(scheme.code_dtype),
            "minimum": rng.normal(size=finest).astype(np.float16),
        }[scheme.zero]
        return QuantizedTensor(rng.choice(finite, shape).astype(scheme.code_dtype), scheme, axis, tuple(scales), zero)

    return tensor
