"""What a processing element does not take is one sentence that ends with the value."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS
from sim.pe import PES


@pytest.mark.parametrize(
    ("kind", "weight", "activation", "message"),
    [
        ("shift_add", "int16", "int8", "integer or +-1 plane weights of 1 to 8 bits, not int16"),
        ("shift_add", "e2m1", "int8", "integer or +-1 plane weights of 1 to 8 bits, not e2m1"),
        ("shift_add", "uint4", "uint1", "integer activations of 2 to 16 bits, not uint1"),
        ("shift_add", "uint4", "bipolar4", "integer activations of 2 to 16 bits, not bipolar4"),
        ("shift_add_float", "int16", "fp16", "integer weights of 1 to 8 bits, not int16"),
        ("shift_add_float", "int4", "e5m2", "takes fp16 or bf16 activations, not e5m2"),
        ("minifloat", "int4", "e2m1", "minifloat weights of 3 to 8 bits, not int4"),
        ("minifloat", "e2m1", "fp16", "minifloat activations of 3 to 8 bits, not fp16"),
        ("minifloat", "e2m1", "e8m0", "minifloat activations of 3 to 8 bits, not e8m0"),
        ("minifloat", "e2m1", "nf4", "minifloat activations of 3 to 8 bits, not nf4"),
        ("mixed", "int4", "int8", "one integer and one minifloat operand, not int4 x int8"),
        ("mixed", "e2m1", "e2m1", "one integer and one minifloat operand, not e2m1 x e2m1"),
        ("mixed", "int16", "e2m1", "minifloat ones of 3 to 8, not int16"),
        ("mixed", "e2m1", "uint1", "minifloat ones of 3 to 8, not uint1"),
        ("bit_serial", "e2m1", "int8", "integer weights of 1 to 16 bits, not e2m1"),
        ("bit_serial", "int4", "uint1", "integer activations of 2 to 16 bits, not uint1"),
        ("shift_only", "int4", "int8", "sums of at most two powers, not int4"),
        ("shift_only", "bf16", "int8", "sums of at most two powers, not bf16"),
        ("shift_only", "nf4_8", "int8", "sums of at most two powers, not nf4_8"),
        ("shift_only", "pot4", "e2m1", "integer activations of 2 to 16 bits, not e2m1"),
        ("shift_only", "e8m0", "int8", "products of at most 63 bits, not 262"),
        ("multiplier", "e4m3", "int8", "weights that are integers, fp16 or bf16, not e4m3"),
        ("multiplier", "int8", "e4m3", "activations that are integers, fp16 or bf16, not e4m3"),
        ("multiplier", "int8", "fp16", "two integers or two floats alike, not int8 x fp16"),
        ("multiplier", "bf16", "fp16", "two integers or two floats alike, not bf16 x fp16"),
        ("dsp_packed", "int16", "int8", "integer weights of 1 to 8 bits, not int16"),
        ("dsp_packed", "int8", "e4m3", "integer activations of 1 to 8 bits, not e4m3"),
        ("fused", "e2m1", "int8", "a fused PE takes integer weights of 1 to 8 bits, not e2m1"),
        ("fused", "int8", "int16", "a fused PE takes integer activations of 1 to 8 bits, not int16"),
    ],
)
def test_formats(kind: str, weight: str, activation: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        PES[kind](FORMATS[weight], FORMATS[activation])
    assert str(caught.value).endswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "weight", "activation", "accumulator", "message"),
    [
        ("shift_add", "int4", "int8", "fp32", "are exact, wrap, saturate, not fp32"),
        ("shift_add", "int4", "int8", "aligned4", "are exact, wrap, saturate, not aligned4"),
        ("shift_add", "int4", "int8", "wrap11", "int4 x int8 has at least the 12 bits of a product, not wrap11"),
        ("minifloat", "e2m1", "e2m1", "saturate8", "e2m1 x e2m1 has at least the 9 bits of a product, not saturate8"),
        ("minifloat", "e2m1", "e2m1", "single", "not 'single'"),
        ("shift_add_float", "int4", "fp16", "wrap43", "int4 x fp16 has at least the 44 bits of a product, not wrap43"),
        # bf16 ends at 255 * 2**120, which is 255 * 2**253 in units of 2**-133; times 8 it is below 2**264
        ("shift_add_float", "int4", "bf16", "exact", "at most 128 bits, but a product of int4 x bf16 has 265"),
        ("bit_serial", "int4", "int8", "saturate20", "are exact, wrap, not saturate20"),
        ("dsp_packed", "int8", "int8", "saturate20", "are exact, wrap, not saturate20"),
        ("dsp_packed", "int8", "int8", "wrap15", "int8 x int8 has at least the 16 bits of a product, not wrap15"),
    ],
)
def test_accumulators(kind: str, weight: str, activation: str, accumulator: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        PES[kind](FORMATS[weight], FORMATS[activation], accumulator)
    assert str(caught.value).endswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "weight", "pipeline", "message"),
    [
        ("shift_add", "int4", 3, "pipeline of a shift_add PE is 0 or 1 or 2, not 3"),
        ("fused", "int4", -1, "pipeline of a fused PE is 0 or 1 or 2, not -1"),
        ("bit_serial", "int4", 0, "pipeline of a bit_serial PE is 1, not 0"),
        ("dsp_packed", "int4", 2, "pipeline of a dsp_packed PE is 1, not 2"),
    ],
)
def test_levels_of_pipelining(kind: str, weight: str, pipeline: int, message: str) -> None:
    with pytest.raises(InputError) as caught:
        PES[kind](FORMATS[weight], FORMATS["int8"], "exact", pipeline)
    assert str(caught.value) == message


def test_an_exact_sum_of_too_many_products() -> None:
    """fp16 products have 81 bits: 2**47 of them have 128, 2**48 are too many."""
    pe = PES["multiplier"](FORMATS["fp16"], FORMATS["fp16"])
    assert pe.accumulator_bits(1 << 47) == 128
    with pytest.raises(InputError, match="at most 128 bits, not 129$"):
        pe.accumulator_bits(1 << 48)


def test_operands_of_different_lengths() -> None:
    with pytest.raises(InputError, match=r"not empty, not \(2, 3\), \(1, 2\)$"):
        PES["shift_add"](FORMATS["int4"], FORMATS["int8"]).group_sums(np.zeros((2, 3), int), np.zeros((1, 2), int), 3)


def test_a_product_that_just_fits() -> None:
    """-8 * -128 = 1024 needs twelve bits, and twelve are enough."""
    assert PES["shift_add"](FORMATS["int4"], FORMATS["int8"], "wrap12").accumulator_bits(64) == 12
