"""Toggles and energies of netlists: by hand for a few gates, and of PEs whose outputs the model says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from costmodel.activity.gates import PARTS, Gates
from costmodel.activity.glitches import edges
from costmodel.activity.measure import Activity, ActivityError, activities, piece_energies, toggles, values_of
from costmodel.activity.operands import PIECES, Stream, activation_codes, pe_stream, pieces_of, weight_codes
from costmodel.activity.stimuli import with_artificial
from costmodel.synthesis.run import synthesise
from hdl.bench.vectors import Vectors
from hdl.export import module_texts
from hdl.pe import pe_of, pe_parts
from sim.design import DesignPoint

W4A8 = DesignPoint("test", group_size=16, rows=4, columns=4)
DESIGNS = {
    "shift_add": W4A8,
    "weights stay": replace(W4A8, dataflow="weight_stationary"),
    "bit_serial": replace(W4A8, pe="bit_serial"),
    "lanes": replace(W4A8, pe="dsp_packed", weight_format="int4", activation_format="int4"),
    "floats": replace(W4A8, pe="minifloat", weight_format="e2m1", activation_format="e2m1", accumulator="fp32"),
    "no register": replace(W4A8, pe="multiplier", pipeline=0, weight_format="int4"),
}

SMALL = {
    "ports": {
        "clk": {"direction": "input", "bits": [2]},
        "rst": {"direction": "input", "bits": [3]},
        "activation": {"direction": "input", "bits": [4]},
        "weight": {"direction": "input", "bits": [5]},
        "q": {"direction": "output", "bits": [8]},
    },
    "cells": {
        "one": {"type": "sky130_fd_sc_hd__inv_1", "connections": {"A": [4], "Y": [6]}},
        "two": {"type": "sky130_fd_sc_hd__nand2_1", "connections": {"A": [6], "B": [5], "Y": [7]}},
        "three": {"type": "sky130_fd_sc_hd__dfxtp_1", "connections": {"CLK": [2], "D": [7], "Q": [8]}},
    },
    "netnames": {"sum": {"bits": [8]}},
}
"""``q`` is ``!(!activation & weight)`` of the cycle before."""

HALF_V2 = 1.8**2 / 2
WIRE = 1167473 / 59601 * 0.172375
"""[fF] Of a net with one sink, where all nets have one."""

DATA_EDGE, CLOCK_EDGE = (5.2975 - 0.6531) / 2, (22.3385 + 17.4124) / 2
"""[fJ] ``internal_power`` of D and CLK, fall and rise, at 53 ps in sky130_fd_sc_hd__dfxtp_1__tt_025C_1v80.lib.json."""


class Small(wiring.Component):
    """Its ports."""

    module_name = "small"

    def __init__(self) -> None:
        super().__init__({"activation": In(1), "weight": In(1), "q": Out(1)})


def netlist_of(design: DesignPoint) -> dict:
    parts = pe_parts(design)
    return dict(synthesise("".join(module_texts(parts).values()), parts[-1].module_name, "sky130").module)


def random_products(design: DesignPoint, shape: tuple[int, int, int] = (9, 40, 7)) -> list:
    """Normal numbers, quantized."""
    rng = np.random.default_rng(0)
    m, k, n = shape
    activations, weights = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    return [(activation_codes(design.activation_scheme, activations), weight_codes(design.weight_scheme, weights))]


@pytest.fixture(scope="module")
def pes(build_dir: Path) -> list[Activity]:
    """All PEs in one simulation, which fails if an output differs from the model's."""
    designs = list(DESIGNS.values())
    return activities(designs, [netlist_of(d) for d in designs], [random_products(d) for d in designs], build_dir, macs=512)


ZEROS = replace(W4A8, group_size=256)


@pytest.fixture(scope="module")
def zeros() -> tuple[Gates, Stream]:
    """A PE, and groups of zeros for it."""
    codes = np.zeros((1, 256), dtype=np.int64)
    return Gates.of(netlist_of(ZEROS)), pe_stream(ZEROS, pieces_of(ZEROS, [(codes, codes.T)], 16))


