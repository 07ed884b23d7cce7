"""Figures in closed form beside those of whole schedules, and where they can be told by hand."""

import random
from dataclasses import replace

import pytest

from costmodel.energy import memory_prices
from shiftwise.exploration.closed_form import run_pass
from shiftwise.exploration.space import BASE, Space
from shiftwise.exploration.work import work_of
from sim.design import DesignPoint
from sim.errors import InputError
from sim.schedule import schedule
from workloads.shapes import shapes

SEQUENCE = 128
SPACE = Space(
    "test",
    BASE,
    {
        "weight_format": ("uint4", "int8"),
        "group_size": (32, 128),
        "rows": (8, 16, 24),
        "columns": (8, 16, 32),
        "dataflow": ("output_stationary", "weight_stationary", "input_stationary", "dot_product"),
        "weight_buffer_kib": (16, 64),
        "activation_buffer_kib": (16, 64),
        "memory_channels": (1, 4),
    },
)


def drawn(number: int) -> list[DesignPoint]:
    rng = random.Random(5)
    return [SPACE.design(tuple(rng.randrange(choices) for choices in SPACE.axes.values())) for _ in range(number)]


@pytest.mark.parametrize(("phase", "most"), [("decode", 1.05), ("prefill", 1.5)])
def test_cycles_and_traffic_are_near_those_of_the_schedule(phase: str, most: float) -> None:
    work, operators = work_of("tiny-stdlib", phase, SEQUENCE), shapes("tiny-stdlib", phase, 1, SEQUENCE).operators
    for design in drawn(8):
        found, exact = run_pass(design, work), schedule(design, operators, memory_prices(design)).trace
        # Products and vector work follow each other in closed form, and overlap in a schedule's prefill.
        assert 0.9 < found.cycles / exact.cycles < most, design.name
        moved = exact.counts["dram_read"] + exact.counts["dram_write"]
        assert 0.75 < found.counts["dram"] / moved < 1.5, design.name
        for action in ("mac", "row_sum", "group_epilogue", "token_scale", "vector_operation"):
            assert found.counts[action] == exact.counts.get(action, 0), (action, design.name)


def test_a_decode_step_reads_every_weight_once() -> None:
    """By hand: tiny-stdlib's weights, 4 bits each with a scale of 16 and a zero point of 4 for each group of 128."""
    work = work_of("tiny-stdlib", "decode", SEQUENCE)
    weights = int((work.weights.k * work.weights.n * work.weights.alike).sum())
    design = replace(BASE, group_size=128, weight_format="uint4")
    found = run_pass(design, work)
    read = found.counts["weight_buffer_write"]
    cache = int((work.cache.k * work.cache.n * work.cache.count * work.cache.alike).sum())
    least = 4 * (weights + cache)
    assert least * (1 + 20 / 128 / 4) <= read < least * 1.25


def test_scratchpads_that_are_too_small_are_refused() -> None:
    design = replace(BASE, rows=64, columns=64, output_buffer_kib=1)
    with pytest.raises(InputError, match="output_buffer_kib of a 64x64 output_stationary array"):
        run_pass(design, work_of("tiny-stdlib", "decode", SEQUENCE))
