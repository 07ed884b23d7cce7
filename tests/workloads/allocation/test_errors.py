"""Losses of units on a small model: errors by definition, and what the model as a whole loses."""

import numpy as np
import pytest
import torch

from sim.design import DesignPoint
from tests.shiftwise.allocation.conftest import small_model
from workloads.allocation.allocation import Allocation
from workloads.allocation.divergence import divergence_from
from workloads.allocation.errors import ErrorTable, error_table
from workloads.checkpoint import LanguageModel, load_model
from workloads.products import float_multiply, is_attention, products_by
from workloads.recipes.rounding import nearest
from workloads.shapes import shapes

DESIGN = DesignPoint("small", weight_format="uint8", group_size=16, rows=8, columns=8)
FORMATS = ("uint3", "uint4", "uint8")


@pytest.fixture(scope="module", name="model")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load_model(str(small_model(tmp_path_factory.mktemp("model"))))


@pytest.fixture(scope="module", name="tokens")
def some_tokens() -> torch.Tensor:
    return torch.randint(0, 256, (2, 24), generator=torch.Generator().manual_seed(20261128))


def table_of(model: LanguageModel, tokens: torch.Tensor, per: str) -> ErrorTable:
    names = {p.name for p in shapes(str(model.folder), "prefill", 1, 24).products if p.kind == "linear"}
    return error_table(model, tokens, DESIGN, FORMATS, per, names, lambda *_: None)


def test_errors_are_those_of_the_outputs(model: LanguageModel, tokens: torch.Tensor) -> None:
    """Of each output, block or layer: the mean square over tokens of what rounding it alone changes."""
    operands = {}

    def multiply(name: str, activations: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        if not is_attention(name):
            operands[name] = weights[0].double().numpy(), activations[0].double().numpy()
        return float_multiply(name, activations, weights)

    with torch.inference_mode(), products_by(model.network, multiply):
        model.network(tokens, use_cache=False)
    tables = {per: table_of(model, tokens, per) for per in ("layer", "row", "block")}
    for name, (w, x) in operands.items():
        for place, format_ in enumerate(FORMATS):
            rounded = nearest(w.astype(np.float32), x.astype(np.float32), DESIGN.with_weights(format_).weight_scheme)
            changed = rounded.effective() - w
            of_outputs = np.square(x @ changed).mean(axis=0)
            rows = tables["row"].layers[name]
            of_bundles = [of_outputs[rows.units == unit].sum() for unit in range(len(rows.errors))]
            np.testing.assert_allclose(rows.errors[:, place], of_bundles, rtol=1e-5)
            np.testing.assert_allclose(tables["layer"].layers[name].errors[0, place], of_outputs.sum(), rtol=1e-5)
            blocks = [np.square(x[:, k : k + 16] @ changed[k : k + 16]).mean(axis=0).sum() for k in range(0, len(w), 16)]
            np.testing.assert_allclose(tables["block"].layers[name].errors[:, place], blocks, rtol=1e-5)
    weights = sum(w.size for w, _ in operands.values())
    assert {table.weights.sum() for table in tables.values()} == {weights}


def test_outputs_are_in_bundles_of_the_array(model: LanguageModel, tokens: torch.Tensor) -> None:
    table = table_of(model, tokens, "row")
    for layer in table.layers.values():
        sizes = np.bincount(layer.units)
        assert set(sizes[:-1]) <= {8} and sizes[-1] <= 8
        assert (np.diff(layer.errors[:-1, 1]) <= 0).all(), "those that lose alike are together"
    chosen = np.arange(len(table.weights)) % 3
    allocation = table.allocation(chosen)
    for name, own in table.split(chosen).items():
        assert allocation.layers[name] == tuple(FORMATS[own[unit]] for unit in table.layers[name].units)


def test_what_a_layer_alone_loses_is_what_was_measured(model: LanguageModel, tokens: torch.Tensor) -> None:
    table = table_of(model, tokens, "layer")
    divergence = divergence_from(model, tokens[:1], DESIGN)
    for name, layer in table.layers.items():
        alone = divergence(Allocation("layer", 16, {name: ("uint4",)}))
        assert layer.sensitivity * layer.errors[0, 1] == pytest.approx(alone, rel=1e-6)


def test_losses_of_small_errors_add_up(model: LanguageModel, tokens: torch.Tensor) -> None:
    """Of all layers in 4 bits, the divergence is about the sum of what each loses alone; in 8 it is 4**4 times less."""
    table = table_of(model, tokens[:1], "layer")
    divergence = divergence_from(model, tokens[:1], DESIGN)
    whole = {name: divergence(Allocation("layer", 16, dict.fromkeys(table.layers, (name,)))) for name in ("uint4", "uint8")}
    assert 0.5 < whole["uint4"] / table.losses[:, 1].sum() < 2
    assert 64 < whole["uint4"] / whole["uint8"] < 1024
    assert divergence(Allocation("layer", 16, {})) == 0
