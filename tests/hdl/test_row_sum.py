"""The row sum's Verilog against sums of Python integers, in the cycle of a PE's sum."""

from pathlib import Path

import numpy as np
import pytest

from hdl.bench.vectors import Vectors
from hdl.row_sum import RowSum
from hdl.tools.verilator import Bench
from sim.design import DesignPoint


def row_sum_vectors(design: DesignPoint, seed: int) -> Vectors:
    """Groups of int8 with and without bubbles."""
    rng = np.random.default_rng(seed)
    activation, valid, last, resets, expected = [], [], [], [], {}
    lowest, highest = [-128] * 32, [127] * 32
    groups = [lowest, highest, lowest, [5], [-7], *(rng.integers(-128, 128, rng.integers(1, 33)).tolist() for _ in range(60))]
    for index, group in enumerate(groups):
        for place, number in enumerate(group):
            for _ in range(int(rng.integers(3)) if index % 2 else 0):
                activation.append(int(rng.integers(256)))
                valid.append(0)
                last.append(int(rng.integers(2)))
            activation.append(number % 256)
            valid.append(1)
            last.append(int(place == len(group) - 1))
        if index % 8 == 7:  # a reset with the last operand: its sum never appears, and what was in flight is lost
            resets.append(len(valid) - 1)
        else:
            expected[len(valid) - 1 + design.element.latency] = sum(group)
    idle = [0] * 5
    inputs = {
        name: np.array([*values, *idle]) for name, values in (("activation", activation), ("valid", valid), ("last", last))
    }
    inputs["rst"] = np.isin(np.arange(len(inputs["valid"])), resets).astype(np.int64)
    lost = {reset + cycle for reset in resets for cycle in range(1, design.element.latency)}
    expected = {cycle: total for cycle, total in expected.items() if cycle not in lost}
    sums = np.zeros(len(inputs["valid"]), dtype=np.int64)
    sums[list(expected)] = list(expected.values())
    due = np.isin(np.arange(len(sums)), list(expected))
    return Vectors(inputs, {"sum": sums, "sum_valid": due.astype(np.int64)}, {"sum": due})


@pytest.mark.parametrize("pipeline", [0, 1, 2])
def test_groups_with_and_without_bubbles(pipeline: int, build_dir: Path, seed: int) -> None:
    design = DesignPoint("test", group_size=32, pipeline=pipeline)
    assert Bench.of([RowSum(design)], build_dir).run(row_sum_vectors(design, seed)) == []
