"""The forward pass through ``multiply`` functions is the model's own, and its trace is complete."""

import numpy as np
import pytest
import torch
from torch import Tensor

from sim.errors import InputError
from workloads.checkpoint import LanguageModel
from workloads.model_trace import TracedProduct
from workloads.products import float_multiply, products_by
from workloads.tracing import trace

HIDDEN, KEY_VALUE, FEED_FORWARD, HEAD, VOCABULARY = 256, 128, 704, 64, 256  # config.json of the embedded model
LAYERS = 5


Named = tuple[str, tuple[int, int, int, int]]


def expected_shapes(tokens: int, kv_heads: int, queries: int, context: int, last: int) -> list[Named]:
    """Names and (count, m, k, n) of the Llama architecture's products, in order of execution."""
    one = [
        ("self_attn.q_proj", (1, tokens, HIDDEN, HIDDEN)),
        ("self_attn.k_proj", (1, tokens, HIDDEN, KEY_VALUE)),
        ("self_attn.v_proj", (1, tokens, HIDDEN, KEY_VALUE)),
        ("self_attn.scores", (kv_heads, queries, HEAD, context)),
        ("self_attn.values", (kv_heads, queries, context, HEAD)),
        ("self_attn.o_proj", (1, tokens, HIDDEN, HIDDEN)),
        ("mlp.gate_proj", (1, tokens, HIDDEN, FEED_FORWARD)),
        ("mlp.up_proj", (1, tokens, HIDDEN, FEED_FORWARD)),
        ("mlp.down_proj", (1, tokens, FEED_FORWARD, HIDDEN)),
    ]
    layers = [(f"model.layers.{i}.{name}", shape) for i in range(LAYERS) for name, shape in one]
    return [*layers, ("lm_head", (1, last, HIDDEN, VOCABULARY))]


def shapes(traced: tuple[TracedProduct, ...]) -> list[Named]:
    return [(p.name, (p.shape.count, p.shape.m, p.shape.k, p.shape.n)) for p in traced]


def test_prefill_is_traced_whole(tiny: LanguageModel, held_out: bytes) -> None:
    """Two sequences, two key-value heads each, two query heads stacked on each of them."""
    traced = trace(tiny, tiny.encode(held_out), "prefill", 2, 96)
    assert shapes(traced) == expected_shapes(2 * 96, 4, 2 * 96, 96, 2)
    assert {p.kind for p in traced} == {"linear", "scores", "values"}


def test_decode_is_traced_whole(tiny: LanguageModel, held_out: bytes) -> None:
    traced = trace(tiny, tiny.encode(held_out), "decode", 3, 40)
    assert shapes(traced) == expected_shapes(3, 6, 2, 40, 3)


def test_decode_of_a_first_token_has_no_cache(tiny: LanguageModel, held_out: bytes) -> None:
    assert shapes(trace(tiny, tiny.encode(held_out), "decode", 1, 1)) == expected_shapes(1, 2, 2, 1, 1)


def test_decode_traces_the_last_row_of_the_prefill(tiny: LanguageModel, held_out: bytes) -> None:
    """The new token's operands are the prefill's last row, up to float32 rounding of another blocking."""
    tokens = tiny.encode(held_out)
    prefill = {p.name: p for p in trace(tiny, tokens, "prefill", 1, 50)}
    for product in trace(tiny, tokens, "decode", 1, 50):
        if product.kind == "linear" and product.name != "lm_head":
            np.testing.assert_allclose(product.activations[0], prefill[product.name].activations[0][-1:], atol=1e-3)
        elif product.kind == "scores":
            assert product.weights.shape == prefill[product.name].weights.shape


def test_logits_by_products_are_the_models_own(tiny: LanguageModel, held_out: bytes) -> None:
    """Attention by two products equals torch's fused attention to float32 rounding; batch and padding free."""
    window = tiny.encode(held_out)[:160].reshape(2, 80)
    with torch.inference_mode():
        expected = tiny.network(window).logits
        with products_by(tiny.network, float_multiply):
            found = tiny.network(window).logits
        again = tiny.network(window).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
    assert torch.equal(again, expected), "the network is as it was before"


def test_every_product_passes_through_multiply(tiny: LanguageModel, held_out: bytes) -> None:
    """Zeros in place of every product leave logits of zero."""

    def nothing(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        assert name
        return torch.zeros(*activations.shape[:2], weights.shape[2])

    with torch.inference_mode(), products_by(tiny.network, nothing):
        assert not tiny.network(tiny.encode(held_out)[None, :20]).logits.any()


@pytest.mark.parametrize(
    ("phase", "batch", "sequence", "message"),
    [
        ("prefil", 1, 8, "unknown phase 'prefil'; known are prefill, decode"),
        ("prefill", 0, 8, "batch is at least 1, not 0"),
        ("prefill", 1, 0, "sequence is at least 1, not 0"),
        ("decode", 1, 1025, "at most the model's context of 1024 tokens, not 1025"),
        ("decode", 1000, 1000, "at most the text's 65536 tokens, not 1000 x 1000"),
    ],
)
def test_what_cannot_be_traced(
    tiny: LanguageModel, held_out: bytes, phase: str, batch: int, sequence: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        trace(tiny, tiny.encode(held_out), phase, batch, sequence)  # type: ignore[arg-type]
