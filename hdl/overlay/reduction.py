"""Above a chain's groups: nodes that add halves of a column or keep two columns apart, and the way to the columns' banks."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth import Module, Mux, Signal, Value, signed

from hdl.overlay.products import Densities, Lanes
from hdl.placement import delay_line
from sim.overlay.engine import BLOCK, DENSITIES, GROUP, Engine


def levels_of(engine: Engine) -> int:
    """Levels of nodes above the groups: each doubles what is added, up to a whole column."""
    return (engine.segment // _whole(engine)).bit_length() - 1


def banks_of(engine: Engine) -> int:
    """Columns of a beat at the most: so many sums are added to at once, and column ``c`` is in bank ``c % banks``."""
    least = min(n for n in DENSITIES if n) if engine.sparse else BLOCK
    return min(BLOCK, max(1, engine.multipliers // least))


def reduced(m: Module, engine: Engine, groups: Sequence[Lanes], densities: Densities) -> list[Lanes]:
    """Of each group the sum of its column up to there, :func:`levels_of` cycles later.

    A node adds what the first half of its groups has to the second, unless a column ends between them. So the sum of a column
    is that of its last group. ``densities(0)`` is in step with the groups.
    """
    sums = [list(lanes) for lanes in groups]
    for level in range(levels_of(engine)):
        half = (_whole(engine) << level) // GROUP
        ends = [n for n in _densities(engine) if n < 2 * half * GROUP]
        joins = ~_any_of(densities(level), ends) if ends else None
        for group, lanes in enumerate(sums):
            for lane, value in enumerate(lanes):
                total: Value = value
                if (group + 1) % (2 * half) == 0:
                    other = sums[group - half][lane]
                    total = Signal(signed(max(len(value), len(other)) + 1), name=f"node_{level}_{group}_{lane}")
                    m.d.comb += total.eq(value + (other if joins is None else Mux(joins, other, 0)))
                sums[group] = [*sums[group][:lane], total, *sums[group][lane + 1 :]]
        sums = [
            [delay_line(m, f"reduced_{level}_{group}_{lane}", value, 1, True) for lane, value in enumerate(lanes)]
            for group, lanes in enumerate(sums)
        ]
    return sums


def routed(m: Module, engine: Engine, sums: Sequence[Lanes], density: Value, first: Value) -> list[Lanes]:
    """What is added in each bank, a cycle later: the sum of the last group that has the bank's column of the beat, or 0.

    ``first`` is the first column of the beat. A column ends at one of few groups, one for each N, so that a bank has at most
    that many to choose from, and a bank that has no column of the beat a register that is cleared.
    """
    banks = banks_of(engine)
    here = {n: _columns_of(m, engine, n, density, first) for n in _densities(engine)}
    found = []
    for bank in range(banks):
        sources: dict[int, list[Value]] = {}
        for n, columns in here.items():
            side = banks // len(columns)
            last = (bank % side + 1) * min(n, engine.multipliers) // GROUP - 1
            sources.setdefault(last, []).append(columns[bank // side])
        is_of = {group: _named(m, f"bank_{bank}_of_{group}", reduce(or_, heres)) for group, heres in sources.items()}
        there = _named(m, f"bank_{bank}_there", reduce(or_, is_of.values()))
        found.append([_chosen(m, f"bank_{bank}_{lane}", sums, lane, is_of, there) for lane in range(len(sums[0]))])
    return found


def _columns_of(m: Module, engine: Engine, n: int, density: Value, first: Value) -> Value:
    """For each set of banks whose columns a beat of blocks with that N has side by side, whether they are this beat's."""
    side, banks = engine.multipliers // min(n, engine.multipliers), banks_of(engine)
    columns = Signal(banks // side, name=f"columns_of_{n}")
    low, high = (size.bit_length() - 1 for size in (side, banks))
    m.d.comb += columns.eq(Mux(density == DENSITIES.index(n), 1 << first[low:high], 0))
    return columns


def _chosen(m: Module, name: str, sums: Sequence[Lanes], lane: int, is_of: dict[int, Value], there: Value) -> Signal:
    """The sum of the group that is chosen of those, a cycle later, or 0."""
    choice: Value = sums[max(is_of)][lane]
    for group in sorted(is_of)[:-1]:
        choice = Mux(is_of[group], sums[group][lane], choice)
    chosen = Signal(choice.shape(), name=name)
    m.d.sync += chosen.eq(Mux(there, choice, 0))
    return chosen


def _named(m: Module, name: str, value: Value) -> Signal:
    signal = Signal(name=name)
    m.d.comb += signal.eq(value)
    return signal


def _densities(engine: Engine) -> list[int]:
    """N of an engine's blocks, but for empty ones."""
    return [n for n in DENSITIES if n] if engine.sparse else [BLOCK]


def _whole(engine: Engine) -> int:
    """Multipliers whose products are added before the nodes."""
    return max(engine.run, GROUP)


def _any_of(density: Value, values: Sequence[int]) -> Value:
    """Whether a density is one of these."""
    return density.matches(*(DENSITIES.index(n) for n in values))