@pytest.fixture(scope="module")
def values(build_dir: Path, zeros: tuple[Gates, Stream]) -> list[NDArray[np.uint32]]:
    """Of nets of the small netlist, and of the PE, in one simulation."""
    vectors = Vectors(
        {"activation": np.array([0, 1, 1, 0, 0]), "weight": np.array([0, 0, 1, 1, 1])}, {"q": np.array([0, 1, 1, 1, 0])}
    )
    gates, stream = zeros
    return values_of([(Gates.of(SMALL), Small(), vectors), (gates, pe_of(ZEROS), stream.vectors)], build_dir)


def test_toggles_of_a_few_gates(values: list[NDArray[np.uint32]]) -> None:
    assert Gates.of(SMALL).nets == (3, 4, 5, 6, 7, 8)
    # rst, activation a, weight b, !a, !(!a & b), q; the first in the lowest bit
    rows = [(0, 0, 0, 1, 1, 0), (0, 1, 0, 0, 1, 1), (0, 1, 1, 0, 1, 1), (0, 0, 1, 1, 0, 1), (0, 0, 1, 1, 0, 0)]
    assert [int(word) for word in values[0][:, 0]] == [sum(bit << place for place, bit in enumerate(row)) for row in rows]
    assert toggles(values[0], np.array([1, 3, 5]), 6).tolist() == [[0, 1, 1, 1, 0, 1], [0, 1, 0, 1, 1, 1]]
    assert toggles(values[0], np.array([0, 5]), 6).tolist() == [[0, 2, 1, 2, 1, 2]]


def test_edge_energies_of_a_few_gates() -> None:
    """Facts of inv_1, nand2_1 and dfxtp_1 as the CSV has them; ``q`` is the state, of which no gate is fed."""
    gates = Gates.of(SMALL)
    parts = {part: gates.edge_energy[:, PARTS.index(part)] for part in PARTS}
    assert parts["multiplier"] == pytest.approx(
        [
            0,
            0,  # inv_1 has no energy at an edge of its input
            0.233,
            2.7094 + HALF_V2 * (2.315 + WIRE) + 0.233,
            3.61398 + HALF_V2 * (1.678 + WIRE),
            0,
        ]
    )
    assert parts["registers"] == pytest.approx([0, HALF_V2 * (2.302 + WIRE), HALF_V2 * (2.324 + WIRE), 0, DATA_EDGE, 19.3834])
    assert not parts["accumulator"].any()
    assert gates.clock_energy == pytest.approx(2 * (CLOCK_EDGE + HALF_V2 * (1.794 + 1167473 / 59601 * 0.214962)))
    assert gates.leakage == pytest.approx(0.005327 + 0.002118 + 0.008439)


def test_gates_that_depend_on_the_sum_accumulate() -> None:
    module = {**SMALL, "netnames": {"pe.sum": {"bits": [6]}}}
    assert [gate.part for gate in Gates.of(module).gates] == ["multiplier", "accumulator", "registers"]


def test_another_clock_is_refused() -> None:
    three = {"type": "sky130_fd_sc_hd__dfxtp_1", "connections": {"CLK": [7], "D": [7], "Q": [8]}}
    with pytest.raises(ValueError, match="flip-flops of a netlist have the clock of its port clk, not nets"):
        Gates.of({**SMALL, "cells": {**SMALL["cells"], "three": three}})


def test_pes_cost_energy_everywhere(pes: list[Activity]) -> None:
    for activity in pes:
        for kind in activity.pieces:
            energy = activity.energy(kind)
            assert min(energy.multiplier, energy.accumulator, energy.registers, energy.clock, energy.leakage) > 0
            assert energy.macs >= 512
            assert 0 < energy.error < energy.total
            assert 0 < energy.glitches < 3 * energy.total
        assert activity.energy("sparse").total < activity.energy("uniform").total
        traced, uniform = activity.energy("traced"), activity.energy("uniform")
        assert activity.numbers["energy_traced_fj"] == pytest.approx(
            sum(getattr(traced, part) for part in (*PARTS, "clock", "leakage"))
        )
        assert activity.numbers["energy_uniform_fj"] == uniform.total


