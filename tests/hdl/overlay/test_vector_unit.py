"""The Verilog of vector units: the model's bits in the model's cycles, whoever waits."""

import dataclasses
from pathlib import Path

import pytest

from hdl.bench.testbench import Dut
from hdl.export import module_texts
from hdl.overlay.cascade_slice import CascadeSlice
from hdl.overlay.vector_unit import VectorUnit
from hdl.tools.verilator import Bench, lint
from hdl.verify.vector_unit import vector_unit_vectors
from sim.overlay.elements import CHAINS, ELEMENTS
from sim.overlay.engine import Engine

ENGINES = [
    Engine(1, 1, 4, accumulator_bits=22),
    Engine(1, 1, 8, "shift_add", sparse=False),
    Engine(1, 1, 16, sparse=False, accumulator_bits=22),
]
INTEGERS = [name for name, element in ELEMENTS.items() if element.quantized]
EVERY = [Engine(1, 1, chain, element, sparse) for chain in CHAINS for element in INTEGERS for sparse in (True, False)]


def bench_of(engines: list[Engine], build_dir: Path) -> Bench:
    """All side by side, each with a chain of its own."""
    units = [VectorUnit(engine) for engine in engines]
    parts = {}
    for i, unit in enumerate(units):
        for part in (*unit.parts, unit):
            if part.module_name != CascadeSlice.module_name:
                part.module_name = f"{part.module_name}_{i}"
            parts[part.module_name] = part
    return Bench([Dut(unit.module_name, unit) for unit in units], module_texts(parts.values()), build_dir, "-O0")


def test_bits_and_cycles(build_dir: Path, seed: int) -> None:
    vectors = [vector_unit_vectors(engine, 24, seed) for engine in ENGINES]
    for engine, given in zip(ENGINES, vectors, strict=True):
        # from the first group's last beat to its column 0, and groups in 16 cycles
        first = int(given.inputs["last"][given.inputs["valid"] == 1].argmax())
        assert given.outputs["sum_valid"].astype(bool).argmax() == first + engine.latency
    bench = bench_of(ENGINES, build_dir)
    assert bench.run(*vectors) == []
    given = vectors[0]
    cycle = int(given.checked["sum"].nonzero()[0][-1])
    outputs = {**given.outputs, "sum": given.outputs["sum"].copy()}
    outputs["sum"][cycle] ^= 1
    found = bench.run(dataclasses.replace(given, outputs=outputs), *vectors[1:])
    assert [(difference.port, difference.cycle) for difference in found] == [("sum", cycle)]


@pytest.mark.exhaustive
def test_every_engine(build_dir: Path, seed: int) -> None:
    assert bench_of(EVERY, build_dir).run(*(vector_unit_vectors(engine, 30, seed) for engine in EVERY)) == []


@pytest.mark.parametrize("sparse", [True, False])
def test_verilog_has_no_warnings(tmp_path: Path, sparse: bool) -> None:
    unit = VectorUnit(Engine(1, 1, 2, "shift_add", sparse))
    for name, text in module_texts((*unit.parts, unit)).items():
        (tmp_path / name).write_text(text)
    assert lint(sorted(tmp_path.glob("*.v")), "vector_unit") == ""
