"""The PE's Verilog: every operand pair and chains of groups; its product in Amaranth's simulator for every format."""

from pathlib import Path

import numpy as np
import pytest
from amaranth.sim import Simulator

from hdl.pe.shift_add import ShiftAddPE
from hdl.verify_pe import verify_pe
from sim.design import DesignPoint
from sim.formats import FORMATS


@pytest.mark.parametrize(
    ("weight", "activation", "group_size"),
    [
        ("uint4", "int8", 64),
        ("int7", "int8", 32),  # the lone top row is subtracted two levels up
        ("int2", "int8", 32),  # the top row is subtracted inside its pair
    ],
)
def test_every_pair_and_chains_of_groups(weight: str, activation: str, group_size: int, build_dir: Path, seed: int) -> None:
    design = DesignPoint("test", weight_format=weight, activation_format=activation, group_size=group_size)
    verdict = verify_pe(design, build_dir, seed)
    assert verdict.pairs == len(FORMATS[weight].values) * len(FORMATS[activation].values)
    assert verdict.groups > verdict.pairs


@pytest.mark.parametrize("activation", ["int2", "int8", "int16"])
@pytest.mark.parametrize("weight", [name for name, f in FORMATS.items() if f.is_integer and f.bits <= 8])
def test_product_of_every_weight_code(weight: str, activation: str, seed: int) -> None:
    """One group a pair; the sum of one product is the product. Extremes of the activation and random ones."""
    design = DesignPoint("test", weight_format=weight, activation_format=activation, group_size=1)
    weights, activations = FORMATS[weight], FORMATS[activation]
    rng = np.random.default_rng(seed)
    numbers = [
        activations.smallest,
        activations.largest,
        -1,
        0,
        1,
        int(rng.integers(activations.smallest, activations.largest)),
    ]
    pe = ShiftAddPE(design)
    simulator = Simulator(pe)
    simulator.add_clock(1e-6)
    wrong = []

    async def bench(context: object) -> None:
        context.set(pe.valid, 1)
        context.set(pe.last, 1)
        for code, value in enumerate(weights.values):
            for number in numbers:
                context.set(pe.weight, code)
                context.set(pe.activation, number & (len(activations.values) - 1))
                await context.tick().repeat(2)
                if context.get(pe.sum) != value * number:
                    wrong.append((code, number, context.get(pe.sum)))

    simulator.add_testbench(bench)
    simulator.run()
    assert not wrong
