"""A layer whose inputs are correlated and of very different size, and small schemes of every kind."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.formats import FORMATS
from sim.quantized import SCHEMES, ScaleLevel, Scheme
from workloads.recipes.calibration import output_errors, second_moment
from workloads.recipes.layer import QuantizedLayer

GROUP = (ScaleLevel("group", "fp16"),)
FORMATS_OF_ALL_KINDS: dict[str, Scheme] = {
    "int4": Scheme(FORMATS["int4"], GROUP, group_size=16),
    "int3_channel": Scheme(FORMATS["int3"], (ScaleLevel("channel", "fp16"),)),
    "int4_tensor": Scheme(FORMATS["int4"], (ScaleLevel("tensor", "fp16"),)),
    "uint3_zero": Scheme(FORMATS["uint3"], GROUP, "integer", 16),
    "uint4_minimum": Scheme(FORMATS["uint4"], GROUP, "minimum", 16),
    "int4_two_levels": Scheme(FORMATS["int4"], (ScaleLevel("channel", "fp16"), ScaleLevel("group", "int8")), group_size=16),
    "e2m1": Scheme(FORMATS["e2m1"], GROUP, group_size=16),
    "e4m3_channel": SCHEMES["e4m3_channel"],
    "mxfp4": SCHEMES["mxfp4"],
    "mxint8": SCHEMES["mxint8"],
    "nvfp4": SCHEMES["nvfp4"],
    "nf4": Scheme(FORMATS["nf4"], GROUP, group_size=16),
    "kmeans": SCHEMES["kmeans4_channel"],
    "apot5": Scheme(FORMATS["apot5"], GROUP, group_size=16),
    "bipolar2": Scheme(FORMATS["bipolar2"], GROUP, group_size=16),
    "fp16": SCHEMES["fp16"],
}

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]


@pytest.fixture(params=FORMATS_OF_ALL_KINDS)
def scheme(request: pytest.FixtureRequest) -> Scheme:
    return FORMATS_OF_ALL_KINDS[request.param]


@pytest.fixture
def operands(rng: np.random.Generator) -> Pair:
    """Weights ``[40, 12]``, the last group short, and activations ``[200, 40]`` of rank 8 and noise, some inputs great."""
    weights = rng.standard_t(4, size=(40, 12)) * 0.1
    latent = rng.normal(size=(200, 8)) @ rng.normal(size=(8, 40)) + 0.3 * rng.normal(size=(200, 40)) + 0.5
    return weights.astype(np.float32), (latent * rng.lognormal(sigma=1, size=40)).astype(np.float32)


def errors_of(layer: QuantizedLayer, operands: Pair) -> NDArray[np.float64]:
    """Mean squared error of each output on the activations, without the bias."""
    weights, activations = operands
    return output_errors(second_moment(activations), layer.effective() - weights)
