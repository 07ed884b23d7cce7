"""Rows that are rounded one by one, against a whole tensor's rounding."""

import numpy as np
import pytest

from sim.quantized import SCHEMES, quantize
from sim.quantized.one_row import round_row, row_rounding

OF_WEIGHTS = [name for name, scheme in SCHEMES.items() if 0 in scheme.axes]


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_rows_have_the_codes_and_numbers_of_the_tensor(name: str, rng: np.random.Generator) -> None:
    numbers = rng.normal(size=(200, 9)).astype(np.float32)
    numbers[3, 2], numbers[7] = 0, -0.0
    tensor = quantize(np.abs(numbers) if SCHEMES[name].format.smallest >= 0 else numbers, SCHEMES[name], axis=0)
    rounding = row_rounding(tensor)
    codes, reals = np.empty_like(tensor.codes), np.empty(tensor.shape, np.float32)
    for k, row in enumerate(np.abs(numbers) if SCHEMES[name].format.smallest >= 0 else numbers):
        round_row(rounding, k, row, codes[k], reals[k])
    assert np.array_equal(codes, tensor.codes)
    assert reals.tobytes() == tensor.dequantize().tobytes()
