"""The Verilog of PEs against the model: every pair of operands, chains of groups."""

from pathlib import Path

import numpy as np
import pytest

from hdl.bench.vectors import Vectors
from hdl.pe import pe_parts
from hdl.tools.verilator import Bench
from hdl.verify.pe import pe_vectors, verify_pe
from sim.design import DesignPoint


@pytest.mark.parametrize(
    ("kind", "weight", "activation", "accumulator", "pipeline", "group_size", "pairs"),
    [
        ("shift_add", "uint4", "int8", "exact", 1, 64, 16 * 256),
        ("shift_add", "int7", "int8", "saturate17", 1, 32, 128 * 256),  # the lone top row is subtracted two levels up
        ("shift_add", "int2", "int8", "wrap10", 1, 1, 4 * 256),  # the top row is subtracted inside its pair
        ("minifloat", "ocp_e4m3", "ocp_e5m2", "fp16", 1, 32, 254 * 248),  # codes of NaN and infinities are no operands
        ("bit_serial", "int4", "int8", "exact", 1, 8, 16 * 256),
        ("dsp_packed", "int8", "int8", "exact", 1, 32, 2 * 256 * 256),  # every pair in both lanes
        ("dsp_packed", "uint4", "int4", "wrap12", 1, 20, 4 * 16 * 16),
        ("shift_add", "int7", "int8", "saturate17", 2, 32, 128 * 256),  # the lone top row waits in a register of its own
        ("fused", "int8", "int8", "exact", 1, 32, 256 * 256),
        ("fused", "uint7", "int4", "saturate12", 1, 32, 2 * 128 * 16),  # each lane with sums of its own
        ("fused", "uint2", "int2", "wrap5", 1, 20, 16 * 4 * 4),
        ("fused", "int5", "int6", "exact", 2, 20, 32 * 64),
        ("minifloat", "e3m2", "e2m3", "exact", 0, 32, 64 * 64),
        ("minifloat", "e3m2", "e2m3", "aligned2", 2, 32, 64 * 64),
    ],
)
def test_every_pair_and_chains_of_groups(
    kind: str,
    weight: str,
    activation: str,
    accumulator: str,
    pipeline: int,
    group_size: int,
    pairs: int,
    build_dir: Path,
    seed: int,
) -> None:
    formats = {"weight_format": weight, "activation_format": activation, "accumulator": accumulator}
    design = DesignPoint("test", pe=kind, **formats, pipeline=pipeline, group_size=group_size)
    verdict = verify_pe(design, build_dir, seed)
    assert verdict.pairs == pairs
    assert verdict.groups > pairs / design.element.lanes[0] / design.element.lanes[1]


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
