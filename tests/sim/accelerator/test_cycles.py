"""When blocks are at work: the closed form against streams simulated cycle by cycle, and against the array's own figures."""

import dataclasses

import numpy as np
import pytest

from sim.accelerator import block_times, blocks_of
from sim.accelerator.blocks import Command
from sim.accelerator.cycles import READS
from sim.accelerator.events import INPUTS, handshakes
from sim.design import DesignPoint

SMALL = DesignPoint("small", rows=2, columns=3, group_size=8, weight_buffer_kib=1, activation_buffer_kib=1, output_buffer_kib=1)


def random_design(rng: np.random.Generator, dataflow: str) -> DesignPoint:
    pe = rng.choice(["shift_add", "bit_serial", "dsp_packed"] if dataflow == "output_stationary" else ["shift_add"])
    return dataclasses.replace(
        SMALL,
        pe=str(pe),
        dataflow=dataflow,
        weight_format="uint8" if pe == "dsp_packed" else "uint4",
        rows=int(rng.integers(1, 6)),
        columns=int(rng.integers(1, 6)),
        group_size=int(rng.choice([1, 2, 3, 8, 16])),
        double_buffered=bool(rng.random() < 0.7),
    )


def random_product(dataflow: str, seed: int) -> tuple[DesignPoint, tuple[int, ...]]:
    """A design, and the lengths ``m, k, n``."""
    rng = np.random.default_rng(seed)
    return random_design(rng, dataflow), tuple(int(rng.integers(1, most)) for most in (40, 60, 40))


@pytest.mark.parametrize("number", range(40))
@pytest.mark.parametrize("dataflow", READS)
def test_closed_form_equals_events(dataflow: str, number: int) -> None:
    design, (m, k, n) = random_product(dataflow, number)
    blocks = blocks_of(design, m, k, n)
    times = block_times(design, blocks)
    always = np.ones(times[-1].sent + 20, dtype=bool)
    found = handshakes(design, blocks, dict.fromkeys(INPUTS, always), always)
    sent = np.flatnonzero(found["result"].valid & found["result"].ready)
    with_results = [place for place, block in enumerate(blocks) if block.ends]
    ends = np.cumsum([Command.of(design, blocks[place]).words(design).result for place in with_results])
    assert sent[ends - 1].tolist() == [times[place].sent for place in with_results], (design, m, k, n)


@pytest.mark.parametrize("number", range(40))
@pytest.mark.parametrize("dataflow", READS)
def test_a_block_takes_the_cycles_of_the_array(dataflow: str, number: int) -> None:
    design, (m, k, n) = random_product(dataflow, number)
    block = dataclasses.replace(blocks_of(design, m, k, n)[0], ends=True)
    columns = design.array.granule[1]
    whole_columns = -(-len(block.n) // columns) * columns
    time = block_times(design, [block])[0]
    assert time.computed - time.first == design.array.result_cycles(len(block.m), len(block.k), whole_columns).max()
    if design.double_buffered:
        cycles = design.array.compute_cycles(len(block.m), len(block.k), whole_columns) + design.array.drain_cycles
        assert time.computed - time.first + 1 == cycles


def test_by_hand() -> None:
    # 16 words of weights and 3 tokens' scales are there long before 2*3 scales of weights: 2 groups of 8, one tile.
    # The last word comes in cycle 15, the block starts in 16, reads in 17, and the array has operands from 18 to 33. The last
    # result is 1 row and 2 columns later, after 2 cycles of the PE and 6 of the epilogue: 44. It is read in 45 and 46.
    (block,) = blocks_of(SMALL, 2, 16, 3)
    (time,) = block_times(SMALL, [block])
    assert (time.first, time.last, time.computed, time.sent) == (18, 33, 44, 47)


def test_folds_by_hand() -> None:
    # 2*3 scales are the last to come, in cycle 5: with 16 words of weights in 15 the block starts in 16, its first weights are
    # read in 17 to 20, the first activations in 21. Four folds, of two rows each, are 4 cycles apart: the last one is read in
    # 33 and 34, and is at the array in 35. The result is 3 rows and 2 columns later, after 2 cycles of the PE, one of the
    # foot and 6 of the epilogue: 49. It is read in 50 and 51.
    design = dataclasses.replace(SMALL, rows=4, dataflow="weight_stationary")
    (time,) = block_times(design, blocks_of(design, 2, 16, 3))
    assert (time.first, time.last, time.computed, time.sent) == (18, 35, 49, 52)


def test_a_stream_that_waits_changes_nothing_but_time() -> None:
    rng = np.random.default_rng(7)
    blocks = blocks_of(SMALL, 9, 40, 7)
    offers = {name: rng.random(4000) < 0.3 for name in INPUTS}
    found = handshakes(SMALL, blocks, offers, rng.random(4000) < 0.3)
    for name, stream in found.items():
        taken = stream.word[stream.valid & stream.ready]
        assert (taken == np.arange(len(taken))).all(), name
    assert (found["result"].valid & found["result"].ready).sum() == 9 * 3
