"""Programs of a decoder: what lies where, what is computed in which order, and layers that are repeated."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sim.errors import InputError
from sim.overlay.compiler import MemoryMap, check_buffers, compile_step
from sim.overlay.compiler.code import Code
from sim.overlay.compiler.compile import _compiled
from sim.overlay.decoder import Decoder
from sim.overlay.design import OverlayDesign
from sim.overlay.interpreter.order import check
from sim.overlay.isa import BUFFERS, OPCODES, SPECIAL, UNIT_OF, UNITS, decode, encode
from sim.overlay.isa.encoding import NAMES, Program

SMALL = Decoder("small", layers=9, hidden=96, heads=6, kv_heads=2, head_dim=16, intermediate=160, vocabulary=100, context=64)
GPT = replace(SMALL, norm="layer_norm", gated=False, rotary=False, activation="gelu_tanh", biases=("query", "up", "down"))
DESIGN = OverlayDesign(
    "small", units=2, vector_units=2, chain=2, group_size=32, slot_kib=2, slots=3, activation_buffer_kib=64,
    decode_step=8, prefill_step=16, memory_gib=1,
)  # fmt: skip
OFF_CHIP = replace(DESIGN, on_chip=False)
LLAMA_7B = Decoder("llama-2-7b", 32, 4096, 32, 32, 128, 11008, 32000, 4096)
FLIGHTLLM = OverlayDesign("u280")

CASES = [(SMALL, DESIGN, 1, 20), (SMALL, DESIGN, 7, 30), (GPT, DESIGN, 1, 64), (GPT, OFF_CHIP, 3, 3), (SMALL, OFF_CHIP, 1, 9)]


@pytest.mark.parametrize(("decoder", "design", "new", "length"), CASES)
@pytest.mark.parametrize("layers", [1, 2, 8, 9, 17])
def test_repeated_layers_are_those_that_would_be_emitted(
    decoder: Decoder, design: OverlayDesign, new: int, length: int, layers: int
) -> None:
    decoder = replace(decoder, layers=layers)
    found = compile_step(decoder, design, new, length)
    whole = _compiled(Code(MemoryMap(decoder, design, 64), new, found.length), list(range(layers)), True)
    assert np.array_equal(found.program.numbers, whole.program.numbers)
    assert np.array_equal(found.layers, whole.layers)
    assert np.array_equal(found.steps, whole.steps)
    assert np.array_equal(decode(encode(found.program)).numbers, found.program.numbers)


@pytest.mark.parametrize(("decoder", "design", "new", "length"), CASES)
def test_every_token_that_is_given_is_taken(decoder: Decoder, design: OverlayDesign, new: int, length: int) -> None:

    numbers = compile_step(decoder, design, new, length).program.numbers
    units = np.array([UNITS.index(UNIT_OF[name]) for name in NAMES])[numbers[:, 0]]
    for one in range(5):
        for other in range(5):
            given = (units == one) & (numbers[:, 2] >> other & 1 == 1)
            taken = (units == other) & (numbers[:, 1] >> one & 1 == 1)
            assert given.sum() == taken.sum()
            assert (np.cumsum(given) >= np.cumsum(taken)).all()


@pytest.mark.parametrize(("decoder", "design", "new", "length"), CASES)
def test_products_have_all_macs_of_the_decoder(decoder: Decoder, design: OverlayDesign, new: int, length: int) -> None:
    """Sizes by hand: every stored product once for each new token, the head for the last; attention of the padded length."""
    found = compile_step(decoder, design, new, length)
    macs = sum(
        int((found.program.column(name, "m") * found.program.column(name, "k") * found.program.column(name, "n")
             * found.program.column(name, "heads")).sum())
        for name in ("MM", "MV")
    )  # fmt: skip
    hidden, inner, cached, wide = 96, 6 * 16, 2 * 16, 160
    feed_forward = (3 if decoder.gated else 2) * hidden * wide
    linear = hidden * (2 * inner + 2 * cached) + feed_forward
    attention = 2 * 6 * 16 * found.length
    assert macs == new * decoder.layers * (linear + attention) + hidden * 100


@pytest.mark.parametrize("new", [1, 16])
@pytest.mark.parametrize("layers", [2, 9])
def test_without_logits_a_program_ends_behind_the_layers(new: int, layers: int) -> None:
    """The same instructions, but for tokens, and those of the head's norm, of its tiles, and of the logits that are stored."""
    decoder = replace(SMALL, layers=layers)
    whole, first = (compile_step(decoder, DESIGN, new, 20, logits=logits).program.numbers for logits in (True, False))
    behind = len(whole) - len(first)
    assert np.array_equal(np.delete(whole[: len(first) - 1], (1, 2), axis=1), np.delete(first[:-1], (1, 2), axis=1))
    tiles = len(MemoryMap(decoder, DESIGN, 64).cells["head"].tiles("MV"))
    assert Counter(NAMES[opcode] for opcode in whole[-behind - 1 : -1, 0]) == {"LD": 1 + tiles, "MISC": 2, "MV": tiles, "ST": 1}
    check(Program(first))


def test_every_weight_is_read_once_in_a_step() -> None:
    found = compile_step(SMALL, DESIGN, 1, 20)
    where = MemoryMap(SMALL, DESIGN, 64)
    loads = found.program.numbers[(found.program.numbers[:, 0] == OPCODES["LD"])]
    names = ("memory", "size", "runs", "pitch")
    starts = [found.program.column("LD", name) for name in names]
    first, last = where.weights(0, "query"), where.cache(0, False)
    bytes_ = np.zeros(last, np.int64)
    for memory, size, runs, pitch in np.transpose(starts):
        for run in range(runs):
            start = memory + run * pitch
            if first <= start < last:
                bytes_[start : start + size] += 1
    assert len(loads)
    for name, cells in where.cells.items():
        for layer in range(9 if name != "head" else 1):
            start = where.weights(layer, name)
            assert (bytes_[start : start + cells.bytes] == 1).all(), name


