"""The Verilog of PEs against the model: every kind with every accumulator and every format that it takes."""

from pathlib import Path

import pytest

from hdl.verify.bank import small_designs, verify_bank
from sim.design import DesignPoint
from sim.formats import FORMATS
from sim.pe import PES

DESIGNS = list(small_designs())
BANKS = [DESIGNS[start : start + 100] for start in range(0, len(DESIGNS), 100)]


@pytest.mark.parametrize("bank", BANKS, ids=lambda bank: f"{bank[0].name}...")
def test_every_kind_accumulator_and_format(bank: list[DesignPoint], build_dir: Path, seed: int) -> None:
    verdicts = verify_bank(bank, build_dir, seed)
    assert len(verdicts) == len(bank)
    assert all(verdict.pairs and verdict.groups > 60 for verdict in verdicts)


def test_nothing_is_left_out() -> None:
    """Each kind with each accumulator and pipeline that it takes; each format where a kind takes it at all."""
    found = {(design.pe, design.element.accumulation.family, design.pipeline) for design in DESIGNS}
    assert found == {(kind, family, p) for kind, pe in PES.items() for family in pe.accumulators for p in pe.pipelines}
    assert {f"uint{bits}" for bits in range(1, 9)} <= {d.weight_format for d in DESIGNS if d.pe == "shift_add"}
    assert {name for name in FORMATS if name.startswith(("e2", "e3"))} <= {
        d.activation_format for d in DESIGNS if d.pe == "minifloat" and d.accumulator == "fp32"
    }
