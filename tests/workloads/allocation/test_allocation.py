"""Allocations: layers in parts, their products, files and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim.design import load_design
from sim.errors import InputError
from sim.operators import Product
from sim.widths import Part
from workloads.allocation.allocation import (
    Allocation,
    allocated,
    allocated_operators,
    load_allocation,
    mean_bits,
    write_allocation,
)
from workloads.recipes import RECIPES, nearest

DESIGN = replace(load_design("mixpe-w8a8"), group_size=16)
ROWS = Allocation("row", 16, {"p": ("uint3", "uint4", "uint3", "uint8")})
BLOCKS = Allocation("block", 16, {"p": ("uint4", "uint3", "uint4")})
LAYERS = Allocation("layer", 16, {"p": ("uint3",)})
PRODUCT = Product("p", 2, 40, 4)


def operands(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(size=(40, 4)).astype(np.float32), rng.normal(size=(32, 40)).astype(np.float32)


def test_outputs_have_the_codes_of_their_format(rng: np.random.Generator) -> None:
    weights, activations = operands(rng)
    layer = ROWS.recipe("p", nearest)(weights, activations, DESIGN.weight_scheme)
    assert [(part.weights.format.name, part.n.tolist()) for part in layer.parts] == [
        ("uint3", [0, 2]),
        ("uint4", [1]),
        ("uint8", [3]),
    ]
    for name, outputs in (("uint3", [0, 2]), ("uint4", [1]), ("uint8", [3])):
        whole = nearest(weights, activations, DESIGN.with_weights(name).weight_scheme).effective()
        assert np.array_equal(layer.effective()[:, outputs], whole[:, outputs])
    # 40 inputs in three groups, each with a scale and a zero point; three formats take two bits of a map.
    assert layer.bits == sum(40 * bits + 3 * (16 + bits) for bits in (3, 4, 3, 8)) + 4 * 2


def test_blocks_have_the_codes_of_their_format(rng: np.random.Generator) -> None:
    weights, activations = operands(rng)
    layer = allocated(weights, activations, DESIGN.weight_scheme, BLOCKS.layers["p"], "block", nearest)
    wide = nearest(weights, activations, DESIGN.with_weights("uint4").weight_scheme).effective()
    narrow = nearest(weights, activations, DESIGN.with_weights("uint3").weight_scheme).effective()
    assert np.array_equal(layer.effective()[16:32], narrow[16:32])
    assert np.array_equal(layer.effective()[32:], wide[32:]) and np.array_equal(layer.effective()[:16], wide[:16])


def test_one_format_goes_with_every_recipe(rng: np.random.Generator) -> None:
    weights, activations = operands(rng)
    rotated = LAYERS.recipe("p", RECIPES["rotation_gptq"])(weights, activations, DESIGN.weight_scheme)
    assert len(rotated.boundary) == 1 and rotated.parts[0].weights.format.name == "uint3"
    with pytest.raises(InputError, match="without a boundary or bias of their own"):
        ROWS.recipe("p", RECIPES["rotation"])(weights, activations, DESIGN.weight_scheme)


def test_products_are_of_parts() -> None:
    assert ROWS.parts([PRODUCT])["p"] == (Part("uint3", 40, 2), Part("uint4", 40, 1), Part("uint8", 40, 1))
    assert BLOCKS.parts([PRODUCT])["p"] == (Part("uint3", 16, 4), Part("uint4", 24, 4))
    assert LAYERS.parts([PRODUCT])["p"] == (Part("uint3", 40, 4),)
    for allocation, parts in ((ROWS, 3), (BLOCKS, 3), (LAYERS, 1)):  # those of blocks are added
        assert len(allocated_operators(DESIGN, [PRODUCT], allocation)) == parts
    assert allocated_operators(DESIGN, [PRODUCT], None) == (PRODUCT,)


def test_mean_bits() -> None:
    """A layer that is not in the allocation has the design's 8 bits; attention has no weights."""
    operators = [PRODUCT, Product("q", 2, 40, 8), Product("s", 2, 40, 100, 2, "scores")]
    assert mean_bits(LAYERS, DESIGN, operators) == (3 * 4 + 8 * 8) / 12
    assert mean_bits(BLOCKS, DESIGN, [PRODUCT]) == pytest.approx((3 * 16 + 4 * 24) / 40)


def test_experts_have_the_formats_of_their_layer() -> None:
    allocation = Allocation("layer", 16, {"experts.up": ("uint3",), "mlp.2": ("uint4",)})
    assert allocation.formats_of("experts.up.7") == allocation.formats_of("experts.up") == ("uint3",)
    assert (allocation.formats_of("mlp.2"), allocation.formats_of("mlp.0"), allocation.formats_of("up")) == (("uint4",), (), ())


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    for allocation in (ROWS, BLOCKS, LAYERS):
        write_allocation(allocation, tmp_path / "a.json")
        assert load_allocation(tmp_path / "a.json") == allocation


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory$"),
        ("{", "is not JSON: "),
        ("[]", "has a text per, a number group_size and an object layers, no more$"),
        (json.dumps({"per": "row", "group_size": 16}), "has a text per, a number group_size and an object layers, no more$"),
        (json.dumps({"per": "row", "group_size": 16, "layers": {"p": "uint3"}}), "has a list of formats, not 'uint3'$"),
        (json.dumps({"per": "row", "group_size": 16, "layers": {"p": []}}), r"has a list of formats, not \[\]$"),
        (json.dumps({"per": "row", "group_size": 16, "layers": {"p": ["uint9"]}}), "unknown weight format 'uint9'; known are"),
        (json.dumps({"per": "head", "group_size": 16, "layers": {}}), "unknown unit of an allocation 'head'; known are layer,"),
        (json.dumps({"per": "row", "group_size": 0, "layers": {}}), "group_size of an allocation is at least 1, not 0$"),
    ],
)
def test_files_that_are_none(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=message):
        load_allocation(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("allocation", "message"),
    [
        (Allocation("layer", 16, {"q": ("uint3",)}), "unknown layer of an allocation 'q'; known are p$"),
        (Allocation("layer", 16, {"p": ("uint3", "uint4")}), "layer 'p' of an allocation per layer has 1 formats, not 2$"),
        (Allocation("row", 16, {"p": ("uint3",)}), "layer 'p' of an allocation per row has 4 formats, not 1$"),
        (Allocation("block", 16, {"p": ("uint3",)}), "layer 'p' of an allocation per block has 3 formats, not 1$"),
        (Allocation("block", 32, {"p": ("uint3",)}), "groups of the design's 16 inputs, not of 32$"),
        (Allocation("layer", 16, {"p": ("int4",)}), "have formats whose numbers are all ones of uint8, not int4$"),
    ],
)
def test_allocations_of_another_model_or_design(allocation: Allocation, message: str) -> None:
    with pytest.raises(InputError, match=message):
        allocation.check(DESIGN, [PRODUCT])
