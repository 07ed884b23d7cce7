"""Cycles and counted actions of one product on a design: compute, DRAM traffic and the stalls that remain.

While one tile is computed, the next one's operands are loaded and the previous one's results are stored:

    cycles = load_0 + sum_i max(compute_i, load_{i+1} + store_{i-1}) + store_last

The last tile's computation includes the skew and the latency of its results, which the following tiles hide for all
others; a store is counted with the tile that follows, although its last results come that much later.

Operands are read in order of ``k``, so a scratchpad is a ring: in a strip's last tile, each group that has been read
makes room for one of the next strip. A strip therefore stays for all its tiles if the scratchpad holds it and two
groups more (one being read, one being loaded), and a whole operand stays for the product if the scratchpad holds it.
What does not stay is loaded again for every tile, streaming through two groups of space; the output scratchpad holds
two tiles of results, one being stored. Whether an operand's strips stay is decided by the widest one.

Both orders of the tile loops are tried; the fewest cycles win, then the least DRAM traffic.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim import array
from sim.design import DesignPoint
from sim.epilogue import OUTPUT_BITS
from sim.errors import InputError
from sim.quantized import activation_bits, weight_bits
from sim.trace import Trace

LOOP_ORDERS = ("columns_outer", "rows_outer")

Bits = TypeVar("Bits", int, NDArray[np.int64])


@dataclass(frozen=True)
class Product:
    """``count`` independent products of activations ``[m, k]`` and weights ``[k, n]``, each with its own operands."""

    name: str
    m: int
    k: int
    n: int
    count: int = 1

    def __post_init__(self) -> None:
        if min(self.m, self.k, self.n, self.count) < 1:
            raise InputError(
                f"sizes of product {self.name!r} are at least 1, not {self.m}x{self.k}x{self.n}, {self.count} times"
            )

    @property
    def macs(self) -> int:
        return self.m * self.k * self.n * self.count


@dataclass(frozen=True)
class ProductCycles:
    """What one product costs; ``cycles`` = ``compute_cycles`` + ``stall_cycles``.

    ``dram_cycles`` is how long its DRAM traffic alone would take, ``ideal_cycles`` its MACs divided by the PEs,
    rounded up, ``utilization`` the MACs divided by those that the array could have done in the same cycles.
    """

    product: Product
    loop_order: str
    trace: Trace
    compute_cycles: int
    stall_cycles: int
    dram_cycles: int
    ideal_cycles: int
    utilization: float

    @property
    def bound(self) -> Literal["compute", "memory"]:
        """What the product waits for: memory if its DRAM traffic alone takes longer than its computation."""
        return "memory" if self.dram_cycles > self.compute_cycles else "compute"


def run_product(design: DesignPoint, product: Product) -> ProductCycles:
    """Cycles and actions of a product under the better of the two loop orders.

    Raises ``InputError`` for scratchpads that are too small for the array.
    """
    check_buffers(design)
    candidates = [_run_order(design, product, order) for order in LOOP_ORDERS]
    return min(candidates, key=lambda c: (c.trace.cycles, c.trace.counts["dram_read"]))


def capacity(kib: int) -> int:
    """Capacity [bit] of a scratchpad."""
    return kib * 1024 * 8


def transfer_cycles(design: DesignPoint, bits: Bits) -> Bits:
    """Cycles [count] in which the DRAM moves so many bits at its peak rate."""
    rate = Fraction(design.dram_bits_per_second, design.clock_hz)  # [bit/cycle]
    return -(-bits * rate.denominator // rate.numerator)


def _run_order(design: DesignPoint, product: Product, order: str) -> ProductCycles:
    weights, activations, store = _tile_traffic(design, product, columns_outer=order == "columns_outer")
    load_cycles = transfer_cycles(design, weights + activations)
    store_cycles = transfer_cycles(design, store)
    following = np.append(load_cycles[1:], 0)
    previous = np.append(0, store_cycles[:-1])
    compute = array.compute_cycles(design, product.m, product.k, product.n)
    work = np.full(len(store), array.tile_interval(design, product.k))
    work[-1] += compute - work.sum()
    cycles = int(load_cycles[0] + np.maximum(work, following + previous).sum() + store_cycles[-1])
    counts = _count_actions(design, product, int(weights.sum()), int(activations.sum()))
    many = product.count
    return ProductCycles(
        product=product,
        loop_order=order,
        trace=Trace(cycles * many, {action: count * many for action, count in counts.items()}),
        compute_cycles=compute * many,
        stall_cycles=(cycles - compute) * many,
        dram_cycles=transfer_cycles(design, (counts["dram_read"] + counts["dram_write"]) * many),
        ideal_cycles=-(-product.macs // (design.rows * design.columns)),
        utilization=product.macs / (design.rows * design.columns * cycles * many),
    )


def _tile_traffic(
    design: DesignPoint, p: Product, columns_outer: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Bits that each tile loads of weights, loads of activations and stores of results, tiles in order of work.

    The operand of the outer loop is loaded when its strip begins, the other one when it is first met, provided
    that each stays in its scratchpad; one that does not is loaded again for every tile.
    """
    heights = _strip_sizes(p.m, design.rows)
    widths = _strip_sizes(p.n, design.columns)
    weight_strips = np.array([weight_bits(design.weight, p.k, width, design.group_size) for width in widths])
    activation_strips = np.array([activation_bits(design.activation, height, p.k) for height in heights])
    first_row = np.arange(len(heights))[None, :] == 0
    first_column = np.arange(len(widths))[:, None] == 0
    two_groups = streaming_bits(design)
    kept_weights, kept_activations = weight_strips.sum(), activation_strips.sum()
    if columns_outer:
        kept_weights = min(kept_weights, weight_strips.max() + two_groups["weight"])
    else:
        kept_activations = min(kept_activations, activation_strips.max() + two_groups["activation"])
    weights_stay = kept_weights <= capacity(design.weight_buffer_kib)
    activations_stay = kept_activations <= capacity(design.activation_buffer_kib)
    weights = np.where(first_row | ~weights_stay, weight_strips[:, None], 0)
    activations = np.where(first_column | ~activations_stay, activation_strips[None, :], 0)
    store = np.outer(widths, heights) * OUTPUT_BITS
    if columns_outer:
        return weights.ravel(), activations.ravel(), store.ravel()
    return weights.T.ravel(), activations.T.ravel(), store.T.ravel()


