"""Cycles and traffic of a product cut into blocks: loads, computation and stores of neighbouring blocks overlap.

While a block is computed, the operands of the next one are loaded and the results of the one before are stored:

    cycles = load_0 + sum_i max(work_i, load_{i+1} + store_{i-1}, ports_i) + store_last

``work_i`` is the array's, the last one's with all that the array does not overlap (:mod:`sim.array`); loads and stores
share the DRAM; ``ports_i`` is how long a scratchpad's ports are busy with what the array and the DRAM read and write
during that block. The first load ``load_0`` and the last store ``store_last`` overlap with nothing; each takes as long as
the DRAM does, or a scratchpad's ports if these take longer. Repetitions of a product follow each other as blocks do,
each with operands of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.design import DesignPoint
from sim.epilogue import OUTPUT_BITS
from sim.memory import Bits
from sim.schedule.tiling import AXES, Axis, Ints, Tilings, activation_block_bits, weight_block_bits
from sim.schedule.visits import REPEAT, Visits, column, visits

BlockBits = dict[str, Ints]
"""Bits of the DRAM's traffic by tensor."""

PADS = {"weight": ("weights",), "activation": ("activations",), "output": ("totals", "results")}
"""The tensors that are in each scratchpad."""

NOTHING = np.zeros(1, dtype=np.int64)


@dataclass(frozen=True)
class Pipeline:
    """What each tiling ``[tilings]`` takes.

    Cycles: in all, the array's ``work``, those in which the busiest scratchpad's ``ports`` are busy.
    Traffic [bit]: ``loads`` and ``stores`` of the DRAM by tensor, in whole bursts, and ``scratchpads`` by action.
    ``sums``: see :meth:`sim.array.Dataflow.partial_sums`.
    """

    cycles: Ints
    work: Ints
    ports: Ints
    loads: BlockBits
    stores: BlockBits
    scratchpads: BlockBits
    sums: Ints


@dataclass(frozen=True)
class ArrayTraffic:
    """Bits that the array reads of each scratchpad and writes into that of outputs; sums of folds that wait in it [count]."""

    reads: BlockBits
    writes: Ints
    sums: Ints

    @property
    def by_pad(self) -> BlockBits:
        """Bits that pass between the array and each scratchpad."""
        return self.reads | {"output": self.reads["output"] + self.writes}


@dataclass(frozen=True)
class Overlap:
    """What happens while each block is computed [cycle]: the array's work, loads, stores, the busiest scratchpad's ports."""

    work: Ints
    load: Ints
    store: Ints
    ports: Ints

    @property
    def cycles(self) -> Ints:
        """What it takes in all."""
        taken: Ints = np.maximum(np.maximum(self.work, self.load + self.store), self.ports)
        return taken


def pipeline(tilings: Tilings, order: Sequence[Axis]) -> Pipeline:
    """Cycles and traffic of tilings under one order of loops."""
    d = tilings.design
    now = visits(tilings, order)
    loads, stores = loads_of(now, now.preceding()), stores_of(now, now.following())
    array = array_traffic(now)
    during = overlap(now, array)
    begins = np.where(now.first, cycles_alone(d, loads), 0)
    ends = np.where(now.last, cycles_alone(d, stores), 0)
    ports_alone = np.where(now.first, _port_cycles(d, {}, loads), 0) + np.where(now.last, _port_cycles(d, {}, stores), 0)
    return Pipeline(
        cycles=now.total(during.cycles + begins + ends),
        work=now.total(during.work),
        ports=now.total(during.ports + ports_alone),
        loads={name: now.total(d.dram.moved(bits)) for name, bits in loads.items()},
        stores={name: now.total(d.dram.moved(bits)) for name, bits in stores.items()},
        scratchpads={
            "weight_buffer_read": now.total(array.reads["weight"]),
            "weight_buffer_write": now.total(loads["weights"]),
            "activation_buffer_read": now.total(array.reads["activation"]),
            "activation_buffer_write": now.total(loads["activations"]),
            "output_buffer_read": now.total(array.reads["output"] + stores["results"] + stores["totals"]),
            "output_buffer_write": now.total(array.writes + loads["totals"]),
        },
        sums=now.total(array.sums),
    )


def overlap(now: Visits, array: ArrayTraffic) -> Overlap:
    """What happens while each block is computed: the next one is loaded, the one before is stored."""
    d = now.tilings.design
    after, before = now.following(), now.preceding()
    loads = {name: np.where(now.last, 0, bits) for name, bits in loads_of(after, now).items()}
    stores = {name: np.where(now.first, 0, bits) for name, bits in stores_of(before, now).items()}
    both = transfer_cycles(d, moved(d, loads) + moved(d, stores))
    # The block before leaves first, as totals that come may take its place.
    store = transfer_cycles(d, moved(d, stores))
    beside = loads | stores | {"totals": loads["totals"] + stores["totals"]}
    work = now.tilings.work(now.size("m"), now.size("n"), now.start("k"), now.size("k"))
    return Overlap(
        work=work + now.last * column(left_over(now.tilings)),
        load=both - store,
        store=store,
        ports=_port_cycles(d, array.by_pad, beside),
    )


