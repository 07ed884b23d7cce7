"""Single instructions on bytes by hand, the parts of a product, and programs that are none."""

from dataclasses import replace

import numpy as np
import pytest

from sim.errors import InputError
from sim.kernels.product import matrix_product
from sim.overlay.cells import CellLayout, Contents
from sim.overlay.dequantizer import EXPANDED
from sim.overlay.interpreter import Machine, execute
from sim.overlay.interpreter.machine import ACTIVATION, MEMORY, WEIGHT
from sim.overlay.isa import assemble
from sim.overlay.special import quantize
from sim.quantized import QuantizedTensor
from tests.sim.overlay.forward import DENSE, SPARSE

SEED = 17
END = "\nSYS operation=end"


def _run(text: str, memory: int = 4096, position: int = 0, tokens: int = 1) -> Machine:
    machine = Machine.of(DENSE, (np.arange(memory) % 251).astype(np.uint8))
    execute(assemble(text + END), machine, position, tokens)
    return machine


def test_transfers_by_hand() -> None:
    """Two runs of 3 bytes that are 10 apart, from 100 + 7 * 5 on; and 2 of 2 bytes back, 4 apart."""
    machine = _run(
        "LD buffer=activation address=8 memory=100 size=3 runs=2 pitch=10 indexed=7\n"
        "ST buffer=activation address=9 memory=0 size=2 runs=2 pitch=4 indexed=1",
        position=5,
    )
    assert machine.bytes_of[ACTIVATION][:16].tolist() == [*[0] * 8, 135, 136, 137, 145, 146, 147, 0, 0]
    assert machine.bytes_of[MEMORY][:12].tolist() == [0, 1, 2, 3, 4, 136, 137, 7, 8, 145, 146, 11]
    assert not machine.bytes_of[WEIGHT].any()


def _with_numbers(numbers: np.ndarray) -> Machine:
    machine = Machine.of(DENSE, np.zeros(0, np.uint8))
    machine.bytes_of[ACTIVATION][: numbers.nbytes] = numbers.reshape(-1).view(np.uint8)
    return machine


def test_codes_go_from_tokens_to_heads() -> None:
    """Two tokens of three heads of two numbers, 16 bytes from token to token; scales at the word behind 12 codes."""
    x = np.zeros((2, 8), np.float16)
    x[:, :6] = [[127, 1, 254, 2, 0, 0], [-127, 3, 508, 4, 63.5, 1]]
    machine = _with_numbers(x)
    execute(
        assemble("MISC operation=quantize_heads source=0 target=64 rows=2 length=2 pitch=16 heads=3 group=1" + END), machine, 0
    )
    found = machine.bytes_of[ACTIVATION]
    assert found[64:76].view(np.int8).tolist() == [127, 1, -127, 3, 127, 1, 127, 1, 0, 0, 127, 2]
    assert found[96:108].view(np.float16).tolist() == [1, 1, 2, 4, 1, 0.5]


def test_the_last_token_is_the_last_one_that_is_there() -> None:
    x = np.arange(24, dtype=np.float16).reshape(4, 6)
    machine = _with_numbers(x)
    execute(assemble("MISC operation=relu source=0 target=64 rows=1 length=6 pitch=12 last=1" + END), machine, 9, 3)
    assert machine.bytes_of[ACTIVATION][64:76].view(np.float16).tolist() == x[2].tolist()


def test_a_softmax_counts_numbers_up_to_the_tokens_position() -> None:
    """Equal scores: one over how many are seen, positions 2 and 3; what is not seen may be infinite."""
    x = np.zeros((2, 4), np.float16)
    x[0, 3] = np.inf
    machine = _with_numbers(x)
    scale = int(np.float32(1).view(np.uint32))
    text = f"MISC operation=softmax source=0 target=0 rows=2 length=4 pitch=8 heads=1 group=1 scalar={scale}"
    execute(assemble(text + END), machine, 2, 2)
    found = machine.bytes_of[ACTIVATION][:16].view(np.float16).reshape(2, 4)
    assert found.tolist() == [[np.float16(1 / 3)] * 3 + [0], [0.25] * 4]