def streaming_bits(design: DesignPoint) -> dict[str, int]:
    """The least that each scratchpad must hold [bit]: two groups of a tile's operands, two tiles of results."""
    return {
        "weight": 2 * weight_bits(design.weight, design.group_size, design.columns, design.group_size),
        "activation": 2 * activation_bits(design.activation, design.rows, design.group_size),
        "output": 2 * design.rows * design.columns * OUTPUT_BITS,
    }


def check_buffers(design: DesignPoint) -> None:
    """Raise ``InputError`` if a scratchpad is too small for the array; the message names the smallest that would do.

    The schedule is that of PEs of one MAC a cycle; it refuses others.
    """
    if design.element.macs_per_cycle != 1:
        raise InputError(f"cycles are known of PEs of one MAC a cycle, not of {design.pe} with {design.element.macs_per_cycle}")
    for name, bits in streaming_bits(design).items():
        kib = getattr(design, f"{name}_buffer_kib")
        if bits > capacity(kib):
            raise InputError(
                f"{name}_buffer_kib of a {design.rows}x{design.columns} array with groups of {design.group_size} "
                f"is at least {-(-bits // capacity(1))}, not {kib}"
            )


def _strip_sizes(size: int, width: int) -> NDArray[np.int64]:
    return np.minimum(width, size - np.arange(0, size, width))


def _count_actions(design: DesignPoint, product: Product, load_weights: int, load_activations: int) -> dict[str, int]:
    """Actions of one of the product's ``count`` repetitions; memory in bits.

    Inside the array an operand is read once per tile and passed on from PE to PE, so weights are read once for
    each row of tiles and activations once for each column of tiles.
    """
    m, k, n = product.m, product.k, product.n
    tile_rows, tile_columns = array.tile_counts(design, m, n)
    outputs = m * n * OUTPUT_BITS
    return {
        "mac": m * k * n,
        "row_sum": m * k * tile_columns if design.has_zero_points else 0,
        "group_epilogue": m * n * -(-k // design.group_size),
        "token_scale": m * n if design.activation_scheme.levels else 0,
        "weight_buffer_read": weight_bits(design.weight, k, n, design.group_size) * tile_rows,
        "weight_buffer_write": load_weights,
        "activation_buffer_read": activation_bits(design.activation, m, k) * tile_columns,
        "activation_buffer_write": load_activations,
        "output_buffer_read": outputs,
        "output_buffer_write": outputs,
        "dram_read": load_weights + load_activations,
        "dram_write": outputs,
    }
