"""GGUF: blocks are what gguf's own ``dequantize`` says, whole models what transformers makes of the same file."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter
from numpy.typing import NDArray
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

import shiftwise
from sim.errors import InputError
from sim.kernels.product import matrix_product
from sim.quantized import SCHEMES, quantize, read_tensor, write_tensor
from tests.sim.kernels.judging import judged
from workloads.checkpoint import load_model
from workloads.checkpoints.gguf import BLOCKS, tensor_of
from workloads.checkpoints.packed import dequantized
from workloads.shapes import shapes

VOCABULARY, HIDDEN, WIDE, HEADS, GROUPED = 256, 256, 512, 4, 2
Blocks = NDArray[np.uint8]


def random_blocks(kind: str, rows: int, k: int, rng: np.random.Generator) -> Blocks:
    """Any bytes, but for the fp16 numbers of blocks, which are small and of either sign, and 0 in the first block."""
    weights, size = gguf.GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    blocks = rng.integers(0, 256, (rows, k // weights, size), dtype=np.uint8)
    for at in {"Q4_0": (0,), "Q8_0": (0,), "Q4_K": (0, 2), "Q6_K": (208,)}[kind]:
        floats = rng.normal(scale=1e-4, size=blocks.shape[:2]).astype(np.float16)
        floats[0, 0] = 0
        blocks[..., at : at + 2] = floats[..., None].view(np.uint8)
    return blocks.reshape(rows, -1)


def tensors(kind: str, rng: np.random.Generator) -> dict[str, tuple[np.ndarray, str]]:
    """A LLaMA of one layer: matrices in blocks of that kind, norms in fp32."""

    def matrix(rows: int, k: int) -> tuple[np.ndarray, str]:
        if kind not in BLOCKS:
            numbers = rng.normal(scale=0.05, size=(rows, k)).astype(np.float32)
            return gguf.quantize(numbers, GGMLQuantizationType[kind]), kind
        return random_blocks(kind, rows, k, rng), kind

    norms = [(rng.normal(1, 0.1, HIDDEN).astype(np.float32), "F32") for _ in range(3)]
    return {
        "token_embd.weight": matrix(VOCABULARY, HIDDEN),
        "blk.0.attn_q.weight": matrix(HIDDEN, HIDDEN),
        "blk.0.attn_k.weight": matrix(HIDDEN // HEADS * GROUPED, HIDDEN),
        "blk.0.attn_v.weight": matrix(HIDDEN // HEADS * GROUPED, HIDDEN),
        "blk.0.attn_output.weight": matrix(HIDDEN, HIDDEN),
        "blk.0.ffn_gate.weight": matrix(WIDE, HIDDEN),
        "blk.0.ffn_up.weight": matrix(WIDE, HIDDEN),
        "blk.0.ffn_down.weight": matrix(HIDDEN, WIDE),
        "blk.0.attn_norm.weight": norms[0],
        "blk.0.ffn_norm.weight": norms[1],
        "output_norm.weight": norms[2],
        "output.weight": matrix(VOCABULARY, HIDDEN),
    }


def write(path: Path, content: dict[str, tuple[np.ndarray, str]], architecture: str = "llama", words: int = 0) -> Path:
    """A file, with a tokenizer of bytes and one word if there are any words."""
    writer = GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(WIDE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(GROUPED)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(VOCABULARY + words)
    if words:
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list([*bytes_to_unicode().values(), "he"])
        writer.add_token_merges(["h e"])
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(0)
    for name, (array, kind) in content.items():
        writer.add_tensor(name, array, raw_dtype=GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


NAMES = {
    "model.embed_tokens": "token_embd",
    "model.layers.0.self_attn.q_proj": "blk.0.attn_q",
    "model.layers.0.self_attn.k_proj": "blk.0.attn_k",
    "model.layers.0.self_attn.v_proj": "blk.0.attn_v",
    "model.layers.0.self_attn.o_proj": "blk.0.attn_output",
    "model.layers.0.mlp.gate_proj": "blk.0.ffn_gate",
    "model.layers.0.mlp.up_proj": "blk.0.ffn_up",
    "model.layers.0.mlp.down_proj": "blk.0.ffn_down",
    "lm_head": "output",
}


def unpermuted(rows: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp keeps the two halves of each head of queries and keys interleaved; here is the first half, then the second."""
    half = len(rows) // heads // 2
    return np.stack([rows[head * 2 * half + part :: 2][:half] for head in range(heads) for part in (0, 1)]).reshape(rows.shape)


