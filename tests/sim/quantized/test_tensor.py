"""What a tensor stands for, against exact fractions, and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS
from sim.quantized import SCHEMES, Axis, QuantizedTensor, ScaleLevel, Scheme, activation_scheme, quantize, weight_scheme

CASES = [(name, axis) for name, scheme in SCHEMES.items() for axis in scheme.axes]
LARGEST = float(np.finfo(np.float32).max)


def exact_number(tensor: QuantizedTensor, row: int, column: int) -> Fraction:
    """One number by the definition, the scale of each level found by its own rule."""
    scheme, number = tensor.scheme, Fraction(float(tensor.format.reals[tensor.codes[row, column]]))
    along = (row, column)[tensor.axis] // max(scheme.group_size, 1)
    group = (along, column) if tensor.axis == 0 else (row, along)
    places = {"tensor": (0, 0), "channel": (0, column), "token": (row, 0), "group": group}
    zero = None if tensor.zero is None else Fraction(float(tensor.zero[places[scheme.levels[-1].per]]))
    if scheme.zero == "integer":
        number -= zero
    for index, level in enumerate(scheme.levels):
        number *= Fraction(float(tensor.level_values(index)[places[level.per]]))
    return number + zero if scheme.zero == "minimum" else number


@pytest.mark.parametrize(("name", "axis"), CASES)
def test_numbers_are_exact_products_rounded_once(make: Callable[..., QuantizedTensor], name: str, axis: Axis) -> None:
    tensor = make(SCHEMES[name], (133, 5) if axis == 0 else (5, 133), axis)
    numbers = tensor.dequantize()
    assert numbers.dtype == np.float32
    for place in np.ndindex(tensor.shape):
        exact = exact_number(tensor, *place)
        assert Fraction(float(exact)) == exact, "float64 holds it"
        with np.errstate(over="ignore"):
            rounded = np.float32(float(exact))
        assert numbers[place] == np.clip(rounded, -LARGEST, LARGEST)


def test_scales_of_every_format_by_hand() -> None:
    codes = np.zeros((1, 1), np.uint8)
    for format_, stored, value in (
        ("fp32", np.float32(0.1), np.float32(0.1)),
        ("fp16", np.float16(0.1), 0.0999755859375),
        ("bf16", np.uint16(0x3F81), 1 + 2**-7),
        ("e8m0", np.uint8(0), 2.0**-127),
        ("e8m0", np.uint8(0xFE), 2.0**127),
        ("ocp_e4m3", np.uint8(0x01), 2.0**-9),
        ("ocp_e4m3", np.uint8(0x7E), 448),
    ):
        scheme = Scheme(FORMATS["e2m1"], (ScaleLevel("tensor", format_),))
        tensor = QuantizedTensor(codes, scheme, 0, (np.full((1, 1), stored),))
        assert tensor.level_values(0).tolist() == [[value]]


def test_integers_less_their_zero_points() -> None:
    """Codes 0..3 in groups of 2 with zero points 1 and 15: -1, 0; -13, -12."""
    codes = np.arange(4, dtype=np.uint8)
    for axis, shape in ((0, (4, 1)), (1, (1, 4))):
        scheme = Scheme(FORMATS["uint4"], (ScaleLevel("group", "fp16"),), "integer", 2)
        ends = (shape[0] // 2 or 1, shape[1] // 2 or 1)
        zero = np.uint8([1, 15]).reshape(ends)
        tensor = QuantizedTensor(codes.reshape(shape), scheme, axis, (np.float16([0.5, 2]).reshape(ends),), zero)
        assert tensor.centered.ravel().tolist() == [-1, 0, -13, -12]
        assert tensor.centered.dtype == np.int8
        assert tensor.dequantize().ravel().tolist() == [-0.5, 0, -26, -24]


def test_integers_of_formats_that_are_not_are_in_units_of_the_lsb() -> None:
    """E2M1's codes 1, 7, 15 are 0.5, 6, -6: 1, 12, -12 halves."""
    scheme = SCHEMES["mxfp4"]
    tensor = QuantizedTensor(np.uint8([[1], [7], [15]]), scheme, 0, (np.uint8([[127]]),))
    assert tensor.centered.ravel().tolist() == [1, 12, -12]


def test_what_the_hardware_takes() -> None:
    x = np.linspace(-3, 5, 128 * 2).reshape(128, 2)
    weights = quantize(x, weight_scheme(FORMATS["uint4"], 64), 0)
    assert (weights.scale.dtype, weights.scale.shape) == (np.float16, (2, 2))
    assert (weights.zero_point.dtype, weights.zero_point.shape) == (np.uint8, (2, 2))
    activations = quantize(x, activation_scheme(FORMATS["int8"]), 1)
    assert (activations.scale.dtype, activations.scale.shape) == (np.float16, (128,))
    assert not quantize(x, weight_scheme(FORMATS["int4"], 64), 0).zero_point.any()
    for name, axis, found in (
        ("int8_channel", 0, "fp16 per group, not fp16 per channel"),
        ("nvfp4", 0, "fp16 per group, not fp32 per tensor, ocp_e4m3 per group"),
        ("uint4_g64", 1, "fp16 per token, not fp16 per group"),
        ("fp16", 1, "fp16 per token, not absent"),
    ):
        with pytest.raises(InputError, match=found + "$"):
            _ = quantize(x, SCHEMES[name], axis).scale
    with pytest.raises(InputError, match="not minimum$"):
        _ = quantize(x, SCHEMES["uint4_minimum_g64"], 0).zero_point


