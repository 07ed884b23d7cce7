"""The Verilog of PEs against the model: pairs of operands, chains of groups; and every kind, accumulator and format."""

from pathlib import Path

import numpy as np
import pytest

from hdl.bench.vectors import Vectors
from hdl.pe import PES, WITHOUT_HARDWARE, pe_parts
from hdl.verify_bank import small_designs, verify_bank
from hdl.verify_pe import pe_vectors, verify_pe
from hdl.verilator import Bench
from sim.design import DesignPoint
from sim.formats import FORMATS
from sim.pe import PES as MODELS


@pytest.mark.parametrize(
    ("kind", "weight", "activation", "accumulator", "group_size", "pairs"),
    [
        ("shift_add", "uint4", "int8", "exact", 64, 16 * 256),
        ("shift_add", "int7", "int8", "saturate17", 32, 128 * 256),  # the lone top row is subtracted two levels up
        ("shift_add", "int2", "int8", "wrap10", 1, 4 * 256),  # the top row is subtracted inside its pair
        ("minifloat", "ocp_e4m3", "ocp_e5m2", "fp16", 32, 254 * 248),  # codes of NaN and infinities are no operands
        ("bit_serial", "int4", "int8", "exact", 8, 16 * 256),
        ("dsp_packed", "int8", "int8", "exact", 32, 2 * 256 * 256),  # every pair in both lanes
        ("dsp_packed", "uint4", "int4", "wrap12", 20, 4 * 16 * 16),
    ],
)
def test_every_pair_and_chains_of_groups(
    kind: str, weight: str, activation: str, accumulator: str, group_size: int, pairs: int, build_dir: Path, seed: int
) -> None:
    formats = {"weight_format": weight, "activation_format": activation, "accumulator": accumulator}
    design = DesignPoint("test", pe=kind, **formats, group_size=group_size)
    verdict = verify_pe(design, build_dir, seed)
    assert verdict.pairs == pairs
    assert verdict.groups > pairs / design.element.lanes[0] / design.element.lanes[1]


DESIGNS = list(small_designs())
BANKS = [DESIGNS[start : start + 100] for start in range(0, len(DESIGNS), 100)]


@pytest.mark.parametrize("bank", BANKS, ids=lambda bank: f"{bank[0].name}...")
def test_every_kind_accumulator_and_format(bank: list[DesignPoint], build_dir: Path, seed: int) -> None:
    verdicts = verify_bank(bank, build_dir, seed)
    assert len(verdicts) == len(bank)
    assert all(verdict.pairs and verdict.groups > 60 for verdict in verdicts)


def test_nothing_that_has_hardware_is_left_out() -> None:
    """Each kind with each accumulator that it takes; each format where a kind takes it at all."""
    found = {(design.pe, design.element.accumulation.family) for design in DESIGNS}
    assert found == {(kind, family) for kind in PES for family in MODELS[kind].accumulators if family != "aligned"}
    assert sorted(WITHOUT_HARDWARE) == sorted(MODELS.keys() - PES.keys())
    assert {f"uint{bits}" for bits in range(1, 9)} <= {d.weight_format for d in DESIGNS if d.pe == "shift_add"}
    assert {name for name in FORMATS if name.startswith(("e2", "e3"))} <= {
        d.activation_format for d in DESIGNS if d.pe == "minifloat" and d.accumulator == "fp32"
    }


@pytest.mark.parametrize("port", ["sum", "sum_valid", "weight_out"])
def test_one_wrong_bit_is_named(port: str, build_dir: Path, seed: int) -> None:
    design = DesignPoint("test", group_size=4)
    vectors, _, _ = pe_vectors(design, seed, most_pairs=16)
    values = np.array(vectors.outputs[port])
    cycle = int(np.flatnonzero(vectors.checked.get(port, np.ones(len(values), dtype=bool)))[33])
    values[cycle] ^= 1
    wrong = Vectors(vectors.inputs, {**vectors.outputs, port: values}, vectors.checked)
    (difference,) = Bench.of(pe_parts(design), build_dir).run(wrong)
    assert (difference.module, difference.port, difference.cycle) == ("shift_add_pe", port, cycle)
    assert difference.got ^ difference.expected == 1