def test_places_in_the_memory_do_not_overlap() -> None:
    where = MemoryMap(LLAMA_7B, FLIGHTLLM, 2048)
    starts = [where.inputs, where.logits, where.positions, where.scratch]
    for layer in range(32):
        starts += [where.norm(layer, "attention_norm"), where.norm(layer, "network_norm")]
        starts += [where.weights(layer, name) for name in where.cells if name != "head"]
    starts += [where.norm(32, "last"), where.weights(0, "head")]
    starts += [where.cache(layer, values) for layer in range(32) for values in (False, True)] + [where.end]
    assert starts == sorted(starts)


def test_the_weights_of_llama_2_7b_by_hand() -> None:
    """4 bits of 8 of 16 weights, 4-bit indices, 3 bits for a block of 256, fp16 scales for 64 weights: 4.262 bits a weight."""
    where = MemoryMap(LLAMA_7B, FLIGHTLLM, 2048)
    weights = 32 * (4 * 4096**2 + 3 * 4096 * 11008) + 4096 * 32000
    stored = sum(cells.bytes * (1 if name == "head" else 32) for name, cells in where.cells.items())
    assert stored == pytest.approx(
        weights * (8 / 16 * (4 + 4) + 3 / 256 + 16 / 64) / 8, rel=0.02
    )  # cells are filled up to words
    assert where.cache_bytes == 32 * (2048 * (128 + 2) + 2 * 256)


def test_heads_of_the_cache_begin_at_ports_of_their_own() -> None:
    """32 ports have 256 bytes each in turn: a token's key of 128 bytes goes to all ports, one for each of 32 heads."""
    for context in (16, 100, 2048):
        where = MemoryMap(LLAMA_7B, FLIGHTLLM, context)
        for start in (where.cache, where.cache_scales):
            assert len({start(3, True, head) // 256 % 32 for head in range(32)}) == 32


def test_padding_shares_code() -> None:
    one, other = (compile_step(SMALL, DESIGN, 1, length).program.numbers for length in (17, 24))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, compile_step(SMALL, DESIGN, 1, 25).program.numbers)


def test_off_the_chip_every_result_leaves_and_comes_back() -> None:
    """In a layer: 2 norms, 3 products, scores and softmax, values, output, its sum, gate, up, both, down, its sum."""
    inside, outside = (compile_step(SMALL, design, 1, 20).program for design in (DESIGN, OFF_CHIP))
    stores = [(program.numbers[:, 0] == OPCODES["ST"]).sum() for program in (inside, outside)]
    assert stores == [9 * 4 + 1, 9 * (4 + 15) + 1 + 1]
    activation = BUFFERS.index("activation")
    assert (outside.column("LD", "buffer") == activation).sum() - (
        inside.column("LD", "buffer") == activation
    ).sum() == 9 * 15 + 1


def test_the_order_of_a_layer() -> None:
    found = compile_step(replace(SMALL, layers=1), DESIGN, 1, 20)
    operations = [SPECIAL[number] for number in found.program.column("MISC", "operation")]
    attention = ["softmax", "quantize_folded"]
    assert operations == [
        "rms_norm", "quantize", "rotary", "quantize_heads", "quantize_heads", "rotary", "quantize_heads", *attention,
        "quantize", "add", "rms_norm", "quantize", "silu", "multiply", "quantize", "add", "rms_norm", "quantize",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("decoder", "design", "new", "length", "message"),
    [
        (SMALL, DESIGN, 17, 4, "new tokens are between 1 and the padded length of 16, not 17"),
        (SMALL, DESIGN, 1, 65, "between 1 and the context of 64 tokens, not 65"),
        (LLAMA_7B, replace(FLIGHTLLM, memory_gib=3), 1, 64, "memory_gib of 5 would do"),
        (LLAMA_7B, replace(FLIGHTLLM, slot_kib=16), 1, 64, "slot_kib is at least 520 for keys, not 16"),
        (LLAMA_7B, replace(FLIGHTLLM, activation_buffer_kib=64), 1, 64, "activation_buffer_kib is at least"),
        (LLAMA_7B, replace(FLIGHTLLM, slot_kib=128), 1, 4096, "slot_kib is at least 520, not 128"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would_do(
    decoder: Decoder, design: OverlayDesign, new: int, length: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compile_step(decoder, design, new, length)


@pytest.mark.parametrize("longest", [60, 1000, 4096])
@pytest.mark.parametrize("step", [4, 128])
def test_the_sizes_that_are_named_will_do(longest: int, step: int) -> None:
    """For the code of every pass, whichever buffer is too small, and one KiB less would not."""
    design = replace(FLIGHTLLM, prefill_step=step, slot_kib=1, activation_buffer_kib=1)
    named = {}
    for field in ("activation_buffer_kib", "slot_kib"):
        with pytest.raises(InputError, match=rf"{field} is at least") as refused:
            check_buffers(LLAMA_7B, design, longest)
        found = re.search(rf"{field} is at least (\d+)", str(refused.value))
        assert found
        named[field] = int(found[1])
        design = replace(design, **{field: named[field]})
    check_buffers(LLAMA_7B, design, longest)
    for new, length in ((1, longest), (1, 1), (step, step), (step, longest)):
        compile_step(replace(LLAMA_7B, layers=1), design, new, length)
    for field, size in named.items():
        with pytest.raises(InputError, match=rf"{field} is at least {size}"):
            check_buffers(LLAMA_7B, replace(design, **{field: size - 1}), longest)
