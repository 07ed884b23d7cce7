"""Names where objects belong, floats where codes belong: one sentence that ends with the value."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS, Format, encode
from sim.kernels.product import matrix_product
from sim.pe import PES
from sim.quantized import SCHEMES, QuantizedTensor, ScaleLevel, Scheme, codes_of, quantize
from sim.quantized.packing import pack_codes, write_tensor

INT8 = FORMATS["int8"]
ONES = np.ones((2, 2))
PE = PES["shift_add"](FORMATS["int4"], INT8)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: quantize(ONES, "mxfp4", 0), TypeError, "scheme is of type Scheme, not 'mxfp4'"),
        (lambda: quantize(ONES, SCHEMES["int8_channel"], True), TypeError, "reduction axis is of type int, not True"),
        (lambda: quantize(ONES * 1j, SCHEMES["int8_channel"], 0), InputError, "real numbers, not of type complex128"),
        (lambda: quantize(ONES * 1e300, SCHEMES["int8_channel"], 0), InputError, "fp32 numbers, not 1e+300"),
        (lambda: Scheme("int4"), TypeError, "format of a scheme is of type Format, not 'int4'"),
        (lambda: Scheme(INT8, ("group",)), TypeError, "level of scales is of type ScaleLevel, not 'group'"),
        (lambda: Scheme(INT8, (ScaleLevel("group", "fp16"),), "none", 2.5), TypeError, "group size is of type int, not 2.5"),
        (lambda: codes_of(ONES, SCHEMES["int8_channel"], 0, ()), InputError, "of 1 levels are needed, not of 0"),
        (lambda: matrix_product(ONES, ONES), TypeError, "1., 1.]])"),
        (lambda: matrix_product(*operands(), None), TypeError, "accumulator is of type str, not None"),
        (lambda: matrix_product(*operands(), "wrap020"), InputError, "between 2 and 128, not 'wrap020'"),
        (lambda: encode("e2m1", [1.0]), TypeError, "format is of type Format, not 'e2m1'"),
        (lambda: encode(INT8, [1.0], "stochastic", seed=-1), InputError, "an integer of at least 0, not -1"),
        (lambda: Format("x", (0, 1.5)), InputError, "in units of 2**lsb, not float"),
        (lambda: PES["shift_add"]("uint4", INT8), TypeError, "weight format is of type Format, not 'uint4'"),
        (lambda: PE.product(np.array([1.5]), np.array([1])), InputError, "codes of int4 are integers, not float64"),
        (lambda: PE.group_sums(np.ones((2, 2), int), np.ones((2, 2), int), 0), InputError, "at least 1, not 0"),
        (lambda: pack_codes(np.array([1.5]), 4), InputError, "integers, not of type float64"),
        (lambda: write_tensor(operands()[0], Path("/")), InputError, "a regular file that is there, not '/'"),
    ],
)
def test_one_sentence_ends_with_the_value(call: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value).endswith(message)


def operands() -> tuple[QuantizedTensor, QuantizedTensor]:
    return quantize(ONES, SCHEMES["int8_token"], 1), quantize(ONES, SCHEMES["int8_channel"], 0)


def test_operands_cannot_be_written_behind_what_is_kept() -> None:
    tensor = operands()[0]
    for array in (tensor.codes, tensor.integers, tensor.centered, *tensor.scales):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 0
