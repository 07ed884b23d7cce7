"""Closed-form cycles against hand calculations and against the published formulas of arrays that overlap nothing."""

from math import ceil
from typing import Any

import pytest

from sim import epilogue
from sim.design import DesignPoint


def test_pipeline_constants() -> None:
    """Product register and sum register; correct, multiply, round, add, multiply, round."""
    assert (DesignPoint("test").element.latency, epilogue.LATENCY) == (2, 6)


@pytest.mark.parametrize(
    ("m", "k", "n", "rows", "columns"),
    [
        (4, 64, 4, 4, 4),  # one tile, sixteen folds
        (8, 64, 12, 4, 4),
        (9, 65, 13, 4, 4),  # edges everywhere
        (1, 64, 64, 4, 8),
        (64, 1, 64, 4, 8),
        (64, 64, 1, 4, 8),
        (5, 3, 2, 4, 8),  # k and n smaller than the array
        (1, 1, 1, 4, 8),
        (7, 9, 5, 1, 1),  # one PE: m * k * n, and a cycle of loading for each fold
        (7, 9, 5, 1, 6),
        (7, 9, 5, 6, 1),
        (128, 768, 3072, 32, 16),
    ],
)
def test_the_published_formulas_of_arrays_that_overlap_nothing(m: int, k: int, n: int, rows: int, columns: int) -> None:
    """SCALE-Sim (Samajdar et al., arXiv 1811.02883), its output-stationary drain left out."""
    published = {
        "output_stationary": ceil(m / rows) * ceil(n / columns) * (k + rows + columns - 2),
        "weight_stationary": ceil(k / rows) * ceil(n / columns) * (2 * rows + m + columns - 2),
        "input_stationary": ceil(k / rows) * ceil(m / columns) * (2 * rows + n + columns - 2),
    }
    for dataflow, cycles in published.items():
        design = DesignPoint(
            "d",
            weight_format="int8",
            accumulator="wrap32",  # of any group size
            group_size=1024,
            rows=rows,
            columns=columns,
            dataflow=dataflow,
            double_buffered=False,
        )
        assert design.array.compute_cycles(m, k, n) == cycles


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
def test_output_stationary_by_hand(m: int, k: int, n: int, cycles: int) -> None:
    array = DesignPoint("d", rows=4, columns=4).array
    assert array.compute_cycles(m, k, n) + array.drain_cycles == cycles


SERIAL = {"pe": "bit_serial", "weight_format": "int4"}
PAIRS = {"pe": "dsp_packed", "weight_format": "int8"}
SQUARES = {"pe": "dsp_packed", "weight_format": "int4", "activation_format": "int4"}


@pytest.mark.parametrize(
    ("fields", "m", "k", "n", "cycles"),
    [
        # Loading, streams, skew of four rows and four columns.
        ({}, 8, 4, 4, 4 + 8 + 3 + 3),
        ({}, 8, 8, 4, 4 + 8 + 8 + 3 + 3),  # two folds along k
        ({}, 8, 4, 8, 4 + 8 + 8 + 3 + 3),  # two strips
        ({}, 8, 4, 5, 4 + 8 + 8 + 3 + 0),  # an edge strip with one column
        ({}, 8, 1, 4, 4 + 8 + 3 + 3),  # idle rows are loaded, and sums pass through them
        ({}, 2, 8, 4, 4 + 4 + 2 + 3 + 3),  # the second stream waits for its weights
        ({}, 1, 4, 1, 4 + 1 + 3 + 0),
        ({"rows": 1, "columns": 6}, 1, 1, 7, 1 + 1 + 5),  # the sixth column of the first strip ends after the second strip
        ({"group_size": 3}, 8, 6, 4, 4 + 8 + 8 + 3 + 3),  # groups of three do not share a fold
        ({"group_size": 5}, 8, 10, 4, 4 + 4 * 8 + 3 + 3),  # folds of 4, 1, 4 and 1
        (SERIAL, 2, 4, 4, 4 + 2 * 4 + 3 * 4 + 3),  # a pair stays for four cycles, and so does its sum in each row
        (PAIRS, 7, 4, 4, 4 + 4 + 3 + 3),  # two activations side by side
        (SQUARES, 7, 4, 9, 4 + 2 * 4 + 3 + 0),  # and two weights: strips of eight
        ({"double_buffered": False}, 8, 8, 5, 2 * 2 * (4 + 8 + 3 + 3)),  # edges like whole folds
    ],
)
def test_weight_stationary_by_hand(fields: dict[str, Any], m: int, k: int, n: int, cycles: int) -> None:
    design = {"rows": 4, "columns": 4, "dataflow": "weight_stationary", **fields}
    assert DesignPoint("d", **design).array.compute_cycles(m, k, n) == cycles
    if fields is not PAIRS:  # the others are as wide in weights as in activations
        exchanged = {**design, "dataflow": "input_stationary"}
        assert DesignPoint("d", **exchanged).array.compute_cycles(n, k, m) == cycles


def test_input_stationary_by_hand() -> None:
    """Nine activations, eight of which a strip holds, two side by side; seven weights stream by one."""
    array = DesignPoint("d", rows=4, columns=4, dataflow="input_stationary", **PAIRS).array
    assert array.compute_cycles(9, 4, 7) == 4 + 7 + 7 + 3 + 0


@pytest.mark.parametrize(
    ("fields", "m", "k", "n", "cycles"),
    [
        ({}, 3, 8, 4, 3 * 2),
        ({}, 3, 7, 4, 3 * 2),
        ({}, 3, 8, 5, 6 + 6),  # two strips
        ({"group_size": 3}, 3, 7, 4, 3 * 3),  # steps of 3, 3 and 1
        ({"group_size": 5}, 3, 10, 4, 3 * 4),  # steps of 4, 1, 4 and 1
        (SERIAL, 3, 8, 4, 3 * 2 * 4),
        (SQUARES, 3, 8, 9, 2 * 2 * 2),  # two rows and eight columns of results at once
        ({"double_buffered": False}, 3, 8, 4, 3 * 2 + 2 * 2),  # the next result waits for two levels of the tree
    ],
)
def test_dot_product_by_hand(fields: dict[str, Any], m: int, k: int, n: int, cycles: int) -> None:
    array = DesignPoint("d", **{"rows": 4, "columns": 4, "dataflow": "dot_product", **fields}).array
    assert array.compute_cycles(m, k, n) == cycles


@pytest.mark.parametrize(
    ("dataflow", "pe", "cycles"),
    [
        # The PE's registers, the tree's two levels or the foot, the epilogue's six; the last pair's stay is no drain.
        ("output_stationary", {}, 2 + 6),
        ("weight_stationary", {}, 2 + 1 + 6),
        ("input_stationary", {}, 2 + 1 + 6),
        ("dot_product", {}, 2 + 2 + 6),
        ("output_stationary", SERIAL, 4 + 6 - 3),
        ("dot_product", PAIRS, 6 + 2 + 6),
    ],
)
def test_drain_by_hand(dataflow: str, pe: dict[str, str], cycles: int) -> None:
    assert DesignPoint("d", rows=4, columns=4, dataflow=dataflow, **pe).array.drain_cycles == cycles
