"""Edges of a netlist whose gates take time: those that nets make before they settle are counted too.

What :mod:`costmodel.activity.measure` finds has gates without delay. Here the same cycles are simulated event by event: inputs
and registers change a register's delay after the clock's edge, a gate's output ``intrinsic + drive x load`` after its inputs,
and a pulse that is shorter than the delay of the gate that would make it does not come about (inertial delay, as in IEEE 1364).
Slews, and delays that differ from pin to pin, are not modelled: the straight lines of ``data/sky130hd_cells.csv`` are means.
"""

from heapq import heappop, heappush

import numpy as np
from numba import njit
from numpy.typing import NDArray

from costmodel.activity.gates import PARTS, Gate, Gates
from costmodel.synthesis.liberty import sky130_cells

REGISTER = next(cell for cell in sky130_cells() if cell.name.endswith("dfxtp_1"))
"""What drives the inputs, in a neighbour."""


def glitch_factors(gates: Gates, values: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Switching energy with glitches over that without ``[part]``, 1 where nothing switches.

    ``values[cycle, word]`` are those of nets that have settled (:func:`costmodel.activity.measure.values_of`).
    """
    with_glitches = edges(gates, values) @ gates.edge_energy
    without = np.abs(np.diff(_bits(gates, values), axis=0)).sum(axis=0) @ gates.edge_energy
    ratio: NDArray[np.float64] = np.divide(with_glitches, without, np.ones(len(PARTS)), where=without > 0)
    return ratio


def _bits(gates: Gates, values: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Values ``[cycle, net]``."""
    return np.unpackbits(values.view(np.uint8), axis=1, bitorder="little")[:, : len(gates.nets)].astype(np.int64)


def edges(gates: Gates, values: NDArray[np.uint32]) -> NDArray[np.int64]:
    """How many edges each net makes ``[net]``, from settled values of all nets in each cycle ``[cycle, word]``.

    Raises ``ValueError`` if nets do not settle at these values: then they are of another netlist.
    """
    place = {net: index for index, net in enumerate(gates.nets)}
    zero, one = len(place), len(place) + 1
    constants = {"0": zero, "x": zero, "1": one, gates.clock: zero}
    combinational = [gate for gate in gates.gates if not gate.cell.flip_flop]
    outputs = np.array([place[gate.output] for gate in combinational], dtype=np.int64)
    widest = max(len(gate.pins) for gate in combinational)
    pins = np.full((len(combinational), widest), zero)
    for row, gate in zip(pins, combinational, strict=True):
        row[: len(gate.pins)] = [constants.get(bit, place.get(bit, -1)) for bit in gate.pins.values()]  # type: ignore[arg-type]
    tables = np.array([_table(gate) for gate in combinational], dtype=np.uint64)
    drivers = {gate.output: gate.cell for gate in gates.gates}
    cells = [drivers.get(net, REGISTER) for net in gates.nets]
    delays = np.array(
        [cell.intrinsic_delay + cell.drive * gates.load(net) for net, cell in zip(gates.nets, cells, strict=True)]
    )
    readers = [np.flatnonzero((pins == index).any(axis=1)) for index in range(len(place))]
    first = np.concatenate([[0], np.cumsum([len(found) for found in readers])])
    settled = np.pad(_bits(gates, values), ((0, 0), (0, 2)))
    settled[:, one] = 1
    sources = np.array([index for index in range(len(place)) if index not in set(outputs.tolist())])
    counts, wrong = _events(settled, sources, outputs, pins, tables, delays, first, np.concatenate(readers))
    if wrong:
        raise ValueError(f"{wrong} values of nets are not those that their gates settle at")
    found: NDArray[np.int64] = counts
    return found


def _table(gate: Gate) -> int:
    """The function as a number, of which bit ``i`` is the output for inputs ``i``, the first pin lowest.

    Functions are sums of products, as the library has them.
    """
    rows = 1 << len(gate.pins)
    columns = {pin: sum(1 << row for row in range(rows) if row >> place & 1) for place, pin in enumerate(gate.pins)}
    everywhere = (1 << rows) - 1
    table = 0
    for term in gate.cell.function.split("|"):
        both = everywhere
        for literal in term.strip(" ()").split("&"):
            both &= everywhere ^ columns[literal[1:]] if literal.startswith("!") else columns[literal]
        table |= both
    return table


@njit(cache=True)  # type: ignore[untyped-decorator]
def _output(gate: int, state: NDArray[np.int64], pins: NDArray[np.int64], tables: NDArray[np.uint64]) -> int:
    row = 0
    for place in range(pins.shape[1]):
        row |= state[pins[gate, place]] << place
    return int(tables[gate] >> np.uint64(row)) & 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _events(
    settled: NDArray[np.int64],
    sources: NDArray[np.int64],
    outputs: NDArray[np.int64],
    pins: NDArray[np.int64],
    tables: NDArray[np.uint64],
    delays: NDArray[np.float64],
    first: NDArray[np.int64],
    readers: NDArray[np.int64],
) -> tuple[NDArray[np.int64], int]:
    """Edges of each net, and how many values in the end differ from ``settled[cycle, net]``."""
    counts = np.zeros(len(delays), dtype=np.int64)
    state = settled[0].copy()
    # The event of a net that counts is its latest one; a cancelled one has an older number.
    latest, coming = np.zeros(len(delays), dtype=np.int64), state.copy()
    number = wrong = 0
    for cycle in range(1, len(settled)):
        queue = [(0.0, 0, -1)]
        for net in sources:
            if settled[cycle, net] != state[net]:
                number += 1
                latest[net], coming[net] = number, settled[cycle, net]
                heappush(queue, (float(delays[net]), int(number), int(net)))
        while queue:
            time, event, net = heappop(queue)
            if net < 0 or latest[net] != event:
                continue
            state[net] = coming[net]
            counts[net] += 1
            for gate in readers[first[net] : first[net + 1]]:
                output = outputs[gate]
                value = _output(gate, state, pins, tables)
                if value == coming[output]:
                    continue
                coming[output] = value
                number += 1
                latest[output] = number
                if value != state[output]:
                    heappush(queue, (float(time + delays[output]), int(number), int(output)))
        for net in range(len(delays)):
            wrong += state[net] != settled[cycle, net]
    return counts, wrong