def refused(name: str, **fields: object) -> str:
    tensor = quantize(np.linspace(-1, 1, 130 * 3).reshape(130, 3), SCHEMES[name], 0)
    with pytest.raises(InputError) as caught:
        replace(tensor, **fields)  # type: ignore[arg-type]
    return str(caught.value)


def test_another_shape_or_dtype_is_refused() -> None:
    ones = np.ones((2, 3), np.float16)
    assert refused("uint4_g64", scales=(ones,)).endswith("have shape (3, 3), not (2, 3)")
    assert refused("uint4_g64", scales=(ones.astype(np.float32),)).endswith("are of type float16, not float32")
    assert refused("uint4_g64", scales=()).endswith("of 1 levels are needed, not of 0")
    assert refused("uint4_g64", zero=None).endswith("are integer, not none")
    assert refused("int4_g128", zero=np.zeros((2, 3), np.uint8)).endswith("are none, not uint8")
    assert refused("uint4_g64", zero=np.zeros((1, 3), np.uint8)).endswith("have shape (3, 3), not (1, 3)")
    assert refused("uint4_g64", codes=np.zeros((130, 3), np.uint16)).endswith("are of type uint8, not uint16")
    assert refused("uint4_g64", codes=np.zeros(130, np.uint8)).endswith("not shape (130,)")
    assert refused("uint4_g64", codes=np.zeros((0, 3), np.uint8)).endswith("not shape (0, 3)")
    assert refused("int8_channel", axis=1).endswith("are not per channel, unlike channel")


def test_codes_and_zero_points_out_of_range_are_refused() -> None:
    codes = np.full((130, 3), 16, np.uint8)
    assert refused("uint4_g64", codes=codes).endswith("codes of uint4 are at most 15, not 16")
    assert refused("uint4_g64", zero=codes[:3]).endswith("zero points of uint4 are at most 15, not 16")
    minima = np.full((3, 3), np.inf, np.float16)
    assert refused("uint4_minimum_g64", zero=minima).endswith("are finite numbers, not inf")


@pytest.mark.parametrize(
    ("name", "code"), [("e4m3_channel", 0x7F), ("mxfp8_e5m2", 0x7C), ("mxfp8_e5m2", 0xFF), ("fp16", 0x7C00)]
)
def test_codes_that_are_no_numbers_are_refused(name: str, code: int) -> None:
    codes = np.zeros((130, 3), SCHEMES[name].code_dtype)
    codes[7, 2] = code
    assert refused(name, codes=codes).endswith(f"not {code:#x}")


@pytest.mark.parametrize(
    ("name", "level", "stored", "value"),
    [
        ("int4_g128", 0, np.float16(0), "0.0"),
        ("int4_g128", 0, np.float16(-1), "-1.0"),
        ("int4_g128", 0, np.float16(np.inf), "inf"),
        ("nf4_g64", 0, np.float32(np.nan), "nan"),
        ("mxfp4", 0, np.uint8(0xFF), "nan"),
        ("nvfp4", 1, np.uint8(0x00), "0.0"),
        ("nvfp4", 1, np.uint8(0x7F), "nan"),
        ("nvfp4", 1, np.uint8(0x81), "-0.001953125"),
        ("int4_two_level", 1, np.uint8(0), "0.0"),
        ("int4_two_level", 1, np.uint8(0x80), "-128.0"),
    ],
)
def test_scales_that_are_not_positive_and_finite_are_refused(name: str, level: int, stored: np.generic, value: str) -> None:
    tensor = quantize(np.ones((130, 3)), SCHEMES[name], 0)
    scales = [array.copy() for array in tensor.scales]
    scales[level][0, -1] = stored
    assert refused(name, scales=tuple(scales)).endswith(f"positive finite numbers, not {value}")


def test_equality_is_of_every_field() -> None:
    x = np.linspace(-1, 1, 130 * 3).reshape(130, 3)
    tensor = quantize(x, SCHEMES["uint4_minimum_g64"], 0)
    assert tensor == quantize(x, SCHEMES["uint4_minimum_g64"], 0)
    assert tensor != quantize(x, SCHEMES["uint4_g64"], 0)
    assert tensor != "tensor"
    codes, scale, zero = tensor.codes.copy(), tensor.scales[0].copy(), tensor.zero.copy()
    codes[0, 0] ^= 1
    scale[0, 0] *= 2
    zero[0, 0] *= 2
    for other in ({"codes": codes}, {"scales": (scale,)}, {"zero": zero}):
        assert tensor != replace(tensor, **other)
    square = quantize(np.ones((64, 64)), SCHEMES["mxfp4"], 0)
    assert square != quantize(np.ones((64, 64)), SCHEMES["mxfp4"], 1)


def test_numbers_beyond_fp32_saturate() -> None:
    tensor = QuantizedTensor(np.uint8([[7], [15]]), SCHEMES["mxfp4"], 0, (np.uint8([[0xFE]]),))
    assert tensor.dequantize().ravel().tolist() == [LARGEST, -LARGEST]
