"""Contracts under which mutants are proved equal: what verifies a component keeps them, so they do not forbid too much."""

from pathlib import Path

import pytest

from hdl.bench.vectors import RESET, Vectors
from hdl.contract import KEPT, Contract
from hdl.verilator import Bench
from tests.hdl.mutants import CASES


@pytest.mark.parametrize("name", CASES)
def test_inputs_that_verify_a_component_pass_unchanged(name: str, build_dir: Path) -> None:
    case = CASES[name]()
    if case.rule is None:
        pytest.skip("may be fed anything")
    inputs = case.vectors.inputs
    unchanged = {KEPT + port: values for port, values in inputs.items() if port != RESET}
    assert Bench.of([Contract(case.parts[-1], case.rule)], build_dir).run(Vectors(inputs, unchanged)) == []
