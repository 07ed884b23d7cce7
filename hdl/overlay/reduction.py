"""Above a chain's groups: nodes that add the halves of a column or keep two columns apart, and the way to the columns' sums."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth import Module, Mux, Signal, Value, signed

from hdl.overlay.products import Densities, Lanes
from hdl.pe.term import register
from sim.overlay.engine import BLOCK, DENSITIES, GROUP, Engine


def levels_of(engine: Engine) -> int:
    """Levels of nodes above the groups: each doubles what is added, up to a whole column."""
    return (engine.segment // _whole(engine)).bit_length() - 1


def reduced(m: Module, engine: Engine, groups: Sequence[Lanes], densities: Densities) -> list[Lanes]:
    """Of each group the sum of its column up to there, :func:`levels_of` cycles later.

    A node adds what the first half of its groups has to the second, unless a column ends between them. So the sum of a column
    is that of its last group. ``densities(0)`` is in step with the groups.
    """
    sums = [list(lanes) for lanes in groups]
    for level in range(levels_of(engine)):
        half = (_whole(engine) << level) // GROUP
        joins = _any_of(densities(level), [n for n in DENSITIES if n >= 2 * half * GROUP])
        for group, lanes in enumerate(sums):
            for lane, value in enumerate(lanes):
                total: Value = value
                if (group + 1) % (2 * half) == 0:
                    other = sums[group - half][lane]
                    total = Signal(signed(len(value) + 1), name=f"node_{level}_{group}_{lane}")
                    m.d.comb += total.eq(value + Mux(joins, other, 0))
                sums[group] = [*sums[group][:lane], total, *sums[group][lane + 1 :]]
        sums = [
            [register(m, f"reduced_{level}_{group}_{lane}", value) for lane, value in enumerate(lanes)]
            for group, lanes in enumerate(sums)
        ]
    return sums


def routed(m: Module, engine: Engine, sums: Sequence[Lanes], density: Value, first: Value) -> list[Lanes]:
    """What is added to each of 16 columns, a cycle later: the sum of the last group that has it, or 0.

    ``first`` is the first column of the beat. With the same N, a column is always in the same groups.
    """
    chosen = {n: _columns_of(m, engine, n, density, first) for n in DENSITIES if n}
    routed_sums = []
    for column in range(BLOCK):
        lanes = []
        for lane in range(len(sums[0])):
            choices = []
            for n, columns in chosen.items():
                groups, side = min(n, engine.multipliers) // GROUP, BLOCK // len(columns)
                choices.append(Mux(columns[column // side], sums[(column % side + 1) * groups - 1][lane], 0))
            lanes.append(register(m, f"column_{column}_{lane}", reduce(or_, choices)))
        routed_sums.append(lanes)
    return routed_sums


def _columns_of(m: Module, engine: Engine, n: int, density: Value, first: Value) -> Value:
    """For each set of columns that a beat of blocks with that N has side by side, whether it is this beat's."""
    side = engine.multipliers // min(n, engine.multipliers)
    columns = Signal(BLOCK // side, name=f"columns_of_{n}")
    number = first[side.bit_length() - 1 :]
    m.d.comb += columns.eq(Mux(density == DENSITIES.index(n), 1 << number, 0))
    return columns


def _whole(engine: Engine) -> int:
    """Multipliers whose products are added before the nodes."""
    return max(engine.run, GROUP)


def _any_of(density: Value, values: Sequence[int]) -> Value:
    """Whether a density is one of these."""
    return density.matches(*(DENSITIES.index(n) for n in values)) if values else density.matches()
