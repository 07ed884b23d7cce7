"""Small random decoders and designs, and a forward pass in plain numpy: no instructions, no buffers, all tokens at once."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.formats import FORMATS
from sim.kernels.product import matrix_product
from sim.overlay import special
from sim.overlay.compiler.image import Linear, Parameters
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.tree import tree_sums
from sim.quantized import QuantizedTensor, ScaleLevel, Scheme, quantize

Halves = NDArray[np.float16]

SEED = 3

LLAMA = Decoder("llama", layers=2, hidden=96, heads=6, kv_heads=2, head_dim=16, intermediate=160, vocabulary=100, context=64)
GPT = replace(
    LLAMA, name="gpt", kv_heads=6, norm="layer_norm", gated=False, rotary=False, activation="gelu_tanh",
    biases=("query", "key", "value", "output", "up", "down"),
)  # fmt: skip
ODD = replace(
    LLAMA,
    name="odd",
    hidden=88,
    head_dim=10,
    heads=3,
    kv_heads=1,
    intermediate=72,
    activation="gelu",
    biases=("up",),
    norm="layer_norm",
)

DENSE = OverlayDesign(
    "dense", units=2, vector_units=2, chain=2, group_size=32, slot_kib=4, slots=3, activation_buffer_kib=96, special_lanes=8,
    kept=16, decode_step=8, prefill_step=16, memory_gib=1,
)  # fmt: skip
SPARSE = replace(DENSE, name="sparse", kept=8, formats=(("query", "int3"), ("up", "int5"), ("head", "e2m1")))
DESIGNS = [
    DENSE,
    SPARSE,
    replace(SPARSE, name="off-chip", on_chip=False, slots=2),
    replace(DENSE, name="zeros", weight_format="uint4", prefill_step=8, decode_step=16),
    replace(DENSE, name="codebook", weight_format="nf4_int8", formats=(("down", "bipolar3"), ("key", "e3m0")), slot_kib=6),
    replace(SPARSE, name="wide", kept=2, group_size=16, units=1, vector_units=1, slot_kib=64, slots=5),
    replace(SPARSE, name="blocks", per_block=True, group_size=64, slot_kib=6),
    replace(
        DENSE, name="halves", element="fp16_tree", sparse=False, weight_format="fp16", chain=64, prefill_step=1, slot_kib=6
    ),
]
HALVES = DESIGNS[-1]
TOKENS = 27


def random_rows(decoder: Decoder) -> Halves:
    """Embeddings of ``TOKENS`` tokens."""
    return np.random.default_rng(SEED).normal(size=(TOKENS, decoder.hidden)).astype(np.float16)


def random_parameters(decoder: Decoder, design: OverlayDesign) -> Parameters:
    """Weights about as large as those of trained networks, pruned as the design says, norms near 1."""
    rng = np.random.default_rng(SEED)
    print("seed", SEED)

    def linear(name: str) -> Linear:
        k, n = decoder.products[name]
        weights = rng.normal(size=(k, n)).astype(np.float32) / np.float32(np.sqrt(k))
        places = (
            np.pad(np.abs(weights), ((0, -k % 16), (0, -n % 16))).reshape(-1, 16, n + -n % 16).argsort(axis=1).argsort(axis=1)
        )
        least = np.kron(16 - random_densities(rng, design, *places.shape[::2]), np.ones((1, 16), int))
        weights[(places < least[:, None]).reshape(-1, places.shape[2])[:k, :n]] = 0
        bias = rng.normal(size=n).astype(np.float16) if name in decoder.biases else None
        return Linear(quantize(weights, design.schemes[design.format_of(name)], axis=0), bias)

    def norm() -> Halves:
        rows = 1 if decoder.norm == "rms_norm" else 2
        return (np.array([1, 0][:rows])[:, None] + rng.normal(size=(rows, decoder.hidden)) / 8).astype(np.float16)

    angles = rng.uniform(0, 2 * np.pi, size=(decoder.context, decoder.head_dim // 2))
    return Parameters(
        tuple({name: linear(name) for name in decoder.products if name != "head"} for _ in range(decoder.layers)),
        tuple({"attention_norm": norm(), "network_norm": norm()} for _ in range(decoder.layers)),
        norm(),
        linear("head"),
        np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16) if decoder.rotary else None,
    )


def random_densities(rng: np.random.Generator, design: OverlayDesign, blocks: int, columns: int) -> NDArray[np.int64]:
    """N ``[blocks, columns / 16]``: the design's, or with an N for each block of a pair ``kept`` and ``kept``, 16 and 0 or the
    like in any order, pairs lying in one group."""
    kept = np.full((-(-blocks // 2), 2, columns // 16), design.kept)
    if design.per_block:
        pairs = np.array([(a, b) for a in (0, 2, 4, 8, 16) for b in (0, 2, 4, 8, 16) if a + b == 2 * design.kept])
        kept = pairs[rng.integers(len(pairs), size=kept.shape[::2])].swapaxes(1, 2)
        if blocks % 2:
            kept[-1, 0] = design.kept
    return kept.reshape(-1, columns // 16)[:blocks]


def forward(decoder: Decoder, design: OverlayDesign, parameters: Parameters, rows: Halves) -> Halves:
    """Logits ``[tokens, vocabulary]`` of embeddings ``[tokens, hidden]``."""
    x, lanes = rows, design.special_lanes
    for products, norms in zip(parameters.layers, parameters.norms, strict=True):
        h = _norm(decoder, norms["attention_norm"], x, lanes)
        q, k, v = (_linear(design, h, products[name]) for name in ("query", "key", "value"))
        x = special.add(x, _linear(design, _attention(decoder, design, parameters, q, k, v), products["output"]))
        h = _norm(decoder, norms["network_norm"], x, lanes)
        function = special.OPERATIONS[decoder.activation].function
        up = _linear(design, h, products["up"])
        inner = special.multiply(function(_linear(design, h, products["gate"])), up) if decoder.gated else function(up)
        x = special.add(x, _linear(design, inner, products["down"]))
    return _linear(design, _norm(decoder, parameters.last_norm, x, lanes), parameters.head)


def _norm(decoder: Decoder, norm: Halves, x: Halves, lanes: int) -> Halves:
    if decoder.norm == "rms_norm":
        return special.rms_norm(x, norm[0], decoder.epsilon, lanes)
    return special.layer_norm(x, norm[0], norm[1], decoder.epsilon, lanes)


def _linear(design: OverlayDesign, x: Halves, linear: Linear) -> Halves:
    if design.quantized:
        y = matrix_product(special.quantize(x), linear.weights)
    else:
        y = _in_halves(design, x, linear.weights.codes.view(np.float16)).astype(np.float32)
    return (y if linear.bias is None else y + linear.bias.astype(np.float32)).astype(np.float16)


def _in_halves(design: OverlayDesign, x: Halves, weights: Halves) -> Halves:
    return tree_sums(np.zeros((len(x), weights.shape[1]), np.float16), x, weights, design.engine.width)


def _attention(decoder: Decoder, design: OverlayDesign, parameters: Parameters, q: Halves, k: Halves, v: Halves) -> Halves:
    tokens, d = len(q), decoder.head_dim
    seen = np.tri(tokens, dtype=bool)
    mixed = []
    for head in range(decoder.heads):
        own, shared = (slice(at * d, (at + 1) * d) for at in (head, head // decoder.queries))
        query, key = (_turned(x, parameters) for x in (q[:, own], k[:, shared]))
        if not design.quantized:
            scores = np.where(seen, _in_halves(design, query, key.T), np.float16(0))
            chances = special.softmax(scores, d**-0.5, design.special_lanes, seen)
            mixed.append(_in_halves(design, chances, v[:, shared]))
            continue
        keys, values = special.quantize(key), special.quantize(v[:, shared])
        sums = matrix_product(special.quantize(query), _as_weights(keys.codes.T, keys.scale, design))
        scores = np.where(seen, sums, 0).astype(np.float16)
        chances = special.softmax(scores, d**-0.5, design.special_lanes, seen)
        codes, powers = special.quantize_folded(chances, values.scale)
        ones = np.ones(d, np.float16)
        mixed.append((matrix_product(codes, _as_weights(values.codes, ones, design)) * powers).astype(np.float16))
    return np.concatenate(mixed, axis=1)


def _turned(x: Halves, parameters: Parameters) -> Halves:
    if parameters.positions is None:
        return x
    cos, sin = np.split(parameters.positions[: len(x)], 2, axis=1)
    return special.rotary(x, np.tile(cos, 2), np.tile(sin, 2))


def _as_weights(codes: NDArray[np.uint8], scales: Halves, design: OverlayDesign) -> QuantizedTensor:
    scheme = Scheme(FORMATS["int8"], (ScaleLevel("group", "fp16"),), group_size=design.group_size)
    groups = -(-len(codes) // design.group_size)
    return QuantizedTensor(codes, scheme, 0, (np.tile(scales, (groups, 1)),))
