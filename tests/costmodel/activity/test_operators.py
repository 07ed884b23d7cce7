"""Energy of operators alone: one by hand, others beside it."""

from pathlib import Path

import numpy as np
import pytest

from costmodel.activity.operators import OPERATIONS, Operator, OperatorEnergy, operator_energies
from costmodel.synthesis.liberty import sky130_cells
from costmodel.synthesis.run import synthesise

BIT = Operator("add", 1)
OPERATORS = [BIT, *(Operator(operation, bits) for operation in ("add", "multiply") for bits in (4, 8))]


def module_of(operator: Operator) -> dict:
    return dict(synthesise(operator.verilog, operator.module_name, "sky130").module)


@pytest.fixture(scope="module")
def energies(build_dir: Path) -> dict[tuple[str, int], OperatorEnergy]:
    """All in one simulation, which fails if a result is not the expected one."""
    found = operator_energies(OPERATORS, [module_of(operator) for operator in OPERATORS], build_dir)
    return {(op.operation, op.bits): energy for op, energy in zip(OPERATORS, found, strict=True)}


def test_operands_and_results_are_of_all_bits() -> None:
    for operator in (Operator("add", 8), Operator("add", 32), Operator("multiply", 32)):
        vectors = operator.vectors()
        a, w = (vectors.inputs[name].tolist() for name in ("activation", "weight"))
        by_hand = [x * y if operator.operation == "multiply" else x + y for x, y in zip(a, w, strict=True)]
        assert vectors.outputs["result"].tolist() == [number % 2**operator.result_bits for number in by_hand]
        for operand in (a, w):
            assert 0.99 < max(operand) / 2**operator.bits < 1
            assert len(operand) == OPERATIONS


def test_an_adder_of_a_bit_by_hand(energies: dict[tuple[str, int], OperatorEnergy]) -> None:
    """Without a carry it is an xor2_1: an edge of an operand charges its pin and its wire, one of the result nothing."""
    module, vectors = module_of(BIT), BIT.vectors()
    (cell,) = module["cells"].values()
    xor = next(known for known in sky130_cells() if known.name == cell["type"])
    assert xor.name.endswith("xor2_1")
    wire = 1167473 / 59601 * 0.172375  # [fF] of a net with one sink, where all nets have one
    words = {**vectors.inputs, **vectors.outputs}
    edges = {name: np.abs(np.diff(bits.astype(int))).sum() / (OPERATIONS - 1) for name, bits in words.items()}
    assert all(0.45 < count < 0.55 for count in edges.values())
    names = {module["ports"][name]["bits"][0]: name for name in words}
    pins = {names[cell["connections"][pin][0]]: farad for pin, farad in xor.inputs.items()}
    spent = sum(edges[name] * (1.8**2 / 2 * (farad + wire) + xor.input_energy) for name, farad in pins.items())
    assert energies["add", 1].total == pytest.approx(spent + edges["result"] * xor.output_energy)


def test_wider_operators_spend_more_and_products_glitch_more(energies: dict[tuple[str, int], OperatorEnergy]) -> None:
    """A chain grows with the width, a multiplier's grid of cells with its square."""
    assert 1.8 < energies["add", 8].total / energies["add", 4].total < 2.6
    assert 4 < energies["multiply", 8].total / energies["multiply", 4].total < 8
    shares = [energies[operation, 8].glitches / energies[operation, 8].total for operation in ("add", "multiply")]
    assert 0 < shares[0] < shares[1]
