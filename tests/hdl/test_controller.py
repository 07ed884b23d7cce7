"""The tile controller by itself: addresses, flags and what it gives back, each in its cycle."""

import dataclasses
from pathlib import Path

import pytest

from hdl.accelerator.controller import Controller
from hdl.bench.testbench import Dut
from hdl.bench.vectors import Vectors
from hdl.export import module_texts
from hdl.tools.verilator import Bench
from hdl.verify.controller import controller_vectors
from sim.accelerator.depths import depths
from tests.hdl import test_accelerator

BLOCKS = 40
DESIGNS = {name: design for name, design in test_accelerator.DESIGNS.items() if design.dataflow == "output_stationary"}


def test_every_kind(build_dir: Path, seed: int) -> None:
    controllers = [Controller(design) for design in DESIGNS.values()]
    for i, controller in enumerate(controllers):
        controller.module_name = f"controller_{i}"
    vectors = [controller_vectors(design, BLOCKS, seed) for design in DESIGNS.values()]
    for design, given in zip(DESIGNS.values(), vectors, strict=True):
        assert given.outputs["weight_address"].max() > depths(design).weight / 2
        assert given.outputs["token_scale_address"].max() > min(depths(design).token_scale, depths(design).result) / 2
        for buffer in ("weight", "scale", "token_scale"):
            assert farthest_return(given, f"{buffer}_address") > getattr(depths(design), buffer) / 3
    duts = [Dut(controller.module_name, controller) for controller in controllers]
    assert Bench(duts, module_texts(controllers), build_dir, "-O0").run(*vectors) == []


def farthest_return(given: Vectors, port: str) -> int:
    """The largest address that is said after one that is not smaller: where a stretch of words is read again."""
    said = given.outputs[port][given.checked[port]]
    return int(said[1:][said[1:] <= said[:-1]].max())


@pytest.mark.parametrize("port", ["start", "scale_address", "give_back_token_scale", "tile"])
def test_a_wrong_output_is_found(build_dir: Path, seed: int, port: str) -> None:
    design = DESIGNS["shift_add"]
    given = controller_vectors(design, 6, seed)
    outputs = {**given.outputs, port: given.outputs[port].copy()}
    cycle = int(given.checked[port].nonzero()[0][-1])
    outputs[port][cycle] ^= 1
    found = Bench.of([Controller(design)], build_dir, "-O0").run(dataclasses.replace(given, outputs=outputs))
    assert [(difference.port, difference.cycle) for difference in found] == [(port, cycle)]