@pytest.mark.parametrize("cut", [(96,), (32, 64), (64, 32), (32, 32, 32)])
def test_parts_of_a_product_are_together_the_whole(cut: tuple[int, ...]) -> None:
    """Cells of 32 of k: one instruction for so much of k, the sums held in between."""
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    k, n = 96, 32
    x = quantize(rng.normal(size=(1, k)).astype(np.float16))
    codes = rng.integers(0, 16, (k, n)).astype(np.uint8)
    scales = rng.uniform(0.001, 0.1, (3, n)).astype(np.float16)
    bias = rng.normal(size=n).astype(np.float16)
    weights = QuantizedTensor(codes, DENSE.schemes["int4"], 0, (scales,))
    layout = CellLayout(EXPANDED["int4"], 32, 16, 32, True)
    cells = Contents(
        codes.reshape(3, 32, 2, 16).swapaxes(1, 2).reshape(6, 32, 16),
        np.full((6, 2), 16, np.uint8),
        scales.reshape(6, 1, 16),
        np.zeros((6, 0, 16), np.uint8),
        np.tile(bias.reshape(2, 1, 16), (3, 1, 1)),
    )
    machine = _with_numbers(x.codes)
    packed = layout.pack(cells).reshape(-1)
    machine.bytes_of[WEIGHT][: len(packed)] = packed
    machine.bytes_of[ACTIVATION][96:98] = x.scale.view(np.uint8)
    lines, at = [], 0
    for size in cut:
        part = 1 * (at > 0) + 2 * (at + size < k)
        lines.append(
            f"MV weights={at // 32 * 2 * layout.size} source={at} scales=96 target=128 m=1 k={size} n={n} heads=1 "
            f"group=1 pitch=64 format=0 layout=dense part={part} bias=1 cell=2"
        )
        at += size
    execute(assemble("\n".join(lines) + END), machine, 0)
    wanted = (matrix_product(x, weights) + bias.astype(np.float32)).astype(np.float16)
    assert np.array_equal(machine.bytes_of[ACTIVATION][128:192].view(np.float16), wanted[0])


def test_cells_out_of_the_budget_are_refused() -> None:
    """Groups of two blocks of a cell of four, in which N have the sum 16."""
    design = replace(SPARSE, weight_format="int8", formats=(), per_block=True)
    machine, layout = Machine.of(design, np.zeros(0, np.uint8)), CellLayout(EXPANDED["int8"], 64, 8, 32, False)
    product = assemble(f"MV scales=64 target=128 m=1 k=64 n=16 heads=1 group=1 format=0 layout=sparse cell=4{END}")

    def run(*densities: int) -> None:
        nothing = np.zeros((1, 0, 16))
        kept = np.array([densities], np.uint8), np.ones((1, 2, 16), np.float16)
        cell = Contents(np.zeros((1, 64, 16), np.uint8), *kept, nothing.astype(np.uint8), nothing.astype(np.float16))
        machine.bytes_of[WEIGHT][: layout.size] = layout.pack(cell)[0]
        execute(product, machine, 0)

    run(16, 0, 8, 8)
    for wrong, group in (((16, 0, 8, 2), "8, 2"), ((16, 2, 8, 8), "16, 2")):
        message = rf"instruction 0, MV: the 2 blocks of a group along k keep 8 of 16 in the mean, not .{group}."
        with pytest.raises(InputError, match=message):
            run(*wrong)


def product(**changed: int | str) -> str:
    """The text of a product of a tile of 32 x 16, but for what is changed."""
    fields = {"m": 1, "k": 32, "n": 16, "heads": 1, "group": 1, "cell": 2, **changed}
    return "MV " + " ".join(f"{name}={value}" for name, value in fields.items())


