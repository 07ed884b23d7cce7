"""What one operator's products take on a design: cycles and where they go, actions, traffic by tensor."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from types import MappingProxyType
from typing import Literal

from sim.design import DesignPoint
from sim.memory import Prices
from sim.operators import Product
from sim.schedule.pipeline import transfer_cycles
from sim.schedule.search import Found, best_tiling
from sim.schedule.tiling import AXES, Axis, smallest_tilings
from sim.trace import Trace

Bound = Literal["compute", "memory"]


@dataclass(frozen=True)
class Blocking:
    """How a product is cut: size of the blocks along each axis, and the loops over them, the outermost first."""

    m: int
    k: int
    n: int
    order: tuple[Axis, ...]

    def __str__(self) -> str:
        sizes = {"m": self.m, "k": self.k, "n": self.n}
        return " ".join(f"{axis}{sizes[axis]}" for axis in self.order)


@dataclass(frozen=True)
class ProductCycles:
    """What one operator's products cost, all ``count`` of them.

    ``trace.cycles`` = ``ideal_cycles`` + ``edge_cycles`` + ``fill_cycles`` + ``stall_cycles``: MACs divided by the array's peak
    rate (rounded up); PEs that idle because the product, its groups or its edges do not fill the array; loads, skew, waits
    and latency of the array; waiting for memory. ``dram_cycles`` is how long the DRAM traffic alone would take,
    ``port_cycles`` that of the busiest scratchpad; ``dram_bits`` is the DRAM's traffic by tensor.
    """

    product: Product
    blocking: Blocking
    trace: Trace
    ideal_cycles: int
    edge_cycles: int
    fill_cycles: int
    stall_cycles: int
    port_cycles: int
    dram_cycles: int
    dram_bits: Mapping[str, int]
    utilization: float

    @property
    def compute_cycles(self) -> int:
        """What the array takes with every operand at hand."""
        return self.ideal_cycles + self.edge_cycles + self.fill_cycles

    @property
    def block_pieces(self) -> int:
        """Parts of the results, by blocks, that are complete one after the other: what the loops around k go through."""
        return self.product.count * prod(self._blocks(axis) for axis in ("m", "n") if not self._runs_around("k", axis))

    @property
    def row_pieces(self) -> int:
        """Parts of the results, by whole rows, that are complete one after the other."""
        in_order = not (self._runs_around("k", "m") or self._runs_around("n", "m"))
        return self.product.count * (self._blocks("m") if in_order else 1)

    def _blocks(self, axis: Axis) -> int:
        """Blocks along an axis."""
        length: int = getattr(self.product, axis)
        size: int = getattr(self.blocking, axis)
        return -(-length // size)

    def _runs_around(self, outer: Axis, inner: Axis) -> bool:
        """Whether a loop with several blocks runs around another one."""
        order = self.blocking.order
        return self._blocks(outer) > 1 and order.index(outer) < order.index(inner)

    @property
    def bound(self) -> Bound:
        """What the product waits for: memory if the traffic of one alone takes longer than the computation."""
        return "memory" if max(self.dram_cycles, self.port_cycles) > self.compute_cycles else "compute"


def run_product(design: DesignPoint, product: Product, prices: Prices | None = None) -> ProductCycles:
    """Cycles and actions of a product under its best tiling; ``prices`` decide between tilings of equal cycles.

    Remembered for products that differ in their name only. Raises ``InputError`` for scratchpads that are too small.
    """
    d = design.seen_by(product.kind, product.weight_format)
    p = product
    found = _remembered(d, p.m, p.k, p.n, p.count, prices or Prices())
    return _described(d, product, found)


@lru_cache(maxsize=1 << 14)
def _remembered(design: DesignPoint, m: int, k: int, n: int, count: int, prices: Prices) -> Found:
    return best_tiling(smallest_tilings(design, Product(f"{m}x{k}x{n}", m, k, n, count)), prices)


def _described(d: DesignPoint, p: Product, found: Found) -> ProductCycles:
    t, taken = found.tilings, found.taken
    macs_per_cycle = d.macs_per_cycle
    cycles, work = int(taken.cycles[0]), int(taken.work[0])
    ideal = int(-(-p.macs // macs_per_cycle))
    steady = p.count * int(d.array.steady(p.m, p.k, p.n))
    second = {"linear": "weights", "scores": "keys", "values": "values"}[p.kind]
    bits = {
        second: int(taken.loads["weights"][0]),
        "activations": int(taken.loads["activations"][0]),
        "totals": int(taken.loads["totals"][0] + taken.stores["totals"][0]),
        "results": int(taken.stores["results"][0]),
    }
    sizes = {axis: int(t.size(axis)[0]) for axis in AXES}
    return ProductCycles(
        product=p,
        blocking=Blocking(**sizes, order=found.order),
        trace=Trace(cycles, _counts(d, p, found)),
        ideal_cycles=ideal,
        edge_cycles=steady - ideal,
        fill_cycles=work - steady,
        stall_cycles=cycles - work,
        port_cycles=int(taken.ports[0]),
        dram_cycles=int(transfer_cycles(d, sum(bits.values()))),
        dram_bits=MappingProxyType(bits),
        utilization=float(p.macs / (macs_per_cycle * cycles)),
    )


def _counts(d: DesignPoint, p: Product, found: Found) -> dict[str, int]:
    """Actions of all repetitions; memory in bits."""
    taken = found.taken
    _, activation_reads = d.array.reads(p.m, p.n)
    return {
        "mac": p.macs,
        "row_sum": p.count * p.m * p.k * int(activation_reads) if d.has_zero_points else 0,
        "partial_sum": int(taken.sums[0]),
        "group_epilogue": p.count * p.m * p.n * -(-p.k // d.group_size),
        "token_scale": p.count * p.m * p.n if d.has_token_scales else 0,
        **{action: int(bits[0]) for action, bits in taken.scratchpads.items()},
        "dram_read": int(sum(bits[0] for bits in taken.loads.values())),
        "dram_write": int(sum(bits[0] for bits in taken.stores.values())),
    }
