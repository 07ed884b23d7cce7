"""Noise of products and their sums in ``layers.csv``: masked scores left out, experts in the row of all of them."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import MixtralConfig, MixtralForCausalLM

import shiftwise
from shiftwise.noise import Noise, noise_of
from sim.operators import Product, ProductKind
from workloads.model_trace import TracedProduct

SEED = 20261128


def traced(kind: ProductKind, a: np.ndarray, w: np.ndarray) -> TracedProduct:
    (count, m, k), n = a.shape, w.shape[2]
    return TracedProduct(Product("a.scores", m, k, n, count=count, kind=kind), a.astype(np.float32), w.astype(np.float32))


def test_noise_by_hand() -> None:
    """Results 3 and 4 that were found as 3.5 and 4: 25 to 0.25 is a hundredfold, 20 dB."""
    found = noise_of(traced("linear", np.ones((1, 1, 1)), np.array([[[3, 4]]])), np.array([[[3.5, 4]]], np.float32), 1)
    assert found == Noise(25, 0.25)
    assert found.sqnr == pytest.approx(20)
    assert (found + Noise(225, 2.25)).sqnr == pytest.approx(20)
    assert Noise(25, 0).sqnr == math.inf


def test_masked_scores_are_nobodys() -> None:
    """Two new tokens after one, two queries of each key: the first of both does not see the last token."""
    product = traced("scores", np.ones((1, 4, 1)), np.array([[[1, 2, 3]]]))
    results = np.array([[[1, 2, 99], [1, 2, 3], [1, 2, -99], [1, 2, 3]]], np.float32)
    assert noise_of(product, results, 2) == Noise(2 * (1 + 4) + 2 * (1 + 4 + 9), 0)
    assert noise_of(traced("linear", product.activations, product.weights), results, 2).noise == 96**2 + 102**2


def test_scores_of_a_cache_that_fills_whole_windows() -> None:
    """Keys of 8 bits err by at most a 510th of the range of their channel and 32 tokens, recent ones by a 2**-11."""
    design = shiftwise.DesignPoint("kv8", kv_format="uint8")
    layers = shiftwise.simulate(design, sequence=160, accuracy_bytes=16, kv_cache="kivi").layers
    assert layers[layers.kind == "scores"].sqnr_dB.min() > 35


def test_experts_are_in_the_row_of_all_of_them(tmp_path: Path) -> None:
    """33 tokens to 2 of 4 experts each: on sizes alone two have 17 rows and two have 16, which are two products."""
    torch.manual_seed(SEED)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = MixtralConfig(
        vocab_size=256, max_position_embeddings=64, num_key_value_heads=2, num_local_experts=4, bos_token_id=1, **sizes
    )
    MixtralForCausalLM(config).save_pretrained(tmp_path)
    design = shiftwise.DesignPoint("narrow", weight_format="int4", accumulator="saturate12", group_size=16)
    run = shiftwise.simulate(design, model=str(tmp_path), sequence=33, accuracy_bytes=100)
    accuracy, rows = run.summary["accuracy"], run.layers
    products = rows[rows.macs > 0]
    experts = products[products.name.str.contains("experts")]
    assert experts.groupby("name").m.apply(sorted).tolist() == [[16, 17]] * 4
    assert products.sqnr_dB.notna().all()
    assert rows[rows.macs == 0].group_sums.isna().all()
    assert accuracy["group_sums"] == rows.group_sums.sum()
    assert accuracy["overflows"] == rows.overflows.sum() > 0
    predicted, groups = accuracy["tokens"], {"gate_up_proj": 2 * 48 * 2, "down_proj": 32 * 3}  # outputs times groups of inputs
    for name, sums in groups.items():
        of_name = experts[experts.name.str.endswith(name)]
        assert of_name.group_sums.sum() == 2 * predicted * 2 * sums  # of two layers, each token by two experts