BROKEN = {
    "": "last instruction of a program is SYS operation=end, and no other one is",
    "SYS operation=end": "last instruction of a program is SYS operation=end, and no other one is",
    "MV wait=load": "instruction 0, MV, waits for a token of load that none before it gives",
    "LD buffer=weight memory=4000 size=97 runs=1": "instruction 0, LD: the memory has 4,096 bytes, so the last .* not at 4,096",
    "LD buffer=weight memory=4 size=1 runs=1 indexed=1000": "the memory has 4,096 bytes, so the last one used is not at 5,004",
    "LD buffer=weight address=12280 size=4 runs=3 pitch=4": "weight buffer has 12,288 bytes, so the last .* not at 12,291",
    "LD buffer=weight runs=1": "instruction 0, LD: sizes are at least 1, not 0",
    "ST buffer=activation size=4 runs=2 pitch=2": "runs of 4 bytes are stored as far apart at least, not 2",
    "MISC operation=relu source=98300 rows=1 length=3": "the activation buffer has 98,304 bytes",
    "MISC operation=relu target=98300 rows=1 length=3": "the activation buffer has 98,304 bytes",
    "MISC operation=rotary rows=1 heads=1 length=3": "instruction 0, MISC: rotary takes rows of one even length",
    "MISC operation=softmax rows=1 heads=1 group=1 length=3": "scale of softmax is between 2..-24 and 1, not 0",
    "MISC operation=add length=3": "sizes are at least 1, not 0",
    product(m=3, group=2): "rows are a multiple of group, which is not so of m=3, group=2",
    product(part=1): "goes on with held sums of heads, m and n .1, 1, 16., not with none",
    product(part=2) + "\n" + product(n=32, part=1): "instruction 1, MV: a part goes on with .* not with those of .1, 1, 16.",
    product(format=2): "one of int4, int8, so at most 1, not 2",
    product(layout="sparse"): "a design that keeps less than 16 of 16",
    product(heads=2): "tiles of cells have heads=1, not 2",
    product(cell=1): "cells have whole groups of 32, so k of a cell is not 16",
    product(cell=0): "k of a cell is a multiple of 16, not 0",
    product(k=0): "sizes are at least 1, not 0",
    product(m=2, pitch=8): "results of a token have 32 bytes and are as far apart at least, not 8",
    product(m=2, pitch=8, layout="keys"): "results of a token have 32 bytes and are as far apart at least, not 8",
    product(layout="values", weights=12000): "the weight buffer has 12,288 bytes",
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_malformed_programs_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=BROKEN[text]):
        _run(text, position=5) if text else execute(
            assemble("LD buffer=weight size=4 runs=1"), Machine.of(DENSE, np.zeros(8, np.uint8)), 0
        )


def test_results_beyond_fp16_are_refused() -> None:
    machine = _with_numbers(np.full(16, 60000, np.float16))
    with pytest.raises(InputError, match="instruction 0, MISC: results of add are fp16 numbers"):
        execute(assemble("MISC operation=add rows=1 length=4 pitch=8" + END), machine, 0)


def test_scores_that_nothing_sees_may_be_beyond_fp16() -> None:
    """127 * 127 * 16 of one key and 127 * 16 of another; a softmax refuses what it sees."""
    machine = _with_numbers(np.full(16, 127, np.uint8))
    machine.bytes_of[WEIGHT][:32] = np.repeat(np.array([127, 1], np.uint8), 16)
    one = np.array([1, 1], np.float16).view(np.uint8)
    machine.bytes_of[WEIGHT][32:36], machine.bytes_of[ACTIVATION][32:34] = one, one[:2]
    product = "MV scales=32 target=64 m=1 k=16 n=2 heads=1 group=1 pitch=4 layout=keys"
    execute(assemble(product + END), machine, 0)
    assert machine.bytes_of[ACTIVATION][64:68].view(np.float16).tolist() == [np.inf, 2032]
    scale = int(np.float32(1).view(np.uint32))
    text = f"MISC operation=softmax source=64 target=64 rows=1 length=2 pitch=4 heads=1 group=1 scalar={scale}"
    with pytest.raises(InputError, match="operands of softmax are finite numbers, not inf"):
        execute(assemble(text + END), machine, 0)


@pytest.mark.parametrize(("position", "tokens", "message"), [(-1, 1, "position .* at least 0"), (0, 0, "tokens .* at least 1")])
def test_a_pass_has_tokens_behind_others(position: int, tokens: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _run("", position=position, tokens=tokens)


def test_a_memory_is_bytes() -> None:
    with pytest.raises(TypeError, match="a row of uint8, not float64 of shape"):
        Machine.of(DENSE, np.zeros(4))
