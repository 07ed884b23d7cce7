"""Energy of a MAC from the toggles of a PE's netlist: gates under Verilator, fed with given operands.

    E_mac = (sum over nets of toggles x edge energy  +  cycles x (clock + leakage x period)) / MACs

with the energies of :class:`costmodel.activity.gates.Gates`. A net's value is that at the end of each cycle: gates have no
delay, so glitches, edges that a net makes before it settles, are not counted; what they would add is estimated beside it
(:mod:`costmodel.activity.glitches`). In the same run, outputs are compared with the model's, bit by bit: the netlist that is
measured computes what it should.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from costmodel.activity.gates import PARTS, Gates
from costmodel.activity.glitches import glitch_factors
from costmodel.activity.operands import PIECES, Piece, Product, Stream, pe_stream, pieces_of
from costmodel.activity.stimuli import ARTIFICIAL, with_artificial
from hdl.bench.testbench import Dut
from hdl.bench.vectors import Vectors
from hdl.pe import pe_of
from hdl.tools.verilator import Bench
from sim.design import DesignPoint
from sim.errors import Failure

FEMTOJOULE_PER_NW_NS = 1e-3

PARTS_OF_MAC = (*PARTS, "clock", "leakage")

MACS = 16_384
"""MACs of a stream, of each kind of operands; building the simulation takes longer than running so many."""


GLITCH_PIECES = 16
"""Glitches are estimated in one piece of so many."""


class ActivityError(Failure):
    """A netlist's outputs are not the model's."""


@dataclass(frozen=True)
class MacEnergy:
    """Energy of a MAC [fJ] by what spends it, in the mean over ``macs``.

    ``error`` is the standard error of the total, from the pieces of the stream; ``glitches`` what they would add to it.
    """

    multiplier: float
    accumulator: float
    registers: float
    clock: float
    leakage: float
    error: float
    glitches: float
    macs: int

    @property
    def total(self) -> float:
        return math.fsum(getattr(self, part) for part in PARTS_OF_MAC)


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


def piece_energies(gates: Gates, values: NDArray[np.uint32], bounds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Switching energy ``[piece, part]`` [fJ] between bounds, parts as in :data:`costmodel.activity.gates.PARTS`."""
    energies: NDArray[np.float64] = toggles(values, bounds, len(gates.nets)) @ gates.edge_energy
    return energies


@dataclass(frozen=True)
class Activity:
    """A PE at work on several kinds of operands: pieces by kind, one stream of all, and values of nets in it."""

    design: DesignPoint
    gates: Gates
    pieces: Mapping[str, Sequence[Piece]]
    stream: Stream
    values: NDArray[np.uint32]

    @cached_property
    def _switching(self) -> NDArray[np.float64]:
        return piece_energies(self.gates, self.values, self.stream.bounds)

    @property
    def _leakage(self) -> float:
        """In a cycle [fJ]."""
        return self.gates.leakage * 1e9 / self.design.clock_hz * FEMTOJOULE_PER_NW_NS

    @property
    def of_pieces(self) -> NDArray[np.float64]:
        """Energy of a MAC ``[piece]`` [fJ], all kinds one after the other."""
        cycles = np.diff(self.stream.bounds)
        energies: NDArray[np.float64] = self._switching.sum(axis=1) + cycles * (self.gates.clock_energy + self._leakage)
        return energies / self.stream.macs

    def energy(self, kind: str) -> MacEnergy:
        """Energy of a MAC with a kind of operands.

        The standard error is that of pieces in systematic order, from differences of successive ones (K. Wolter, An
        investigation of some estimators of variance for systematic sampling, JASA 79(388), 1984).
        """
        first = PIECES * list(self.pieces).index(kind)
        these = slice(first, first + PIECES)
        macs, bounds = self.stream.macs[these], self.stream.bounds[first : first + PIECES + 1]
        multiplier, accumulator, registers = parts = self._switching[these].sum(axis=0) / macs.sum()
        cycles = (bounds[-1] - bounds[0]) / macs.sum()
        steps = np.diff(self.of_pieces[these])
        some = [self.values[start:end] for start, end in pairwise(bounds)][::GLITCH_PIECES]
        return MacEnergy(
            multiplier=float(multiplier),
            accumulator=float(accumulator),
            registers=float(registers),
            clock=float(cycles * self.gates.clock_energy),
            leakage=float(cycles * self._leakage),
            error=float(np.sqrt((steps**2).mean() / 2 / len(macs))),
            glitches=float(parts @ (glitch_factors(self.gates, np.concatenate(some)) - 1)),
            macs=int(macs.sum()),
        )

    @property
    def numbers(self) -> dict[str, float]:
        """Energies of a MAC [fJ] as the columns of ``data/measured.csv`` are called; the parts are those of traced operands."""
        traced = self.energy("traced")
        return {
            "energy_traced_fj": traced.total,
            "energy_uniform_fj": self.energy("uniform").total,
            **{f"energy_{part}_fj": getattr(traced, part) for part in (*PARTS, "clock")},
            "leakage_fj": traced.leakage,
            "glitches_fj": traced.glitches,
            "energy_error_fj": traced.error,
        }


def activities(
    designs: Sequence[DesignPoint],
    modules: Sequence[Mapping[str, Any]],
    traced: Sequence[Sequence[Product]],
    folder: Path,
    macs: int = MACS,
    kinds: Sequence[str] = tuple(ARTIFICIAL),
) -> list[Activity]:
    """PEs at work on traced operands and artificial ``kinds`` (:mod:`costmodel.activity.stimuli`), all in one simulation.

    ``modules`` are the PEs' netlists (:class:`costmodel.synthesis.run.Synthesis`), ``traced`` products for each design in its
    codes; each kind of operands has so many MACs. Raises :class:`ActivityError` for a netlist that does not compute what
    the model does.
    """
    found = []
    for design, module, products in zip(designs, modules, traced, strict=True):
        operands = with_artificial(design, products, kinds)
        pieces = {kind: pieces_of(design, of_kind, macs) for kind, of_kind in operands.items()}
        stream = pe_stream(design, [piece for of_kind in pieces.values() for piece in of_kind])
        found.append((design, Gates.of(module), pieces, stream))
    values = values_of([(gates, pe_of(design), stream.vectors) for design, gates, _, stream in found], folder)
    return [Activity(*parts, of_nets) for parts, of_nets in zip(found, values, strict=True)]
