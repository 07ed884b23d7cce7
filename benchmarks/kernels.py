"""Speed of the exact kernel beside float32 arithmetic, in the same run."""

import numpy as np
import torch

from benchmarks.figure import Figure, median_seconds
from sim.design import load_design
from sim.kernels.product import grouped_product
from sim.quantized import quantize_activations, quantize_weights
from workloads.accuracy import hardware_multiply
from workloads.checkpoint import HELD_OUT_TEXT, load_model
from workloads.products import float_multiply, products_by

M, K, N = 128, 4096, 4096
TOKENS = 512


def kernel_figures() -> list[Figure]:
    """One large product, and the embedded model's whole forward pass with its linear layers on the hardware."""
    return [_product(), _forward_pass()]


def _product() -> Figure:
    design = load_design("mixpe-w4a8")
    rng = np.random.default_rng(0)
    a = rng.normal(size=(M, K)).astype(np.float32)
    w = rng.normal(size=(K, N)).astype(np.float32)
    activations = quantize_activations(a, design.activation)
    weights = quantize_weights(w, design.weight, design.group_size)
    ours = median_seconds(lambda: grouped_product(activations, weights))
    a_torch, w_torch = torch.from_numpy(a), torch.from_numpy(w)
    theirs = median_seconds(lambda: a_torch @ w_torch)
    name = f"W4A8 g64 product {M}x{K}x{N}, bit-exact"
    return Figure(name, theirs / ours, "x", None, "higher", f"torch float32 matmul, {M * K * N / theirs / 1e9:.0f} GMAC/s")


def _forward_pass() -> Figure:
    model = load_model("tiny-stdlib")
    tokens = model.encode(HELD_OUT_TEXT.read_bytes())[None, :TOKENS]
    with torch.inference_mode():
        with products_by(model.network, hardware_multiply(load_design("mixpe-w4a8"))):
            ours = median_seconds(lambda: model.network(tokens))
        with products_by(model.network, float_multiply):
            theirs = median_seconds(lambda: model.network(tokens))
    return Figure(f"forward pass of {TOKENS} tokens, W4A8 bits", theirs / ours, "x", None, "higher", "the float32 forward pass")
