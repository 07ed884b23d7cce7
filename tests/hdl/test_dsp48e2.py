"""The text of DSP slices as an FPGA has them, with a model of the DSP48E2 after AMD UG579: the PE's bits in the PE's cycles.

AMD's own simulation model, of which no copy is here, was read beside it: resets before enables, which register of A is the one,
what multiplexers choose.
"""

from pathlib import Path

import pytest

from hdl.bench.testbench import Dut
from hdl.delivery import SLICES, write_design
from hdl.export import module_texts
from hdl.overlay.cascade_slice import CascadeSlice
from hdl.overlay.vector_unit import VectorUnit
from hdl.pe import pe_parts
from hdl.pe.dsp_slice import DspSlice
from hdl.tools.verilator import Bench
from hdl.verify.pe import pe_vectors
from hdl.verify.vector_unit import vector_unit_vectors
from sim.design import DesignPoint
from sim.overlay.engine import Engine

DSP48E2 = {"dsp48e2.v": (Path(__file__).parent / "dsp48e2.v").read_text()}


@pytest.mark.parametrize("engine", [Engine(1, 1, 8, sparse=False), Engine(1, 1, 4)], ids=["two_columns", "sparse"])
def test_slices_in_cascade(engine: Engine, build_dir: Path, seed: int) -> None:
    """Those of a vector unit, with bubbles, back pressure and a reset: enables and resets of all registers, both modes.

    Of a sparse one the cascade is broken elsewhere from block to block, as it has different N.
    """
    unit = VectorUnit(engine)
    name = CascadeSlice.module_name
    texts = module_texts((*unit.parts, unit)) | {f"{name}.v": SLICES[name][1]} | DSP48E2
    bench = Bench([Dut(unit.module_name, unit)], texts, build_dir, "-O0")
    assert bench.run(vector_unit_vectors(engine, 12, seed)) == []


@pytest.mark.parametrize(("weight", "activation"), [("int8", "int8"), ("uint4", "int4")])
def test_slices_of_an_array(weight: str, activation: str, build_dir: Path, tmp_path: Path, seed: int) -> None:
    """The very file that ``shiftwise generate`` writes: pairs of operands, and runs of groups as long as lanes hold."""
    formats = {"weight_format": weight, "activation_format": activation}
    design = DesignPoint("test", pe="dsp_packed", rows=2, columns=2, group_size=32, **formats)
    write_design(design, tmp_path, "")
    texts, name = module_texts(pe_parts(design)), DspSlice.module_name
    assert f"{name}.v" in texts
    texts |= {f"{name}.v": (tmp_path / SLICES[name][0]).read_text()} | DSP48E2
    pe = pe_parts(design)[-1]
    vectors, _, _ = pe_vectors(design, seed, most_pairs=1 << 10)
    assert Bench([Dut(pe.module_name, pe)], texts, build_dir, "-O0").run(vectors) == []