def test_pieces_add_up_to_the_kind(pes: list[Activity]) -> None:
    activity = pes[0]
    mean = np.average(activity.of_pieces[:PIECES], weights=activity.stream.macs[:PIECES])
    assert mean == pytest.approx(activity.energy("traced").total)


def test_leakage_and_clock_of_a_cycle(pes: list[Activity]) -> None:
    """500 MHz: 2 ns, and 1 nW x 1 ns = 0.001 fJ; a MAC of four lanes takes a quarter of a cycle, of four weight bits four."""
    for name, activity in zip(DESIGNS, pes, strict=True):
        energy, cycles = activity.energy("uniform"), {"lanes": 1 / 4, "bit_serial": 4}.get(name, 1)
        assert energy.leakage == pytest.approx(cycles * activity.gates.leakage * 2e-3)
        assert energy.clock == pytest.approx(cycles * activity.gates.clock_energy)


def test_a_netlist_of_something_else_is_refused(build_dir: Path) -> None:
    module = netlist_of(W4A8)
    name, cell = next((name, cell) for name, cell in module["cells"].items() if cell["type"].endswith("nand2_1"))
    module["cells"] = {**module["cells"], name: {**cell, "type": "sky130_fd_sc_hd__nor2_1"}}
    with pytest.raises(ActivityError, match="the netlist of shift_add_pe: netlist_0: "):
        activities([W4A8], [module], [random_products(W4A8)], build_dir, macs=256)


def test_constant_operands_cost_clock_and_leakage_only(zeros: tuple[Gates, Stream], values: list[NDArray[np.uint32]]) -> None:
    """Zeros, within a group: nothing has an edge."""
    gates, stream = zeros
    assert stream.macs.tolist() == [256] * PIECES
    assert not piece_energies(gates, values[1], stream.bounds[0] + np.array([8, 250])).any()
    assert gates.clock_energy > 0


def test_pieces_are_groups_of_tiles_in_their_order() -> None:
    """Of the only PE of a 1x1 array: tile after tile, columns outermost, and groups of 16, 16 and 8."""
    design = replace(W4A8, rows=1, columns=1)
    a, w = random_products(design)[0]
    everything = pieces_of(design, [(a, w)], PIECES * a.size * w.shape[1])[0]
    assert len(everything) == 3 * 63
    (start,) = (i for i, run in enumerate(everything) if np.array_equal(run.activations, a[:1, :16].T) and
                np.array_equal(run.weights, w[:16, :1]))  # fmt: skip
    in_order = everything[start:] + everything[:start]
    assert [len(run.activations) for run in in_order] == [16, 16, 8] * 63
    assert np.array_equal(np.concatenate([run.activations[:, 0] for run in in_order]), np.tile(a.ravel(), 7))
    assert np.array_equal(np.concatenate([run.weights[:, 0] for run in in_order]), np.repeat(w.T, 9, axis=0).ravel())


def test_a_piece_is_of_one_place_of_the_array() -> None:
    """Codes are the number of the row and of the column; tiles are 2 x 3."""
    design = replace(W4A8, rows=2, columns=3)
    a, w = np.repeat(np.arange(9)[:, None], 40, axis=1), np.repeat(np.arange(7)[None], 40, axis=0)
    places = set()
    for piece in pieces_of(design, [(a, w)], PIECES * 500):
        rows, columns = {int(run.activations[0, 0]) for run in piece}, {int(run.weights[0, 0]) for run in piece}
        assert len(rows) > 1
        (place,) = {(row % 2, column % 3) for row in rows for column in columns}
        places.add(place)
    assert len(places) == 6


