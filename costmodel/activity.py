"""Energy of a MAC from the toggles of a PE's netlist: gates under Verilator, fed with given operands.

    E_mac = (sum over nets of toggles x edge energy  +  cycles x (clock + leakage x period)) / MACs

with the energies of :class:`costmodel.gates.Gates`. A net's value is that at the end of each cycle: gates have no delay,
so glitches, edges that a net makes before it settles, are not counted. In the same run, outputs are compared with the
model's, bit by bit: the netlist that is measured computes what it should.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from costmodel.gates import Gates
from costmodel.operands import PIECES, Product, Stream, pe_stream, pieces_of, uniform
from hdl.bench.testbench import Dut
from hdl.bench.vectors import Vectors
from hdl.pe import pe_of
from hdl.verilator import Bench
from sim.design import DesignPoint
from sim.errors import Failure

FEMTOJOULE_PER_NW_NS = 1e-3

MACS = 16_384
"""MACs of a stream, of each kind of operands; building the simulation takes longer than running so many."""


class ActivityError(Failure):
    """A netlist's outputs are not the model's."""


@dataclass(frozen=True)
class MacEnergy:
    """Energy of a MAC [fJ] by what spends it; ``error`` is the standard error of the total, from the pieces of the stream."""

    multiplier: float
    accumulator: float
    registers: float
    clock: float
    leakage: float
    error: float
    macs: int

    @property
    def total(self) -> float:
        return self.multiplier + self.accumulator + self.registers + self.clock + self.leakage


def values_of(netlists: Sequence[tuple[Gates, Any, Vectors]], folder: Path) -> list[NDArray[np.uint32]]:
    """Values of all nets at the end of each cycle, ``[cycle, word]``, of netlists side by side in one simulation.

    Each is given with the component that says its ports, and with vectors. ``folder`` keeps what was built. Raises
    :class:`ActivityError` for an output that is not what the vectors expect.
    """
    names = [f"netlist_{index}" for index in range(len(netlists))]
    texts = {f"{name}.v": gates.verilog(name, f"{name}.nets") for name, (gates, _, _) in zip(names, netlists, strict=True)}
    duts = [Dut(name, component) for name, (_, component, _) in zip(names, netlists, strict=True)]
    bench = Bench(duts, texts, folder, "-O0")
    differences = bench.run(*(vectors for _, _, vectors in netlists))
    if differences:
        raise ActivityError(f"the netlist of {netlists[int(differences[0].module[8:])][1].module_name}: {differences[0]}")
    found = []
    for name, (gates, _, vectors) in zip(names, netlists, strict=True):
        words = np.fromfile(bench.folder / f"{name}.nets", dtype=np.uint32)
        found.append(words.reshape(-1, -(-len(gates.nets) // 32))[: vectors.cycles])
    return found


@njit(cache=True)  # type: ignore[untyped-decorator]
def toggles(values: NDArray[np.uint32], bounds: NDArray[np.int64], nets: int) -> NDArray[np.int64]:
    """How often each net changes ``[piece, net]`` at the beginnings of the cycles between two bounds ``[piece + 1]``."""
    counts = np.zeros((len(bounds) - 1, nets), dtype=np.int64)
    for piece in range(len(bounds) - 1):
        for cycle in range(max(1, bounds[piece]), bounds[piece + 1]):
            for word in range(values.shape[1]):
                changed = values[cycle, word] ^ values[cycle - 1, word]
                net = 32 * word
                while changed:
                    counts[piece, net] += changed & 1
                    changed >>= np.uint32(1)
                    net += 1
    return counts


def piece_energies(gates: Gates, values: NDArray[np.uint32], stream: Stream) -> NDArray[np.float64]:
    """Switching energy ``[piece, part]`` [fJ], parts as in :data:`costmodel.gates.PARTS`."""
    energies: NDArray[np.float64] = toggles(values, stream.bounds, len(gates.nets)) @ gates.edge_energy
    return energies


def mac_energy(gates: Gates, energies: NDArray[np.float64], stream: Stream, pieces: slice, clock_hz: float) -> MacEnergy:
    """Energy of a MAC from some of the pieces that :func:`piece_energies` is of.

    The standard error is that of pieces in systematic order, from differences of successive ones (K. Wolter, An
    investigation of some estimators of variance for systematic sampling, JASA 79(388), 1984).
    """
    macs = stream.macs[pieces]
    per_mac = np.diff(stream.bounds)[pieces].sum() / macs.sum()
    steps = np.diff(energies[pieces].sum(axis=1) / macs)
    error = np.sqrt((steps**2).mean() / 2 / len(macs)) if len(steps) else np.nan
    leakage = per_mac * gates.leakage * 1e9 / clock_hz * FEMTOJOULE_PER_NW_NS
    parts = energies[pieces].sum(axis=0) / macs.sum()
    return MacEnergy(*map(float, (*parts, per_mac * gates.clock_energy, leakage, error)), int(macs.sum()))


def pe_energies(
    designs: Sequence[DesignPoint],
    modules: Sequence[Mapping[str, Any]],
    products: Sequence[Sequence[Product]],
    folder: Path,
    macs: int = MACS,
) -> list[dict[str, MacEnergy]]:
    """Energies of a MAC of PEs with ``traced`` and ``uniform`` operands, all PEs in one simulation.

    ``modules`` are the PEs' netlists (:class:`costmodel.synthesis.Synthesis`), ``products`` traced ones for each design, in
    its codes. Raises :class:`ActivityError` for a netlist that does not compute what the model does.
    """
    cases = []
    for design, module, traced in zip(designs, modules, products, strict=True):
        kinds = [traced, uniform(design, traced)]
        stream = pe_stream(design, [piece for kind in kinds for piece in pieces_of(design, kind, macs)])
        cases.append((Gates.of(module), stream))
    netlists = [(gates, pe_of(design), stream.vectors) for design, (gates, stream) in zip(designs, cases, strict=True)]
    found = []
    for design, (gates, stream), values in zip(designs, cases, values_of(netlists, folder), strict=True):
        energies = piece_energies(gates, values, stream)
        slices = {"traced": slice(PIECES), "uniform": slice(PIECES, 2 * PIECES)}
        found.append({name: mac_energy(gates, energies, stream, of, design.clock_hz) for name, of in slices.items()})
    return found
