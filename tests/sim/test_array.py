"""Closed-form cycles against hand calculations and against the array simulated register by register."""

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from sim import array, epilogue
from sim.array_events import simulate_events
from sim.design import DesignPoint
from sim.errors import InputError


def test_pipeline_constants() -> None:
    """Product register and sum register; correct, multiply, round, add, multiply, round."""
    assert (DesignPoint("test").element.latency, epilogue.LATENCY) == (2, 6)


@pytest.mark.parametrize(
    ("m", "k", "n", "cycles"),
    [
        # K + R + C - 2 from the first operand to the last accumulation, which the product register delays by one;
        # one cycle on the column's bus, six registers of the epilogue.
        (4, 64, 4, 64 + 4 + 4 - 2 + 8),
        (8, 64, 12, 5 * 64 + 64 + 4 + 4 - 2 + 8),  # six tiles without a gap
        (1, 64, 1, 64 + 8),  # a single PE at work: no skew
        (5, 64, 4, 64 + 64 + 0 + 3 + 8),  # an edge tile with one row
        (4, 65, 4, 64 + 4 + 4 + 4 - 2 + 8),  # a last group of one ends four cycles, one for each row, after the first
        (8, 65, 4, (64 + 4) * 2 + 4 + 4 - 2 + 8),
        (4, 1, 4, 1 + 4 + 4 - 2 + 8),  # k below the rows: the first group waits for nothing
        (8, 1, 4, 1 + 4 + 4 + 4 - 2 + 8),
    ],
)
def test_compute_cycles_by_hand(m: int, k: int, n: int, cycles: int) -> None:
    assert array.compute_cycles(DesignPoint("d", rows=4, columns=4), m, k, n) == cycles


@seed(20261122)
@settings(max_examples=300, deadline=None)
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    group_size=st.integers(1, 40),
    m=st.integers(1, 24),
    k=st.integers(1, 90),
    n=st.integers(1, 24),
)
def test_the_closed_form_equals_the_machine(rows: int, columns: int, group_size: int, m: int, k: int, n: int) -> None:
    design = DesignPoint("d", rows=rows, columns=columns, group_size=group_size)
    rng = np.random.default_rng([rows, columns, group_size, m, k, n])
    a = rng.integers(-128, 128, (m, k))
    w = rng.integers(0, 16, (k, n))
    events = simulate_events(design, a, w)
    assert np.array_equal(events.result_cycles, array.result_cycles(design, m, k, n))
    assert events.result_cycles.max() + 1 == array.compute_cycles(design, m, k, n)
    for g, start in enumerate(range(0, k, group_size)):
        part = slice(start, start + group_size)
        assert np.array_equal(events.group_sums[g], a[:, part] @ w[part])
    assert events.busy.sum() == m * k * n


def test_the_machine_takes_operands_of_one_k() -> None:
    with pytest.raises(InputError, match="not 3 and 4$"):
        simulate_events(DesignPoint("d"), np.zeros((2, 3), int), np.zeros((4, 2), int))