@pytest.mark.parametrize("accumulator", ["exact", "wrap20"])
def test_folds_hold_a_weight_while_activations_pass(accumulator: str) -> None:
    """Of a 4x1 array: the sum above is that of the fold's rows before, by plain integers."""
    design = replace(DESIGNS["weights stay"], columns=1, accumulator=accumulator)
    a, w = random_products(design)[0]
    numbers = design.activation.decode(a)
    for piece in pieces_of(design, [(a, w)], 16 * 9):
        for fold in piece:
            k = next(k for k in range(0, 40, 4) if any(np.array_equal(fold.column, w[k : k + 4, j]) for j in range(7)))
            assert np.array_equal(fold.activations[:, 0], a[:, k + fold.row])
            assert np.array_equal(fold.above, numbers[:, k : k + fold.row].astype(int) @ fold.column[: fold.row])
            assert set(fold.weights.ravel()) == {fold.column[fold.row]}
            assert fold.macs == 9


def test_a_short_stream_waits_for_the_weights_of_the_next_fold() -> None:
    a, w = random_products(DESIGNS["weights stay"], (2, 4, 1))[0]
    (fold,) = pieces_of(DESIGNS["weights stay"], [(a, w)], 1)[0]
    assert np.array_equal(fold.activations[:, 0], a[[0, 1, 1, 1], fold.row])
    assert fold.macs == 2


def test_artificial_operands_have_the_shapes_and_codes_of_numbers() -> None:
    traced = random_products(W4A8, (64, 64, 64))
    kinds = with_artificial(W4A8, traced)
    assert list(kinds) == ["traced", "uniform", "sparse", "correlated"]
    for [(a, w)] in kinds.values():
        assert (a.shape, w.shape) == ((64, 64), (64, 64))
        assert min(a.min(), w.min()) >= 0
        assert a.max() < 256
        assert w.max() < 16
    [(a, w)] = kinds["uniform"]
    assert set(a.ravel()) == set(range(256))
    assert set(w.ravel()) == set(range(16))
    [(a, w)] = kinds["sparse"]
    assert (a == 0).mean() == pytest.approx(0.75, abs=0.03)
    [(a, w)] = kinds["correlated"]
    assert np.abs(np.diff(w, axis=0)).mean() < 1.5
    assert np.abs(np.diff(W4A8.activation.decode(a).astype(int), axis=1)).mean() < 15


def with_loads(net: int) -> Gates:
    """``!(a & !a)`` of the activation, and four inverters that read a net."""
    cells = {
        "inverter": {"type": "sky130_fd_sc_hd__inv_1", "connections": {"A": [4], "Y": [6]}},
        "nand": {"type": "sky130_fd_sc_hd__nand2_1", "connections": {"A": [4], "B": [6], "Y": [7]}},
    }
    cells |= {f"load_{i}": {"type": "sky130_fd_sc_hd__inv_4", "connections": {"A": [net], "Y": [10 + i]}} for i in range(4)}
    return Gates.of({**SMALL, "cells": cells, "ports": {**SMALL["ports"], "q": {"direction": "output", "bits": [7]}}})


def test_glitches_of_a_few_gates() -> None:
    """The nand settles at 1 and makes a pulse when the activation rises, if the inverter takes longer than itself."""
    # rst, a, b, !a, nand, loads; the first in the lowest bit
    low, high = 0b000011000, 0b111110010
    values = np.array([[low], [high], [low]], dtype=np.uint32)
    assert edges(with_loads(6), values).tolist() == [0, 2, 0, 2, 2, 2, 2, 2, 2]
    assert edges(with_loads(7), values & 0b11111).tolist() == [0, 2, 0, 2, 0, 0, 0, 0, 0]
    with pytest.raises(ValueError, match="4 values of nets are not those that their gates settle at"):
        edges(with_loads(6), np.array([[low], [high & 0b11111]], dtype=np.uint32))
