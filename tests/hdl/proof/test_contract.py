"""Contracts under which mutants are proved equal: they forbid what they say, and nothing that verifies a component."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from hdl.bench.vectors import RESET, Vectors
from hdl.epilogue import Epilogue
from hdl.pe import pe_of
from hdl.proof.contract import KEPT, Contract, of_epilogue, of_operands
from hdl.tools.verilator import Bench
from sim.design import DesignPoint
from tests.hdl.proof.mutants import CASES

CYCLES = 3000


@pytest.mark.parametrize("name", CASES)
def test_inputs_that_verify_a_component_pass_unchanged(name: str, build_dir: Path) -> None:
    case = CASES[name]()
    if case.rule is None:
        pytest.skip("may be fed anything")
    inputs = case.vectors.inputs
    unchanged = {KEPT + port: values for port, values in inputs.items() if port != RESET}
    assert Bench.of([Contract(case.parts[-1], case.rule)], build_dir).run(Vectors(inputs, unchanged)) == []


def kept_of_noise(contract: Contract, seed: int) -> dict[str, Any]:
    """What comes out of a contract that is fed noise ``[cycle]``."""
    rng = np.random.default_rng(seed)
    noise = {name: rng.integers(1 << width, size=CYCLES) for name, width in contract.widths.items()}
    kept: dict[str, list[int]] = {name: [] for name in noise}

    async def bench(ctx: Any) -> None:
        for cycle in range(CYCLES):
            for name, values in noise.items():
                ctx.set(getattr(contract, name), int(values[cycle]))
            for name, values in kept.items():
                values.append(ctx.get(getattr(contract, KEPT + name)))
            await ctx.tick()

    simulator = Simulator(contract)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return {name: np.array(values) for name, values in kept.items()}


@pytest.mark.parametrize(
    ("pe", "weight", "activation", "apart", "numbers"),
    [("bit_serial", "int4", "int4", 4, 16), ("minifloat", "ocp_e4m3", "e2m1", 1, 0x7F)],
)
def test_operands_are_apart_in_short_groups_and_numbers(
    pe: str, weight: str, activation: str, apart: int, numbers: int, seed: int
) -> None:
    design = DesignPoint("test", pe=pe, weight_format=weight, activation_format=activation, group_size=3)
    kept = kept_of_noise(Contract(pe_of(design), of_operands(design)), seed)
    valid = np.flatnonzero(kept["valid"])
    assert np.diff(valid).min() == apart
    ends = np.flatnonzero(kept["last"][valid])
    assert np.diff(ends).max() == 3
    assert (kept["weight"][valid] & 0x7F < numbers).all()  # OCP E4M3 has NaN at 0x7f and 0xff alone


def test_sums_follow_a_token_and_corrected_ones_fit(seed: int) -> None:
    design = DesignPoint("test", activation_format="int4", group_size=4, rows=3, columns=2)
    kept = kept_of_noise(Contract(Epilogue(design), of_epilogue(design, 3)), seed)
    loads = np.flatnonzero(kept["load"])
    assert np.diff(loads).min() == 3
    assert kept["first_group"][loads[0]] and kept["first_group"][loads[1:]][kept["last_group"][loads[:-1]] == 1].all()
    assert (kept["scale"][loads] < 0x7C00).all()
    for load in loads[:-1]:
        assert kept["sum_valid"][load + 1 : load + 4].all()
        row_sums = [
            int(bits) - (int(bits) >> 5 << 6) for bits in kept["row_sum"][load + 1 : load + 4]
        ]  # 4 * -8 to 4 * 7: 6 bits
        width = design.accumulator_bits
        sums = [int(bits) - (int(bits) >> width - 1 << width) for bits in kept["sum"][load + 1 : load + 4]]
        corrected = [total - int(kept["zero_point"][load]) * row_sum for total, row_sum in zip(sums, row_sums, strict=True)]
        assert max(map(abs, corrected)) <= 4 * 15 * 8
