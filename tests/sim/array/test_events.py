"""The closed forms of every dataflow against its array simulated register by register, and that machine against numpy."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from sim import epilogue
from sim.array import DATAFLOWS, events
from sim.array.events import output_stationary, simulate_events
from sim.array.events.run import Run
from sim.design import DesignPoint
from sim.errors import InputError
from sim.pe import PES as MODELS

PES = [
    {"pe": "shift_add", "weight_format": "uint4", "activation_format": "int8"},
    {"pe": "bit_serial", "weight_format": "int4", "activation_format": "int8"},
    {"pe": "dsp_packed", "weight_format": "int8", "activation_format": "int8"},
    {"pe": "dsp_packed", "weight_format": "int4", "activation_format": "int4"},
    {"pe": "fused", "weight_format": "int2", "activation_format": "int4"},
]
"""A pair of operands each cycle; one in four cycles; two activations side by side; two of both."""


def check(design: DesignPoint, m: int, k: int, n: int) -> None:
    rng = np.random.default_rng([design.rows, design.columns, design.group_size, m, k, n])
    a = rng.integers(int(design.activation.smallest), int(design.activation.largest) + 1, (m, k))
    w = rng.integers(int(design.weight.smallest), int(design.weight.largest) + 1, (k, n))
    seen, array = simulate_events(design, a, w), design.array
    starts = range(0, k, design.group_size)
    sums = [a[:, start : start + design.group_size] @ w[start : start + design.group_size] for start in starts]
    assert np.array_equal(seen.group_sums, sums)
    assert seen.busy.sum() == m * k * n
    assert np.array_equal(seen.result_cycles, array.result_cycles(m, k, n))
    if design.double_buffered or design.dataflow == "dot_product":
        assert seen.last_accumulation == array.compute_cycles(m, k, n)
        assert seen.result_cycles.max() + 1 == array.compute_cycles(m, k, n) + array.drain_cycles
    else:  # counts its last fold as if that filled the array
        assert seen.last_accumulation <= array.compute_cycles(m, k, n)


def test_every_dataflow_has_its_machine() -> None:
    assert events.MACHINES.keys() == DATAFLOWS.keys()


@pytest.mark.parametrize("double_buffered", [True, False])
@pytest.mark.parametrize("dataflow", DATAFLOWS)
@seed(20261125)
@settings(max_examples=300, deadline=None)
@given(
    pe=st.sampled_from(PES),
    pipeline=st.integers(0, 2),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    group_size=st.integers(1, 40),
    m=st.integers(1, 24),
    k=st.integers(1, 90),
    n=st.integers(1, 24),
)
def test_the_closed_form_equals_the_machine(
    dataflow: str,
    double_buffered: bool,
    pe: dict[str, str],
    pipeline: int,
    rows: int,
    columns: int,
    group_size: int,
    m: int,
    k: int,
    n: int,
) -> None:
    fields: dict[str, Any] = {**pe, "pipeline": pipeline if pipeline in MODELS[pe["pe"]].pipelines else 1}
    fields |= {"rows": rows, "columns": columns, "group_size": group_size}
    design = DesignPoint("d", dataflow=dataflow, double_buffered=double_buffered, **fields)
    check(design, m, k, n)


@pytest.mark.exhaustive
@pytest.mark.parametrize("pe", PES, ids=lambda pe: "-".join(pe.values()))
@pytest.mark.parametrize("double_buffered", [True, False])
@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_the_closed_form_equals_the_machine_at_all_small_sizes(
    dataflow: str, double_buffered: bool, pe: dict[str, str]
) -> None:
    for rows, columns, group_size in product(range(1, 6), range(1, 6), range(1, 4)):
        design = DesignPoint(
            "d", rows=rows, columns=columns, group_size=group_size, dataflow=dataflow, double_buffered=double_buffered, **pe
        )
        for m, k, n in product(range(1, 6), repeat=3):
            check(design, m, k, n)


@pytest.mark.parametrize(("pipeline", "latency"), [(0, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize(
    ("dataflow", "others"),
    [
        ("output_stationary", 6),
        ("weight_stationary", 1 + 1 + 6),  # the row's weight first; the foot
        ("input_stationary", 1 + 1 + 6),
        ("dot_product", 6),  # a tree without a level
    ],
)
def test_the_first_result_of_one_pe_by_hand(dataflow: str, others: int, pipeline: int, latency: int) -> None:
    design = DesignPoint("d", pipeline=pipeline, rows=1, columns=1, dataflow=dataflow)
    assert epilogue.LATENCY == 6
    seen = simulate_events(design, np.array([[-7]]), np.array([[5]]))
    assert (seen.result_cycles.tolist(), seen.group_sums.tolist()) == ([[latency + others]], [[[-35]]])
    assert design.array.result_cycles(1, 1, 1).tolist() == [[latency + others]]


@pytest.mark.parametrize(
    ("dataflow", "pe", "busy", "cycles"),
    [
        # Four MACs for each of two results in one column; the second row begins a cycle later.
        ("output_stationary", PES[0], [[4, 0], [4, 0]], 5),
        # Each row has two of k's four places; two folds of two cycles, two of loading, one of skew.
        ("weight_stationary", PES[0], [[4, 0], [4, 0]], 7),
        # Results of two columns, each fold for one streamed weight; the second fold's loading takes two cycles.
        ("input_stationary", PES[0], [[2, 2], [2, 2]], 2 + 2 + 1 + 1 + 1),
        # Two steps for each of two results.
        ("dot_product", PES[0], [[4, 0], [4, 0]], 4),
        # Both activations side by side in one row, at two MACs a cycle.
        ("output_stationary", PES[2], [[8, 0], [0, 0]], 4),
    ],
)
def test_where_the_work_is_done_by_hand(dataflow: str, pe: dict[str, str], busy: list[list[int]], cycles: int) -> None:
    design = DesignPoint("d", rows=2, columns=2, dataflow=dataflow, **pe)
    seen = simulate_events(design, np.ones((2, 4), int), np.ones((4, 1), int))
    assert (seen.busy.tolist(), seen.last_accumulation) == (busy, cycles)
    peak = 2 if pe == PES[2] else 1
    assert np.array_equal(seen.utilization, np.array(busy) / (cycles * peak))


@pytest.mark.parametrize(("distance", "met"), [(3, (0, 0)), (2, (0, 4)), (1, (12, 8))])
def test_groups_that_end_too_close_meet(distance: int, met: tuple[int, int]) -> None:
    """Five groups of one on two rows and three columns.

    Two cycles apart, the third column's scales arrive with the first column's next ones, four times. One apart, 1, 2, 3, 3,
    3, 2, 1 columns' scales arrive in a cycle, and in each column the second row's sum meets the first row's next one.
    """
    ones = np.ones((2, 5), np.int64), np.ones((5, 3), np.int64)
    assert output_stationary.run(*ones, (2, 3), (1, 1), 1, 2, 1, distance, True)[-2:] == met


def test_a_hazard_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    none = np.zeros((1, 1), int)
    monkeypatch.setattr(
        events, "MACHINES", {"output_stationary": lambda *_: Run(none[None], none, none, 1, {"mud": 3, "ice": 0})}
    )
    with pytest.raises(RuntimeError, match="^the output_stationary array met 3 times mud$"):
        simulate_events(DesignPoint("d"), none, none)


@pytest.mark.parametrize(
    ("a", "w", "message"),
    [((2, 3), (4, 2), "not 3 and 4$"), ((0, 3), (3, 2), r"not \(0, 3\), \(3, 2\)$"), ((3,), (3, 2), r"not \(3,\), \(3, 2\)$")],
)
def test_the_machine_takes_operands_of_one_product(a: tuple[int, ...], w: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate_events(DesignPoint("d"), np.zeros(a, int), np.zeros(w, int))
