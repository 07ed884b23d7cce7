"""Bits per byte of every recipe with every format, and of every KV cache: ``make recipes`` fills ``docs/recipes.md``.

On the embedded model; every linear layer is quantized and multiplied by the exact kernels. What was found is kept in
``build/recipes.csv``, from which a second start goes on.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reports.recipe_tables import Found, filled, found_so_far, keep, table
from sim.design import DesignPoint
from sim.errors import InputError
from sim.files import output_folder, write_whole
from sim.formats import FORMATS
from sim.quantized import SCHEMES, ScaleLevel, Scheme, activation_scheme, weight_scheme
from workloads.accuracy import WINDOW, bits_per_byte, float_logits
from workloads.allocation.greedy import greedy
from workloads.checkpoint import LanguageModel, load_model
from workloads.embedded import HELD_OUT_TEXT
from workloads.kv_cache import KV_RECIPES, kv_bits
from workloads.kv_cache.attention import attention_products
from workloads.products import Multiply, float_multiply, is_attention, products_by
from workloads.recipes import RECIPES, QuantizedLayer, Recipe, equalized, nearest
from workloads.recipes.calibration import output_errors, second_moment

JUDGED = 8192  # [byte]
CALIBRATION = 16 * WINDOW  # [byte]
GROUP = 64

Floats = NDArray[np.float32]
Layers = dict[str, QuantizedLayer]
Operands = Mapping[str, tuple[Floats, Floats]]
"""Weights ``[k, n]`` and calibration activations ``[m, k]`` of each layer."""

INT4 = Scheme(FORMATS["int4"], (ScaleLevel("token", "fp16"),))
INT8 = activation_scheme(FORMATS["int8"])

COLUMNS: dict[str, tuple[Scheme, Scheme]] = {
    "UINT8 A8": (weight_scheme(FORMATS["uint8"], GROUP), INT8),
    "UINT4 A8": (weight_scheme(FORMATS["uint4"], GROUP), INT8),
    "UINT4 A4": (weight_scheme(FORMATS["uint4"], GROUP), INT4),
    "UINT3 A8": (weight_scheme(FORMATS["uint3"], GROUP), INT8),
    "E2M3 A8": (weight_scheme(FORMATS["e2m3"], GROUP), INT8),
    "E2M1 A8": (weight_scheme(FORMATS["e2m1"], GROUP), INT8),
    "MXFP4 A8": (SCHEMES["mxfp4"], INT8),
    "NF4 A8": (SCHEMES["nf4_g64"], INT8),
}
"""Schemes of weights and of activations: unsigned integers have zero points."""

CACHE_FORMATS = ("uint8", "uint4", "uint3", "uint2", "ocp_e4m3", "e2m1")

WIDTHS = (2, 3, 4, 5, 6, 8)
"""[bit] What ``mixed_layers`` chooses from, of which the mean is at most that of the column."""


def each(recipe: Recipe, operands: Operands, scheme: Scheme) -> Layers:
    """A recipe on every layer by itself."""
    return {name: recipe(weights, activations, scheme) for name, (weights, activations) in operands.items()}


def of_pairs(operands: Operands, scheme: Scheme) -> Layers:
    """``equalized`` on every pair of which one's outputs times a gate are the other's inputs, all others to nearest."""
    layers = each(nearest, operands, scheme)
    for name in [name for name in operands if name.endswith(".up_proj")]:
        pair = name, name.replace(".up_proj", ".down_proj")
        weights, activations = zip(*(operands[layer] for layer in pair), strict=True)
        layers[pair[0]], layers[pair[1]], _ = equalized(weights, activations, scheme)
    return layers


def of_widths(operands: Operands, scheme: Scheme) -> Layers:
    """A width for each layer by its error at each, rounded to nearest; of unsigned integers alone."""
    if not scheme.format.is_integer or scheme.format.signed:
        raise InputError(f"widths are chosen among unsigned integers, not from {scheme.format.name}")
    by_width = [each(nearest, operands, _of_width(scheme, width)) for width in WIDTHS]
    errors = np.array([[_error(layers[name], *operands[name]) for layers in by_width] for name in operands])
    sizes = np.array([weights.size for weights, _ in operands.values()])
    chosen = greedy(errors, np.outer(sizes / sizes.sum(), WIDTHS), scheme.format.bits)
    return {name: by_width[place][name] for name, place in zip(operands, chosen, strict=True)}


def _of_width(scheme: Scheme, bits: int) -> Scheme:
    return weight_scheme(FORMATS[f"uint{bits}"], scheme.group_size)


def _error(layer: QuantizedLayer, weights: Floats, activations: Floats) -> float:
    """Squared error of the outputs over their squares: layers count alike, however large their outputs are."""
    moment = second_moment(activations)
    return float(output_errors(moment, layer.effective() - weights).sum() / output_errors(moment, weights).sum())


MODEL_RECIPES: dict[str, Callable[[Operands, Scheme], Layers]] = {
    **{name: partial(each, recipe) for name, recipe in RECIPES.items()},
    "equalization": of_pairs,
    "mixed_layers": of_widths,
}


def operands_of(model: LanguageModel, text: bytes) -> Operands:
    """What every linear layer multiplies in a pass over a text."""
    found: dict[str, tuple[Floats, Floats]] = {}

    def multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        if not is_attention(name):
            found[name] = weights[0].numpy().copy(), activations[0].numpy().copy()
        return float_multiply(name, activations, weights)

    with torch.inference_mode(), products_by(model.network, multiply):
        model.network(model.encode(text).reshape(-1, WINDOW), use_cache=False)
    return found


def of_recipe(model: LanguageModel, text: bytes, operands: Operands, recipe: str, column: str) -> Found:
    """A recipe's layers with a format; attention as torch computes it."""
    scheme, activations = COLUMNS[column]
    try:
        layers = MODEL_RECIPES[recipe](operands, scheme)
    except InputError as error:
        print(f"{recipe} with {column}: {error}")
        return Found(None, None)
    bits = sum(layer.bits for layer in layers.values()) / sum(math.prod(layer.shape) for layer in layers.values())
    return Found(judged(model, text, by_layers(layers, activations)), bits)


