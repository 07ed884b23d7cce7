"""Speed and memory of the exact kernels beside torch's float32 arithmetic, in the same run."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.figure import Figure, median_seconds, peak_bytes, seconds_of
from sim.design import load_design
from sim.kernels.dot import HAS_BYTES
from sim.kernels.product import matrix_product
from sim.quantized import SCHEMES, QuantizedTensor, ScaleLevel, Scheme, quantize
from workloads.accuracy import float_logits, prefill_logits
from workloads.checkpoint import load_model
from workloads.embedded import HELD_OUT_TEXT
from workloads.hardware import Hardware
from workloads.tracing import trace

M, K, N = 128, 4096, 4096
TOKENS = 512
FORWARD_BAR = 0.5
MEMORY_BAR = 3
"""Times operands and result: what a kernel may hold in all."""

INT4_CHANNEL = Scheme(SCHEMES["int4_g128"].format, (ScaleLevel("channel", "fp16"),))


@dataclass(frozen=True)
class Case:
    """A product of the table: how its operands are quantized, its accumulator, and the bar [x float32 matmul]."""

    name: str
    activations: Scheme
    weights: Scheme
    accumulator: str
    bar: float


CASES = (
    Case("INT4 x INT8, g = 128, exact", SCHEMES["int8_token"], SCHEMES["int4_g128"], "exact", 2.5),
    Case("INT4 x INT8, wraps at 20 bit", SCHEMES["int8_token"], INT4_CHANNEL, "wrap20", 2.0),
    Case("INT4 x INT8, saturates at 18 bit", SCHEMES["int8_token"], INT4_CHANNEL, "saturate18", 1.0),
    Case("E2M1 x E2M1, MX blocks of 32", SCHEMES["mxfp4"], SCHEMES["mxfp4"], "exact", 0.4),
    Case("E4M3 x E4M3, exact fixed point", SCHEMES["e4m3_token"], SCHEMES["e4m3_channel"], "exact", 0.4),
    Case("fp16 x INT4, fp32 in order of k", SCHEMES["fp16"], INT4_CHANNEL, "fp32", 0.2),
    Case("E4M3 x E4M3, bf16 in order of k", SCHEMES["e4m3_token"], SCHEMES["e4m3_channel"], "bf16", 0.05),
)


def kernel_figures() -> list[Figure]:
    """Every case at M = 128 and at M = 1 (decode), the memory it takes, and the embedded model's whole forward pass."""
    a, w = real_operands()
    return [*(figure for case in CASES for figure in _case_figures(case, a, w)), _forward_pass()]


def real_operands() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Activations ``[M, K]`` and weights ``[K, N]``: the embedded model's, traced, laid end to end in random order."""
    model = load_model("tiny-stdlib")
    traced = trace(model, model.encode(HELD_OUT_TEXT.read_bytes()), "prefill", 1, TOKENS)
    linear = [p for p in traced if p.kind == "linear"]
    rng = np.random.default_rng(0)
    activations = np.concatenate([p.activations.reshape(-1) for p in linear])
    weights = np.concatenate([p.weights.reshape(-1) for p in linear])
    return _lines(rng, activations, (M, K)), _lines(rng, weights, (K, N))


def _lines(rng: np.random.Generator, numbers: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Pieces of 64 neighbours, drawn with replacement."""
    pieces = numbers[: len(numbers) // 64 * 64].reshape(-1, 64)
    lines: NDArray[np.float32] = pieces[rng.integers(0, len(pieces), shape[0] * shape[1] // 64)].reshape(shape)
    return lines


def _case_figures(case: Case, a: NDArray[np.float32], w: NDArray[np.float32]) -> list[Figure]:
    """Weights are decoded when they are first met and stay so, activations are new in every call."""
    activations, weights = quantize(a, case.activations, axis=1), quantize(w, case.weights, axis=0)
    row = quantize(a[:1], case.activations, axis=1)
    matrix_product(row, quantize(w, case.weights, axis=0), case.accumulator)  # compiles the kernel
    memory = peak_bytes(lambda: matrix_product(activations, weights, case.accumulator))
    fresh = quantize(w, case.weights, axis=0)
    met = quantize(a, case.activations, axis=1)
    first = seconds_of(lambda: matrix_product(met, fresh, case.accumulator))
    a_torch, w_torch = torch.from_numpy(a), torch.from_numpy(w)
    ours, theirs, decode, their_decode = median_seconds(
        lambda: matrix_product(replace(activations), weights, case.accumulator),
        lambda: a_torch @ w_torch,
        lambda: matrix_product(replace(row), weights, case.accumulator),
        lambda: a_torch[:1] @ w_torch,
    )
    speed = f"{M * K * N / ours / 1e9:.0f} GMAC/s"
    versus = f"{speed}; float32 {M * K * N / theirs / 1e9:.0f}; with weights first met {theirs / first:.2f}x"
    decode_versus = f"{K * N / decode / 1e9:.1f} GMAC/s, a byte of weights each; float32 {K * N / their_decode / 1e9:.1f}"
    figures = [
        Figure(case.name, theirs / ours, "x", case.bar, "higher", versus),
        Figure(f"{case.name}, M = 1", their_decode / decode, "x", None, "higher", decode_versus),
    ]
    if memory is not None:
        held = _bytes(activations) + _bytes(weights) + 4 * M * N
        figures.append(
            Figure(
                f"{case.name}, memory",
                (held + memory) / held,
                "x",
                MEMORY_BAR,
                "lower",
                f"operands a byte or two a code, and result: {held / 1e6:.0f} MB",
            )
        )
    return figures


def _bytes(tensor: QuantizedTensor) -> int:
    return (
        tensor.codes.nbytes
        + sum(scales.nbytes for scales in tensor.scales)
        + (0 if tensor.zero is None else tensor.zero.nbytes)
    )


def instructions() -> str:
    """What the machine multiplies integers with."""
    return "int8 dot products (AVX512-VNNI)" if HAS_BYTES else "no int8 dot products: 16-bit products instead"


def _forward_pass() -> Figure:
    model = load_model("tiny-stdlib")
    tokens = model.encode(HELD_OUT_TEXT.read_bytes())[None, :TOKENS]
    hardware, of_torch = Hardware(load_design("mixpe-w4a8")), float_logits(model.network)
    of_hardware = prefill_logits(model.network, hardware)
    with torch.inference_mode():
        ours, theirs = median_seconds(lambda: of_hardware(tokens), lambda: of_torch(tokens))
    name = f"forward pass of {TOKENS} tokens, W4A8 hardware"
    return Figure(name, theirs / ours, "x", FORWARD_BAR, "higher", "the float32 forward pass")