def cycles_alone(design: DesignPoint, bits: BlockBits) -> Ints:
    """Cycles of a load, or of a store, that overlaps with nothing: the DRAM's, or the ports' of a scratchpad."""
    cycles: Ints = np.maximum(transfer_cycles(design, moved(design, bits)), _port_cycles(design, {}, bits))
    return cycles


def transfer_cycles(design: DesignPoint, bits: Bits) -> Bits:
    """Cycles [count] in which the DRAM moves so many bits, at the rate that it sustains."""
    rate = design.dram_bits_per_cycle
    # In two parts, as the product of all bits and the denominator may be more than an int64 holds.
    rest = bits % rate.numerator * rate.denominator
    return bits // rate.numerator * rate.denominator + -(-rest // rate.numerator)


def left_over(tilings: Tilings) -> Ints:
    """Cycles ``[tilings]`` from the end of the last block's work to the last result."""
    array, m, n = tilings.design.array, tilings.last("m"), tilings.last("n")
    # An array waits before the first block's first group, or its last folds are the last block's; each is the longer one.
    once: Ints = np.maximum(array.once(m, tilings.k, n), array.once(m, tilings.last("k"), n))
    return once + array.drain_cycles


def loads_of(at: Visits, before: Visits) -> BlockBits:
    """What comes from the DRAM for a block that follows another one."""
    t = at.tilings
    weights = np.where(column(t.weights_kept), at.at("m") == 0, at.first | at.differs(before, REPEAT, "k", "n"))
    activations = np.where(column(t.activations_kept), at.at("n") == 0, at.first | at.differs(before, REPEAT, "m", "k"))
    totals = ~column(t.results_kept) & at.differs(before, "m", "n") & (at.at("k") > 0)
    return {
        "weights": weights * _weights(at),
        "activations": activations * _activations(at),
        "totals": totals * _results(at, t.total_bits),
    }


def stores_of(at: Visits, after: Visits) -> BlockBits:
    """What goes to the DRAM of a block that is followed by another one."""
    done = at.ends("k")
    leaves = ~column(at.tilings.results_kept) & at.differs(after, "m", "n") & ~done
    return {"results": done * _results(at), "totals": leaves * _results(at, at.tilings.total_bits)}


def _weights(at: Visits) -> Ints:
    """Bits of a block's weights."""
    return at.of_k(lambda k: weight_block_bits(at.tilings.design, k, at.size("n")))


def _activations(at: Visits) -> Ints:
    """Bits of a block's activations."""
    return at.of_k(lambda k: activation_block_bits(at.tilings.design, at.size("m"), k))


def _results(at: Visits, bits: int = OUTPUT_BITS) -> Ints:
    """Bits of a block's fp32 results, or of its totals."""
    return at.size("m") * at.size("n") * bits


def moved(design: DesignPoint, bits: BlockBits) -> Ints:
    """Bits that the DRAM moves: each tensor's block lies by itself and is moved in whole bursts."""
    return sum((design.dram.moved(block) for block in bits.values()), NOTHING)


def array_traffic(at: Visits) -> ArrayTraffic:
    """What the array reads and writes of blocks."""
    t, d = at.tilings, at.tilings.design
    m, k, n = (at.size(axis) for axis in AXES)
    weight_reads, activation_reads = d.array.reads(m, n)
    sums = d.array.partial_sums(m, k, n)
    in_between = sums * d.accumulator_bits + t.group_totals(k) * _results(at)
    # What is not complete leaves the array with a block of k, and is read with the next one.
    totals = 0 if t.sums_stay else _results(at, t.total_bits)
    reads = {
        "weight": _weights(at) * weight_reads,
        "activation": _activations(at) * activation_reads,
        "output": (at.at("k") > 0) * totals + in_between,
    }
    writes = np.where(at.ends("k"), _results(at), totals) + in_between
    # Within one group these totals are sums of folds, too.
    cut = (t.one_group and not t.sums_stay) * ~at.ends("k") * m * n
    return ArrayTraffic(reads, writes, sums + cut)


def _port_cycles(d: DesignPoint, by_array: BlockBits, by_dram: BlockBits) -> Ints:
    """Cycles in which the busiest scratchpad's ports are busy, given bits by scratchpad and, beside them, by tensor."""
    pads, busiest = d.scratchpads, NOTHING
    for name, tensors in PADS.items():
        dram = sum((by_dram[tensor] for tensor in tensors if tensor in by_dram), NOTHING)
        busiest = np.maximum(busiest, pads[name].busy_cycles(by_array.get(name, NOTHING), dram))
    return busiest
