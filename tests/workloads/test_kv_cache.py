"""Recipes of the KV cache: by hand, against float products of what was rounded, a prefill against single steps, storage."""

from collections.abc import Callable
from itertools import product

import ml_dtypes
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim.design import DesignPoint
from sim.errors import InputError
from workloads.checkpoint import LanguageModel
from workloads.kv_cache import KV_RECIPES, Kivi, KVRecipe, PerToken, kv_bits
from workloads.kv_cache.attention import Attention, attention_products
from workloads.products import float_multiply, products_by

Double = NDArray[np.float64]

HEADS, SHARED, D_HEAD, TOKENS = 2, 2, 10, 19
GROUP = {"group_size": 8}
DESIGNS = {
    "uint4": DesignPoint("d", kv_format="uint4", **GROUP),
    "uint2": DesignPoint("d", kv_format="uint2", **GROUP),
    "uint8": DesignPoint("d", kv_format="uint8", **GROUP),
    "int4": DesignPoint("d", kv_format="int4", **GROUP),
    "int16 x uint4": DesignPoint("d", activation_format="int16", **GROUP),
    "wrap": DesignPoint("d", accumulator="wrap14", **GROUP),
    "saturate": DesignPoint("d", accumulator="saturate13", **GROUP),
    "fp16 x uint4": DesignPoint("d", pe="shift_add_float", activation_format="fp16", accumulator="fp32", **GROUP),
    "aligned": DesignPoint("d", pe="shift_add_float", activation_format="fp16", accumulator="aligned4", **GROUP),
    "fp16": DesignPoint("d", pe="multiplier", weight_format="fp16", activation_format="fp16", accumulator="fp32", **GROUP),
    "e4m3": DesignPoint("d", pe="minifloat", weight_format="e2m1", activation_format="ocp_e4m3", kv_format="ocp_e4m3", **GROUP),
    "e5m2": DesignPoint("d", pe="minifloat", weight_format="e2m1", activation_format="ocp_e4m3", kv_format="ocp_e5m2", **GROUP),
    "e2m1": DesignPoint("d", pe="mixed", weight_format="e2m1", activation_format="int8", **GROUP),
}
RECIPES: list[KVRecipe] = [PerToken(), Kivi(4, 8)]
OTHER_GROUPS: list[KVRecipe] = [Kivi(3, 6), Kivi(16, 16)]
"""Groups that do not divide a head, and ones as long as a window and longer than a head."""


