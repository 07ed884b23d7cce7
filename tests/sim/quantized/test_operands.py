"""Today's operands by hand: groups of weights with or without a zero point, tokens of activations."""

import numpy as np
import pytest

from sim.errors import InputError
from sim.formats import FORMATS
from sim.quantized import SCHEMES, activation_scheme, quantize, quantize_activations, quantize_weights, weight_scheme

UINT4, INT4, INT8 = FORMATS["uint4"], FORMATS["int4"], FORMATS["int8"]


def test_weights_by_hand() -> None:
    """Range -1..2 in 15 steps of 0.2 (as fp16); zero at step 5; 0.5 steps are ties and go to even."""
    q = quantize_weights(np.array([[-1.0], [2.0], [0.0], [0.31]], np.float32), UINT4, 4)
    assert q.scale.tolist() == [[float(np.float16(0.2))]]
    assert q.zero_point.tolist() == [[5]]
    assert q.codes.ravel().tolist() == [0, 15, 5, 7]


def test_ties_go_to_the_even_step() -> None:
    q = quantize_weights(np.array([[0.5], [1.5], [2.5], [15.0]], np.float32), UINT4, 4)
    assert q.codes.ravel().tolist() == [0, 2, 2, 15]


def test_a_tie_is_decided_before_the_zero_point_is_added() -> None:
    """Zero point 5, an odd number: 0.5 steps become 0 and then code 5."""
    q = quantize_weights(np.array([[-5.0], [10.0], [0.5]], np.float32), UINT4, 3)
    assert (q.zero_point.tolist(), q.codes.ravel().tolist()) == ([[5]], [0, 15, 5])


def test_a_group_of_one_sign_keeps_zero_in_its_range() -> None:
    q = quantize_weights(np.array([[3.0], [30.0]], np.float32), UINT4, 2)
    assert q.zero_point.tolist() == [[0]]
    assert q.scale.tolist() == [[2.0]]


def test_symmetric_weights() -> None:
    q = quantize_weights(np.array([[-7.0], [3.0]], np.float32), INT4, 2)
    assert (q.codes.ravel().tolist(), q.zero_point.tolist()) == ([0b1001, 3], [[0]])


@pytest.mark.parametrize("magnitude", [0.0, 1e-9, 6e-8, 1.0, 1e30])
def test_scales_are_positive_and_finite(magnitude: float) -> None:
    data = np.array([[magnitude], [-magnitude]], np.float32)
    for scale in (
        quantize_weights(data, UINT4, 1).scale,
        quantize_weights(data, INT4, 2).scale,
        quantize_activations(data, INT8).scale,
    ):
        assert (scale > 0).all()
        assert np.isfinite(scale).all()


def test_activations_by_hand() -> None:
    q = quantize_activations(np.array([[-127.0, 0.5, 1.5, 64.0], [0, 0, 0, 254]], np.float32), INT8)
    assert q.scale.tolist() == [1.0, 2.0]
    assert q.codes.tolist() == [[256 - 127, 0, 2, 64], [0, 0, 0, 127]]


def test_activations_of_16_bits() -> None:
    q = quantize_activations(np.array([[-32767.0, 1.0, 12345.5]], np.float32), FORMATS["int16"])
    assert (q.scale.tolist(), q.codes.tolist(), q.codes.dtype) == ([1.0], [[65536 - 32767, 1, 12346]], np.uint16)


def test_error_is_at_most_half_a_step(rng: np.random.Generator) -> None:
    """Half a step and what rounding the scale to fp16 (relative 2**-11) moves the ends of the range."""
    w = rng.normal(size=(133, 9)).astype(np.float32)
    q = quantize_weights(w, UINT4, 64)
    step = np.repeat(q.scale.astype(np.float32), 64, axis=0)[:133]
    assert (np.abs(q.dequantize() - w) <= step * (0.5 + 15 * 2.0**-11)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    data = np.array([[1.0, value]], np.float32)
    with pytest.raises(InputError, match=f"weights to quantize are finite numbers, not {value}$"):
        quantize_weights(data, UINT4, 1)
    with pytest.raises(InputError, match=f"activations to quantize are finite numbers, not {value}$"):
        quantize_activations(data, INT8)


def test_blocks_are_those_of_the_registry_s_schemes() -> None:
    e2m1 = FORMATS["e2m1"]
    for axis in (0, 1):
        of_blocks = weight_scheme if axis == 0 else activation_scheme
        assert of_blocks(e2m1, 32, "mx") == SCHEMES["mxfp4"]
    assert weight_scheme(e2m1, 16, "nvfp4") == SCHEMES["nvfp4"]


def test_a_token_of_nvfp4_does_not_depend_on_others(rng: np.random.Generator) -> None:
    scheme, tokens = activation_scheme(FORMATS["e2m1"], 16, "nvfp4"), rng.normal(size=(3, 40)) * [[1], [1e3], [1e-3]]
    together = quantize(tokens, scheme, axis=1)
    for row in range(3):
        alone = quantize(tokens[row : row + 1], scheme, axis=1)
        assert np.array_equal(alone.dequantize()[0], together.dequantize()[row])


def test_blocks_without_zero_points_refuse_unsigned_weights() -> None:
    with pytest.raises(InputError, match="blocks of mx have no zero points, so their format is signed, not uint4"):
        weight_scheme(UINT4, 32, "mx")
    with pytest.raises(InputError, match="unknown scaling 'mxfp'"):
        activation_scheme(INT8, 32, "mxfp")
