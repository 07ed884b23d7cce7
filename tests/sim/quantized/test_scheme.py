"""Recipes: what is refused, and the bits that a tensor takes, by hand."""

from collections.abc import Callable

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS, Format
from sim.formats.families import codebook
from sim.quantized import SCHEMES, ScaleLevel, Scheme, activation_scheme, storage_bits, weight_scheme

INT4, UINT4, INT8 = FORMATS["int4"], FORMATS["uint4"], FORMATS["int8"]
GROUP = ScaleLevel("group", "fp16")


def scheme(format_: Format = INT4, *levels: tuple[str, str], zero: str = "none", group_size: int = 0) -> Scheme:
    return Scheme(format_, tuple(ScaleLevel(*level) for level in levels), zero, group_size)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ScaleLevel("row", "fp16"), "unknown level of scales 'row'; known are tensor, channel, token, group"),
        (
            lambda: ScaleLevel("group", "fp4"),
            "unknown format of scales 'fp4'; known are fp32, fp16, bf16, e8m0, ocp_e4m3, int8, signed_fp16,",
        ),
        (lambda: scheme(INT4, ("group", "fp16")), "at least 1, not 0$"),
        (lambda: scheme(INT4, ("group", "fp16"), group_size=-64), "at least 1, not -64$"),
        (lambda: scheme(INT4, ("channel", "fp16"), group_size=64), "without scales per group is 0, not 64$"),
        (lambda: scheme(INT4, ("group", "int8"), group_size=64), "not outermost as per group$"),
        (lambda: scheme(INT4, ("tensor", "e8m0"), ("group", "int8"), group_size=64), "innermost level, not per tensor$"),
        (lambda: scheme(INT4, ("group", "fp16"), ("channel", "fp16"), group_size=64), "not group, channel$"),
        (lambda: scheme(INT4, ("channel", "fp16"), ("token", "fp16")), "not channel, token$"),
        (lambda: scheme(INT4, ("channel", "fp16"), zero="integer"), "unsigned integer format, not with int4$"),
        (lambda: scheme(FORMATS["e2m1"], ("channel", "fp16"), zero="minimum"), "unsigned integer format, not with e2m1$"),
        (lambda: scheme(UINT4, zero="integer"), "at least one level of scales, not with 0$"),
        (
            lambda: scheme(UINT4, ("channel", "fp16"), zero="float"),
            "unknown kind of zero point 'float'; known are none, integer",
        ),
        (lambda: scheme(UINT4, ("channel", "fp32"), zero="minimum"), "at most 53 significant bits, not the 282 of uint4"),
        (lambda: scheme(INT8, ("tensor", "fp32"), ("channel", "fp32")), "at most 53 significant bits, not the 56 of int8"),
        (lambda: scheme(codebook("fine", [0, 1 + 2**-11])), "code books of fp16 numbers, not fine$"),
        (lambda: scheme(codebook("wide", [0, 65536])), "code books of fp16 numbers, not wide$"),
    ],
)
def test_what_cannot_be_followed_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_operands_of_a_scheme() -> None:
    assert SCHEMES["int8_channel"].axes == (0,)
    assert SCHEMES["int8_token"].axes == (1,)
    assert SCHEMES["nvfp4"].axes == (0, 1)
    with pytest.raises(InputError, match="scales of activations are not per channel, unlike channel, group$"):
        SCHEMES["int4_two_level"].check_axis(1)
    with pytest.raises(InputError, match="scales of weights are not per token, unlike token$"):
        SCHEMES["int8_token"].check_axis(0)
    with pytest.raises(InputError, match="0 for weights or 1 for activations, not 2$"):
        SCHEMES["int8_token"].check_axis(2)  # type: ignore[arg-type]


BITS_PER_WEIGHT = {
    "fp16": 16,
    "bf16": 16,
    "int8_channel": 8 + 16 / 4096,
    "int8_token": 8 + 16 / 1024,
    "uint8_token": 8 + (16 + 8) / 1024,
    "int4_g128": 4.125,
    "uint4_g64": 4.3125,
    "uint4_g128": 4 + 20 / 128,
    "uint4_minimum_g64": 4 + 32 / 64,
    "int4_two_level": 4 + 8 / 128 + 16 / 4096,
    "mxfp4": 4.25,
    "mxfp6_e2m3": 6.25,
    "mxfp6_e3m2": 6.25,
    "mxfp8_e4m3": 8.25,
    "mxfp8_e5m2": 8.25,
    "mxint8": 8.25,
    "nvfp4": 4.5 + 32 / (4096 * 1024),
    "e4m3_channel": 8 + 32 / 4096,
    "e4m3_token": 8 + 32 / 1024,
    "nf4_g64": 4.5,
    "kmeans4_channel": 4 + 16 / 4096 + 256 / (4096 * 1024),
    "log4_g128": 4.125,
    "pot4_g128": 4.125,
    "apot5_g128": 5.125,
    "bipolar4_g128": 4.125,
}
"""Of 4096 x 1024 numbers: 4096 are k of weights, or m of activations."""


@pytest.mark.parametrize("name", SCHEMES)
def test_bits_per_weight_by_hand(name: str) -> None:
    axis = SCHEMES[name].axes[0]
    assert SCHEMES[name].storage_bits((4096, 1024), axis) == BITS_PER_WEIGHT[name] * 4096 * 1024


def test_a_short_last_group_has_a_whole_scale() -> None:
    """130 x 2 weights in groups of 64: 260 codes of 4 bits, 3 x 2 groups with a 16-bit scale and a 4-bit zero point."""
    assert storage_bits(weight_scheme(UINT4, 64), 130, 2, 0) == 260 * 4 + 6 * 20
    assert storage_bits(weight_scheme(INT4, 64), 130, 2, 0) == 260 * 4 + 6 * 16
    assert storage_bits(activation_scheme(INT8), 3, 100, 1) == 3 * 100 * 8 + 3 * 16
    assert SCHEMES["mxfp4"].section_bits((2, 33), 1) == {"codes": 66 * 4, "scale_0": 4 * 8}


def test_shapes_of_levels() -> None:
    shapes = {"tensor": (1, 1), "channel": (1, 7), "token": (100, 1), "group": (4, 7)}
    blocks_of_32 = SCHEMES["mxfp4"]
    assert {per: blocks_of_32.level_shape(per, (100, 7), 0) for per in shapes} == shapes
    assert blocks_of_32.level_shape("group", (7, 100), 1) == (7, 4)
    assert Scheme(FORMATS["fp16"]).finest_shape((7, 100), 1) == (1, 1)


def test_a_code_book_is_counted_unless_a_name_tells_it() -> None:
    own = codebook("own", np.float16([-1, -0.25, 0.25, 1]).tolist())
    assert Scheme(own, (GROUP,), group_size=64).section_bits((64, 1), 0)["table"] == 4 * 16
    assert "table" not in SCHEMES["nf4_g64"].section_bits((64, 1), 0)
    assert Scheme(Format("uint2", (0, 1, 2, 4))).has_table, "the name of another format tells nothing"