@pytest.mark.parametrize("kind", [*BLOCKS, "F32", "F16", "BF16"])
def test_a_model_has_the_numbers_of_the_file(kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    content = tensors(kind, rng)
    path = write(tmp_path / "tiny.gguf", content)
    model = load_model(str(path))
    assert model.name == "tiny"
    assert (model.network.config.model_type, model.context) == ("llama", 64)
    assert {*model.layers} == ({*NAMES} - {"model.embed_tokens"} if kind in BLOCKS else set())
    for name, own in NAMES.items():
        array, stored = content[f"{own}.weight"]
        expected = gguf.dequantize(array, GGMLQuantizationType[stored])
        if "q_proj" in name or "k_proj" in name:
            expected = unpermuted(expected, HEADS if "q_proj" in name else GROUPED)
        assert np.array_equal(model.network.get_parameter(f"{name}.weight").numpy(), expected)
        if name in model.layers:
            assert np.array_equal(dequantized(model.layers[name]), expected.T)
    found = model.network.state_dict()
    theirs = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model.network)["tensors"]
    assert theirs.keys() == found.keys()
    assert all(torch.equal(found[name], tensor.float()) for name, tensor in theirs.items())


@pytest.mark.parametrize("kind", BLOCKS)
def test_bits_are_those_of_the_file(kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    """Everything that a block has is counted, and nothing else."""
    content = tensors(kind, rng)
    model = load_model(str(write(tmp_path / "tiny.gguf", content)))
    for name, own in NAMES.items():
        if name in model.layers:
            assert model.layers[name].bits == content[f"{own}.weight"][0].size * 8


@pytest.mark.parametrize("kind", BLOCKS)
def test_kernels_compute_with_such_scales(kind: str, rng: np.random.Generator) -> None:
    """Negative ones and zeros: every output against the judge."""
    weights = tensor_of(BLOCKS[kind], random_blocks(kind, 5, 512, rng).reshape(5, -1, BLOCKS[kind].bytes))
    activations = quantize(rng.normal(size=(3, 512)), SCHEMES["int8_token"], axis=1)
    for kept in ("exact", "fp32"):
        expected = [[judged(activations, weights, kept, i, j) for j in range(5)] for i in range(3)]
        assert matrix_product(activations, weights, kept).tolist() == expected


@pytest.mark.parametrize("kind", BLOCKS)
def test_layers_are_kept_in_files(kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    model = load_model(str(write(tmp_path / "tiny.gguf", tensors(kind, rng))))
    weights = model.layers["lm_head"].parts[0].weights
    write_tensor(weights, tmp_path / "x.safetensors")
    assert read_tensor(tmp_path / "x.safetensors") == weights


def test_tied_embeddings_are_multiplied_by_with_their_codes(tmp_path: Path, rng: np.random.Generator) -> None:
    content = tensors("Q6_K", rng)
    del content["output.weight"]
    model = load_model(str(write(tmp_path / "tiny.gguf", content)))
    assert model.network.lm_head.weight is model.network.model.embed_tokens.weight
    expected = gguf.dequantize(content["token_embd.weight"][0], GGMLQuantizationType.Q6_K)
    assert np.array_equal(dequantized(model.layers["lm_head"]), expected.T)


def test_the_tokenizer_is_that_of_the_file(tmp_path: Path, rng: np.random.Generator) -> None:
    content = tensors("Q8_0", rng)
    for name in ("token_embd.weight", "output.weight"):
        content[name] = random_blocks("Q8_0", VOCABULARY + 1, HIDDEN, rng), "Q8_0"
    model = load_model(str(write(tmp_path / "tiny.gguf", content, words=1)))
    order = [*bytes_to_unicode()]
    assert model.encode(b"hello").tolist() == [256, order.index(ord("l")), order.index(ord("l")), order.index(ord("o"))]


def test_a_design_multiplies_by_the_codes_of_the_file(tmp_path: Path, rng: np.random.Generator) -> None:
    """Q4_0 is int4 in groups of 32; a design of other groups takes it with a recipe alone."""
    path = write(tmp_path / "m.gguf", tensors("Q4_0", rng))
    design = shiftwise.DesignPoint("of Q4_0", weight_format="int4", group_size=32)
    accuracy = shiftwise.simulate(design, str(path), sequence=4, accuracy_bytes=40).summary["accuracy"]
    assert accuracy["recipe"] == "as stored"
    assert abs(accuracy["hardware_bits_per_byte"] - accuracy["float_bits_per_byte"]) < 0.01
    with pytest.raises(InputError, match="in groups of 32, and group_size of the design is 64; a design with theirs, or"):
        shiftwise.simulate("mixpe-w4a8", str(path), sequence=4, accuracy_bytes=40)
    again = shiftwise.simulate("mixpe-w4a8", str(path), sequence=4, accuracy_bytes=40, recipe="nearest")
    assert again.summary["accuracy"]["recipe"] == "nearest"


def test_sizes_alone(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write(tmp_path / "tiny.gguf", tensors("Q8_0", rng))
    found = shapes(str(path), sequence=16)
    assert found.name == "tiny"
    assert found.parameters == sum(p.numel() for p in load_model(str(path)).network.parameters())


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_model(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["Q5_K", "Q4_1", "Q2_K", "IQ4_XS"])
def test_types_that_are_not_read(kind: str, tmp_path: Path, rng: np.random.Generator) -> None:
    content = tensors("Q8_0", rng)
    size = gguf.GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    content["blk.0.ffn_up.weight"] = np.zeros((WIDE, HIDDEN // size[0] * size[1]), np.uint8), kind
    message = refusal(write(tmp_path / "tiny.gguf", content))
    assert f"unknown type of GGUF tensors {kind!r}; known are F32, F16, BF16, Q4_0, Q8_0, Q4_K, Q6_K" in message


@pytest.mark.parametrize("part", [0.0, 0.001, 0.01, 0.5, 0.999])
def test_a_truncated_file(part: float, tmp_path: Path, rng: np.random.Generator) -> None:
    path = write(tmp_path / "tiny.gguf", tensors("Q4_0", rng))
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    assert "tiny.gguf' is cut off or none: " in refusal(path)


Change = Callable[[dict[str, tuple[Any, str]]], object]

REFUSED: dict[str, tuple[Change, str]] = {
    "missing": (lambda c: c.pop("blk.0.ffn_up.weight"), "lacks tensor 'model.layers.0.mlp.up_proj.weight' of shape (512, 256)"),
    "one too many": (
        lambda c: c.update({"rope_freqs.weight": (np.ones(32, np.float32), "F32")}),
        "tensor 'rope_freqs.weight' in",
    ),
    "another shape": (
        lambda c: c.update({"blk.0.ffn_up.weight": c["blk.0.ffn_gate.weight"] and (c["blk.0.ffn_up.weight"][0][:128], "Q8_0")}),
        "tensor 'model.layers.0.mlp.up_proj.weight' in",
    ),
    "norms of another shape": (
        lambda c: c.update({"output_norm.weight": (np.ones(64, np.float32), "F32")}),
        "tensor 'model.norm.weight' in",
    ),
    "an infinite scale": (
        lambda c: c["blk.0.ffn_up.weight"][0][3, :2].view(np.float16).fill(np.inf),
        "scales of weights are finite numbers of signed_fp16, not inf",
    ),
    "a norm that is no number": (
        lambda c: c["output_norm.weight"][0].fill(np.nan),
        "holds NaN or infinity; weights are finite numbers",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_cannot_be_used(case: str, tmp_path: Path, rng: np.random.Generator) -> None:
    content = tensors("Q8_0", rng)
    change, message = REFUSED[case]
    change(content)
    assert message in refusal(write(tmp_path / "tiny.gguf", content))


def test_an_architecture_that_transformers_has_not(tmp_path: Path, rng: np.random.Generator) -> None:
    assert "wavenet" in refusal(write(tmp_path / "tiny.gguf", tensors("Q8_0", rng), "wavenet"))


def test_no_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_text("no")
    assert "x.gguf' is cut off or none: " in refusal(tmp_path / "x.gguf")
    assert "unknown model" in refusal(tmp_path / "y.gguf")


def test_the_command_says_so_in_one_line(tmp_path: Path, rng: np.random.Generator) -> None:
    content = tensors("Q8_0", rng)
    del content["output_norm.weight"]
    path = write(tmp_path / "tiny.gguf", content)
    command = [sys.executable, "-m", "shiftwise", "simulate", "--model", str(path), "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "lacks tensor 'model.norm.weight' of shape (256,)" in " ".join(done.stderr.split())
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