@pytest.fixture
def operands(rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, keys, probabilities and values of a prefill, some channels great and never 0, as keys have them."""
    rows = SHARED * TOKENS
    queries = rng.normal(size=(HEADS, rows, D_HEAD))
    keys = rng.normal(size=(HEADS, D_HEAD, TOKENS)) + 6 * (np.arange(D_HEAD) % 4 == 1)[:, None]
    values = rng.normal(size=(HEADS, TOKENS, D_HEAD)) * rng.lognormal(size=(HEADS, TOKENS, 1))
    scores = torch.from_numpy(rng.normal(size=(HEADS, rows, TOKENS)))
    probabilities = torch.softmax(scores.masked_fill(~seen(TOKENS), -torch.inf), dim=-1)
    q, k, v = (torch.from_numpy(x.astype(np.float32)) for x in (queries, keys, values))
    return q, k, probabilities.float(), v


def seen(new: int) -> Tensor:
    """Which tokens each row sees."""
    return torch.arange(TOKENS) <= TOKENS - new + torch.arange(SHARED * new)[:, None] % new


@pytest.mark.parametrize(
    ("design", "recipe"), [*product(DESIGNS, RECIPES), *product(("uint4", "fp16 x uint4"), OTHER_GROUPS)], ids=str
)
def test_a_prefill_is_single_steps(operands: tuple[Tensor, ...], design: str, recipe: KVRecipe) -> None:
    """Bit for bit, and so are chunks of 7 tokens."""
    attention = attention_products(DESIGNS[design], recipe)
    q, k, p, v = (x[:1] for x in operands)
    scores, sums = attention("a.scores", q, k, TOKENS), attention("a.values", p, v, TOKENS)
    assert scores.isfinite().all()
    assert scores.dtype == sums.dtype == torch.float32
    by_token = [x.unflatten(1, (SHARED, TOKENS)) for x in (q, p, scores, sums)]
    for chunk in (1, 7):
        for start in range(0, TOKENS, chunk):
            stop = min(start + chunk, TOKENS)
            rows, weighted, whole_scores, whole_sums = (x[:, :, start:stop].flatten(1, 2) for x in by_token)
            part = attention("a.scores", rows, k[:, :, :stop], stop - start)
            visible = torch.arange(stop) <= start + torch.arange(SHARED * (stop - start))[:, None] % (stop - start)
            assert torch.equal(part.where(visible, 0), whole_scores[:, :, :stop].where(visible, 0))
            assert torch.equal(attention("a.values", weighted[:, :, :stop], v[:, :stop], stop - start), whole_sums)


def test_per_token_by_hand() -> None:
    """Two tokens of two numbers, 4 bits with zero points, int8 activations.

    Keys (0, 15) and (-3, 12) have scale 1 and zero points 0 and 3. The query (127, 64) has scale 1. Values (0, 15) and
    (-6, 24) have scales 1 and 2, zero points 0 and 3: codes less those are (0, 15) and (-3, 12). Probabilities 1/2 and 1/4
    times those scales are 1/2 and 1/2, which is code 127 for both with the scale fp16(1/254).
    """
    attention = attention_products(DESIGNS["uint4"], "per_token")
    keys = torch.tensor([[[0.0, -3], [15, 12]]])
    assert attention("scores", torch.tensor([[[127.0, 64]]]), keys, 1).tolist() == [[[960, 387]]]
    values = torch.tensor([[[0.0, 15], [-6, 24]]])
    scale = np.float32(np.float16(1 / 254))
    expected = [[[np.float32(127 * -3) * scale, np.float32(127 * 27) * scale]]]
    assert attention("x.values", torch.tensor([[[0.5, 0.25]]]), values, 1).tolist() == expected


def test_kivi_by_hand() -> None:
    """Windows of two tokens, groups of two, 2 bits with minima.

    Position 2 sees keys 0 and 1 quantized: channels (1, 4) and (-1, 5) have scales 1 and 2, codes (0, 3), minima 1 and -1. The
    query (2, 1) times the scales is (2, 2), both code 127 of the scale 4 fp16(1/254); with the minima it is 2 - 1. Position 3
    sees the value of token 0 quantized, (1, 4): scale 1, minimum 1, codes (0, 3); the others are exact in fp16.
    """
    attention = attention_products(DESIGNS["uint2"], Kivi(2, 2))
    scale = np.float32(np.float16(1 / 254))
    keys = torch.tensor([[[1.0, 4, 3], [-1, 5, 7]]])
    expected = [1, np.float32(127 * 6) * scale * 4 + 1, 13]
    assert attention("a.scores", torch.tensor([[[2.0, 1]]]), keys, 1).tolist() == [[expected]]
    values = torch.tensor([[[1.0, 4], [8, 16], [32, 64], [1, 2]]])
    exact = 0.25 * 8 + 0.125 * 32 + 0.125, 0.25 * 16 + 0.125 * 64 + 0.25
    expected = [0.5 + exact[0], np.float32(127 * 3) * scale + 0.5 + exact[1]]
    assert attention("a.values", torch.tensor([[[0.5, 0.25, 0.125, 0.125]]]), values, 1).tolist() == [[expected]]


def as_float16(x: Double) -> Double:
    return x.astype(np.float16).astype(np.float64)


def int8(rows: Double) -> Double:
    scale = as_float16(np.abs(rows).max(axis=-1, keepdims=True) / 127)
    return np.clip(np.rint(rows / scale), -128, 127) * scale


def e4m3(rows: Double) -> Double:
    scale = as_float16(np.abs(rows).max(axis=-1, keepdims=True) / 448)
    return np.clip(rows / scale, -448, 448).astype(ml_dtypes.float8_e4m3fn).astype(np.float64) * scale


def normalised(rounded: Callable[[Double], Double]) -> Callable[[Double], Double]:
    """Of rows that have been brought to magnitudes from 1/2 to 1."""

    def rounded_rows(rows: Double) -> Double:
        power = 2.0 ** (np.floor(np.log2(np.abs(rows).max(axis=-1, keepdims=True))) + 1)
        return rounded(rows / power) * power

    return rounded_rows


def integers_with_zero(bits: int) -> Callable[[Double], tuple[Double, Double, Double]]:
    """Along the last axis: numbers less their minima divided by scales, scales, minima."""

    def parts(rows: Double) -> tuple[Double, Double, Double]:
        low, high = np.minimum(rows.min(-1, keepdims=True), 0), np.maximum(rows.max(-1, keepdims=True), 0)
        scale = as_float16((high - low) / (2**bits - 1))
        zero = np.clip(np.rint(-low / scale), 0, 2**bits - 1)
        return np.clip(np.rint(rows / scale) + zero, 0, 2**bits - 1) - zero, scale, 0 * scale

    return parts


def integers_with_minimum(bits: int) -> Callable[[Double], tuple[Double, Double, Double]]:
    def parts(rows: Double) -> tuple[Double, Double, Double]:
        low, high = rows.min(-1, keepdims=True), rows.max(-1, keepdims=True)
        scale, minimum = as_float16((high - low) / (2**bits - 1)), as_float16(low)
        return np.clip(np.rint((rows - minimum) / scale), 0, 2**bits - 1), scale, minimum

    return parts


def e5m2(rows: Double) -> tuple[Double, Double, Double]:
    scale = as_float16(np.abs(rows).max(-1, keepdims=True) / 57344)
    return np.clip(rows / scale, -57344, 57344).astype(ml_dtypes.float8_e5m2).astype(np.float64), scale, 0 * scale


def close(found: NDArray[np.float32], expected: Double) -> bool:
    """Within the rounding of sums of thirty terms to fp32, and ties of quotients that fp32 rounds."""
    return np.allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("design", "numbers", "rounded"),
    [("uint4", integers_with_zero(4), int8), ("uint2", integers_with_zero(2), int8), ("e5m2", e5m2, e4m3)],
)
def test_per_token_is_the_float_product_of_what_was_rounded(
    operands: tuple[Tensor, ...],
    design: str,
    numbers: Callable[[Double], tuple[Double, Double, Double]],
    rounded: Callable[[Double], Double],
) -> None:
    attention = attention_products(DESIGNS[design], "per_token")
    q, k, p, v = (x[0].numpy().astype(np.float64) for x in operands)
    codes, scale, _ = numbers(k.T)
    assert close(attention("a.scores", *operands[:2], TOKENS)[0].numpy(), rounded(q) @ (codes * scale).T)
    codes, scale, _ = numbers(v)
    assert close(attention("a.values", *operands[2:], TOKENS)[0].numpy(), normalised(rounded)(p * scale.T) @ codes)


@pytest.mark.parametrize(
    ("design", "numbers", "rounded"),
    [("uint4", integers_with_minimum(4), int8), ("uint2", integers_with_minimum(2), int8), ("e5m2", e5m2, e4m3)],
)
def test_kivi_is_the_float_product_of_what_was_rounded(
    operands: tuple[Tensor, ...],
    design: str,
    numbers: Callable[[Double], tuple[Double, Double, Double]],
    rounded: Callable[[Double], Double],
) -> None:
    """Query by query, the cache as the authors' code has it at that step: a list that is flushed, a queue."""
    group, window = 4, 8
    attention = attention_products(DESIGNS[design], Kivi(group, window))
    scores = attention("a.scores", *operands[:2], TOKENS)[0].numpy()
    sums = attention("a.values", *operands[2:], TOKENS)[0].numpy()
    q, k, p, v = (x[0].numpy().astype(np.float64) for x in operands)
    fresh_keys: list[int] = []
    fresh_values: list[int] = []
    old_keys, old_values = 0, 0
    for t in range(TOKENS):
        fresh_keys, fresh_values = [*fresh_keys, t], [*fresh_values, t]
        for row in (t, TOKENS + t):
            expected = np.zeros(t + 1)
            for start in range(0, old_keys, group):
                codes, scale, minimum = numbers(k[:, start : start + group])
                query = normalised(rounded)(q[row] * scale[:, 0])
                expected[start : start + group] = query @ codes + as_float16(q[row]) @ minimum
            expected[fresh_keys] = as_float16(q[row]) @ as_float16(k[:, fresh_keys])
            assert close(scores[row, : t + 1], expected)
            total = as_float16(p[row, fresh_values]) @ as_float16(v[fresh_values])
            for start in range(0, D_HEAD, group) if old_values else ():
                codes, scale, minimum = numbers(v[:old_values, start : start + group])
                weighted = normalised(rounded)(p[row, :old_values] * scale[:, 0])
                total[start : start + group] += weighted @ codes + as_float16(p[row, :old_values]) @ minimum
            assert close(sums[row], total)
        if len(fresh_keys) == window:
            fresh_keys, old_keys = [], old_keys + window
        if len(fresh_values) > window:
            fresh_values, old_values = fresh_values[1:], old_values + 1


def test_channels_with_outliers_are_what_kivi_is_for(operands: tuple[Tensor, ...]) -> None:
    """With 2 bits and a channel that is far from 0 (what the paper starts from), keys per channel err much less."""
    q, k, _, _ = operands
    errors = []
    for recipe in (PerToken(), Kivi(4, 8)):
        scores = attention_products(DESIGNS["uint2"], recipe)("a.scores", q, k, TOKENS)
        errors.append(float(((scores - q @ k) ** 2)[seen(TOKENS).expand_as(scores)].mean()))
    assert errors[1] < errors[0] / 5


def test_small_probabilities_keep_their_precision() -> None:
    """A row whose greatest probability is 2**-20 has the relative error of any other."""
    attention = attention_products(DESIGNS["uint8"], "per_token")
    values = torch.linspace(-0.01, 0.02, 12)[None, :, None].repeat(1, 1, 3)
    row = torch.linspace(1, 0, 12)[None, None]
    assert torch.equal(attention("values", row / 2**20, values, 1) * 2**20, attention("values", row, values, 1))


def test_float_is_torch(operands: tuple[Tensor, ...]) -> None:
    attention = attention_products(DESIGNS["uint2"], "float")
    assert torch.equal(attention("a.scores", *operands[:2], TOKENS), operands[0] @ operands[1])


@pytest.mark.parametrize("recipe", [PerToken(), Kivi(4, 8)])
def test_a_model_with_8_bits_is_almost_the_model(tiny: LanguageModel, held_out: bytes, recipe: KVRecipe) -> None:
    """So rows are the queries that the recipe takes them for."""
    attention: Attention = attention_products(DESIGNS["uint8"], recipe)
    tokens = tiny.encode(held_out[:40])[None]

    def multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
        if name.endswith((".scores", ".values")):
            return attention(name, activations, weights, tokens.shape[1])
        return float_multiply(name, activations, weights)

    with torch.inference_mode():
        exact = tiny.network(tokens, use_cache=False).logits
        with products_by(tiny.network, multiply):
            found = tiny.network(tokens, use_cache=False).logits
    assert 0 < (found - exact).norm() < 0.02 * exact.norm()


@pytest.mark.parametrize(
    ("design", "recipe", "d_head", "bits"),
    [
        ("uint4", "per_token", 64, 4 + (16 + 4) / 64),
        ("int4", "per_token", 64, 4 + 16 / 64),
        ("e4m3", "per_token", 128, 8 + 16 / 128),
        ("fp16", "per_token", 64, 16),
        ("uint2", "kivi", 128, 2 + (16 + 16) / 32),
        ("uint2", "kivi", 16, 2 + (1 + 2) / 2),
        ("uint2", "kivi", 48, 2 + (32 / 32 + 2 * 32 / 48) / 2),
        ("e5m2", "kivi", 128, 8 + 16 / 32),
        ("uint2", "float", 64, 32),
    ],
)
def test_storage_by_hand(design: str, recipe: str, d_head: int, bits: float) -> None:
    """16 bits for a scale or minimum, those of a code for a zero point; the mean of keys and values."""
    assert kv_bits(DESIGNS[design], recipe, d_head) == pytest.approx(bits, rel=1e-12)


def test_the_recipes_of_the_registry() -> None:
    """The group size and the residual length of KIVI's experiments (section 4.1)."""
    assert KV_RECIPES["kivi"] == Kivi(group_size=32, window=128)


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="unknown KV recipe 'kiwi'; known are float, per_token, kivi"):
        attention_products(DESIGNS["uint4"], "kiwi")
    with pytest.raises(InputError, match="group size of a KV cache is at least 1, not 0"):
        Kivi(0)
    for window in (0, 33):
        with pytest.raises(InputError, match=f"window of a KV cache is a multiple of its group size 32, not {window}"):
            Kivi(32, window)
    attention = attention_products(DESIGNS["uint4"], "kivi")
    for new in (0, 3, 5):
        with pytest.raises(InputError, match=f"new tokens are between 1 and 4 and divide 8 rows of queries, not {new}"):
            attention("a.scores", torch.ones(1, 8, 2), torch.ones(1, 2, 4), new)