def by_layers(layers: Layers, scheme: Scheme) -> Multiply:
    """Products of quantized layers, activations rounded by a scheme; those of attention as torch computes them."""

    def multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        if name not in layers:
            return float_multiply(name, activations, weights)
        return torch.from_numpy(layers[name].product(activations[0].numpy(), scheme))[None]

    return multiply


def of_cache(model: LanguageModel, text: bytes, recipe: str, format_: str) -> Found:
    """A KV cache in a format; linear layers as torch computes them."""
    if FORMATS[format_].is_integer:
        design = DesignPoint("integer", kv_format=format_, group_size=GROUP)
    else:
        design = DesignPoint("float", pe="minifloat", weight_format=format_, activation_format="ocp_e4m3", group_size=GROUP)
    attention = attention_products(design, recipe)

    def multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        if not is_attention(name):
            return float_multiply(name, activations, weights)
        return attention(name, activations, weights, weights.shape[2 if name.endswith(".scores") else 1])

    return Found(judged(model, text, multiply), kv_bits(design, recipe, model.network.config.head_dim))


def judged(model: LanguageModel, text: bytes, multiply: Multiply) -> float:
    """Bits per byte of a text with the products of the network by ``multiply``."""

    def logits(tokens: Tensor) -> Tensor:
        with products_by(model.network, multiply):
            found: Tensor = model.network(tokens, use_cache=False).logits
        return found

    return bits_per_byte(model, text, logits)


def all_of_them(known: Mapping[tuple[str, str], Found]) -> Iterator[tuple[str, str, Found]]:
    """Every recipe with every format, and every cache, that is not known yet."""
    model, held_out = load_model("tiny-stdlib"), HELD_OUT_TEXT.read_bytes()
    text, operands = held_out[:JUDGED], operands_of(model, held_out[-CALIBRATION:])
    if ("float", "") not in known:
        yield "float", "", Found(bits_per_byte(model, text, float_logits(model.network)), None)
    for recipe in MODEL_RECIPES:
        for column in COLUMNS:
            if (recipe, column) not in known:
                yield recipe, column, of_recipe(model, text, operands, recipe, column)
    for recipe in KV_RECIPES:
        for format_ in CACHE_FORMATS:
            if (recipe, format_) not in known and KV_RECIPES[recipe] is not None:
                yield recipe, format_, of_cache(model, text, recipe, format_)


def main() -> None:
    """Find what is missing, keep it, and fill the page."""
    parser = argparse.ArgumentParser(prog="python -m reports.recipes", description=__doc__)
    parser.add_argument("page", nargs="?", type=Path, default=Path("docs/recipes.md"), help="default: docs/recipes.md")
    page, file = parser.parse_args().page, output_folder("build") / "recipes.csv"
    found = found_so_far(file)
    for recipe, column, one in all_of_them(found):
        found[recipe, column] = one
        print(recipe, column, one, flush=True)
        keep(file, found)
    caches = [name for name, recipe in KV_RECIPES.items() if recipe is not None]
    tables = {
        "float": f"{found['float', ''].bits_per_byte:.4f}",
        "recipes": table(found, list(MODEL_RECIPES), list(COLUMNS)),
        "caches": table(found, caches, list(CACHE_FORMATS)),
    }
    write_whole(page, filled(page.read_text(), tables))


if __name__ == "__main__":
    main()
