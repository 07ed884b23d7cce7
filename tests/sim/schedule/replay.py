"""A product walked block by block in plain Python, with an account of what is in each scratchpad; and random small designs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product as nested
from math import ceil, log2

from hypothesis import strategies as st

from sim.design import DesignPoint
from sim.schedule import Product

AXES = ("m", "k", "n")
ORDERS = (("m", "k", "n"), ("m", "n", "k"), ("k", "m", "n"), ("k", "n", "m"), ("n", "m", "k"), ("n", "k", "m"))

BURST = {"lpddr4": 16 * 16, "ddr4": 64 * 8, "hbm2": 64 * 4, "hbm2_peak": 1, "hbm3": 32 * 8}
"""[bit] Pins times the length of a burst, see test_memory."""

RESULT = 32
"""[bit] fp32."""

TOKEN_BITS = 16
"""[bit] A token's scale."""

Sizes = dict[str, int]


class DoesNotFitError(Exception):
    """A scratchpad is too small for a block, or sums would have to leave the PEs within a group."""


def width(format_name: str) -> int:
    return int(format_name.removeprefix("u").removeprefix("int"))


def lanes(d: DesignPoint) -> tuple[int, int]:
    """Activations and weights side by side: two of each for up to 4 bits, else two activations (AMD WP521, WP486)."""
    if d.pe != "dsp_packed":
        return 1, 1
    return (2, 2) if max(width(d.weight_format), width(d.activation_format)) <= 4 else (2, 1)


def granules(d: DesignPoint, k: int) -> Sizes:
    """Steps in which blocks of products with that length of k grow along each axis.

    Along k groups, or within the only one as many times the rows as the array is wide.
    """
    a, w = lanes(d)
    along_m = {
        "output_stationary": d.rows * a,
        "weight_stationary": a,
        "input_stationary": d.columns * a,
        "dot_product": a,
    }
    along_n = w if d.dataflow == "input_stationary" else d.columns * w
    rows = ceil(max(d.rows, d.columns) / d.rows) * d.rows
    return {"m": along_m[d.dataflow], "k": min(rows, d.group_size) if k <= d.group_size else d.group_size, "n": along_n}


def weight_bits(d: DesignPoint, k: int, n: int) -> int:
    """Codes, and what belongs to each group."""
    return n * (k * width(d.weight_format) + ceil(k / d.group_size) * group_bits(d))


def group_bits(d: DesignPoint) -> int:
    """A 16-bit scale and, where codes are unsigned, a zero point."""
    return 16 + (width(d.weight_format) if d.weight_format.startswith("u") else 0)


def activation_bits(d: DesignPoint, m: int, k: int) -> int:
    """Codes, and for each token a 16-bit scale."""
    return m * (k * width(d.activation_format) + TOKEN_BITS)


def accumulator_bits(d: DesignPoint) -> int:
    """Two's complement of the largest and the smallest sum of a group."""
    w, a = width(d.weight_format), width(d.activation_format)
    ends = (0, 2**w - 1) if d.weight_format.startswith("u") else (-(2 ** (w - 1)), 2 ** (w - 1) - 1)
    sums = [d.group_size * x * y for x in ends for y in (-(2 ** (a - 1)), 2 ** (a - 1) - 1)]
    bits = 1
    while not -(2 ** (bits - 1)) <= min(sums) <= max(sums) < 2 ** (bits - 1):
        bits += 1
    return bits


def sums_pass_through(d: DesignPoint) -> bool:
    """Whether sums leave the array with each fold, as one operand stays in it; else they stay, in PEs or behind trees."""
    return d.dataflow in ("weight_stationary", "input_stationary")


@dataclass(frozen=True)
class Fold:
    """What a stationary array holds at once of k, from ``start`` up to ``end``; and where in its group that is."""

    start: int
    end: int
    begins_group: bool
    ends_group: bool


def folds(d: DesignPoint, start: int, end: int, k: int) -> list[Fold]:
    """Row after row up to the array's last one or the group's end, of k numbers in all."""
    found = []
    while start < end:
        ends = min(d.group_size - start % d.group_size, d.rows, k - start)
        group_end = min(start - start % d.group_size + d.group_size, k)
        found.append(Fold(start, start + ends, start % d.group_size == 0, start + ends == group_end))
        start += ends
    assert start == end, "a block ends where a fold does"
    return found


def has_sums(d: DesignPoint, k: int) -> bool:
    """Whether a group has sums that wait for its next fold."""
    return sums_pass_through(d) and min(k, d.group_size) > d.rows


def reads(d: DesignPoint, m: int, n: int) -> tuple[int, int]:
    """How often a block's weights and its activations pass from the scratchpads to the array."""
    a, w = lanes(d)
    again_weights = {"output_stationary": d.rows * a, "dot_product": a, "input_stationary": d.columns * a}
    again_activations = d.columns * w
    return (
        1 if d.dataflow == "weight_stationary" else ceil(m / again_weights[d.dataflow]),
        1 if d.dataflow == "input_stationary" else ceil(n / again_activations),
    )


def moved(d: DesignPoint, bits: int) -> int:
    return ceil(bits / BURST[d.memory]) * BURST[d.memory]


def left_over(d: DesignPoint, first: Sizes, last: Sizes) -> int:
    """Up to the last result: skew of the last block; the output-stationary array did not wait before the very first group."""
    k = (first if d.dataflow == "output_stationary" else last)["k"]
    return int(d.array.once(last["m"], k, last["n"])) + d.array.drain_cycles


def candidates(d: DesignPoint, p: Product) -> list[tuple[int, int, int]]:
    """Blocks of every size along all axes, legal or not; the longest one has the length itself."""
    along = [
        [min(size, getattr(p, axis)) for size in range(step, getattr(p, axis) + step, step)]
        for axis, step in granules(d, p.k).items()
    ]
    return list(nested(*along))


@dataclass
class Pad:
    """A scratchpad: two halves, for the block at work and the one on its way, unless all of the operand stays.

    What stays is there once, and twice (a half for each) if there are repetitions.
    """

    room: int
    stays: bool
    repeats: bool
    held: dict[tuple[int, ...], int] = field(default_factory=dict)

    def put(self, block: tuple[int, ...], bits: int, place: int) -> None:
        """A block of so many bits; in one of two halves it takes a ``place`` for all that may come with a block of its size."""
        self.held[block] = bits if self.stays else place
        parts: dict[tuple[int, ...], int] = {}
        for other, size in self.held.items():
            part = other[:1] if self.stays else other
            parts[part] = parts.get(part, 0) + size
        room = self.room if self.stays and not self.repeats else self.room / 2
        if len(parts) > 2 or max(parts.values()) > room or sum(parts.values()) > self.room:
            raise DoesNotFitError

    def forget(self, at_work: tuple[int, ...]) -> None:
        """Leave the block at work; of what stays, its whole repetition."""
        needed = at_work[:1] if self.stays else at_work
        self.held = {block: size for block, size in self.held.items() if block[: len(needed)] == needed}


@dataclass
class Replay:
    """What happened, in the fields of ``sim.schedule.pipeline.Pipeline``; ``lanes`` say when: lane, block, start and end."""

    cycles: int = 0
    work: int = 0
    ports: int = 0
    sums: int = 0
    loads: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("weights", "activations", "totals"), 0))
    stores: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("results", "totals"), 0))
    scratchpads: dict[str, int] = field(
        default_factory=lambda: {
            f"{pad}_buffer_{way}": 0 for pad in ("weight", "activation", "output") for way in ("read", "write")
        }
    )
    lanes: list[tuple[str, int, int, int]] = field(default_factory=list, compare=False)


@dataclass(frozen=True)
class Block:
    """Place of a block (repetition first) and its sizes."""

    repetition: int
    at: Sizes
    size: Sizes
    is_last_of_k: bool

    def key(self, *axes: str) -> tuple[int, ...]:
        return (self.repetition, *(self.at[axis] for axis in axes))


def blocks(p: Product, tile: tuple[int, int, int], order: Sequence[str]) -> Iterator[Block]:
    starts = {axis: range(0, getattr(p, axis), size) for axis, size in zip(AXES, tile, strict=True)}
    for repetition in range(p.count):
        for place in nested(*(starts[axis] for axis in order)):
            at = dict(zip(order, place, strict=True))
            size = {axis: min(starts[axis].step, getattr(p, axis) - at[axis]) for axis in AXES}
            yield Block(repetition, at, size, at["k"] + size["k"] == p.k)


def replay(d: DesignPoint, p: Product, tile: tuple[int, int, int], order: Sequence[str]) -> Replay:
    """Walk the blocks. Raises ``DoesNotFitError`` when a block finds no room.

    Where sums stay in the PEs, a group that is cut goes on with the same results: one tile, and k innermost.
    """
    step = granules(d, p.k)
    goes_on = tile[1] < p.k <= d.group_size and not sums_pass_through(d)
    if goes_on and (tile[0] > step["m"] or tile[2] > step["n"] or order[-1] != "k"):
        raise DoesNotFitError
    return _Walk(d, p).run(list(blocks(p, tile, order)))


class _Walk:
    def __init__(self, d: DesignPoint, p: Product) -> None:
        self.d, self.p, self.seen = d, p, Replay()
        self.rate = d.dram_bits_per_cycle
        self.sum_bits = accumulator_bits(d)
        self.shapes: dict[tuple[int, int, int, int], tuple[int, int, dict[str, int]]] = {}
        one_group = p.k <= d.group_size
        sums = self.sum_bits if has_sums(d, p.k) else 0
        # A group that is the only one has a sum until it has a total.
        self.entry = max(RESULT, sums) if one_group else RESULT + sums
        self.total = self.sum_bits if one_group else RESULT
        everything = {
            "weight": weight_bits(d, p.k, p.n),
            "activation": activation_bits(d, p.m, p.k),
            "output": p.m * p.n * self.entry,
        }
        copies = 2 if p.count > 1 else 1
        self.pads = {}
        for name, bits in everything.items():
            room = getattr(d, f"{name}_buffer_kib") * 1024 * 8
            self.pads[name] = Pad(room, bits * copies <= room, p.count > 1)
        self.outside: set[tuple[int, ...]] = set()
        """Totals in the DRAM."""

    def run(self, walk: list[Block]) -> Replay:
        d, seen = self.d, self.seen
        nothing = dict.fromkeys(seen.scratchpads, 0)
        came = self.bring(walk[0])
        seen.ports = self.port_cycles(nothing, came, {})
        seen.cycles = max(self.transfer(came), seen.ports)
        self.draw("load", 0, 0, seen.cycles)
        for i, block in enumerate(walk):
            following = walk[i + 1] if i + 1 < len(walk) else None
            gone = self.take_away(walk[i - 1], block) if i else {}
            came = {}
            if following:
                for pad, key in (("weight", block.key("k", "n")), ("activation", block.key("m", "k"))):
                    self.pads[pad].forget(key)
                came = self.bring(following)
            own, sums, by_array = self.of_array(block)
            if following is None:
                own += left_over(d, walk[0].size, block.size)
            ports = self.port_cycles(by_array, came, gone)
            # What goes makes room for what comes.
            self.draw("compute", i, seen.cycles, own)
            self.draw("store", i - 1, seen.cycles, self.transfer(gone))
            self.draw("load", i + 1, seen.cycles + self.transfer(gone), self.transfer(came, gone) - self.transfer(gone))
            seen.cycles += max(own, self.transfer(came, gone), ports)
            seen.work += own
            seen.ports += ports
            seen.sums += sums
            for action, bits in by_array.items():
                seen.scratchpads[action] += bits
        gone = self.take_away(walk[-1], None)
        ports = self.port_cycles(nothing, {}, gone)
        seen.ports += ports
        self.draw("store", len(walk) - 1, seen.cycles, max(self.transfer(gone), ports))
        seen.cycles += max(self.transfer(gone), ports)
        assert not self.outside
        return seen

    def draw(self, lane: str, block: int, start: int, cycles: int) -> None:
        if cycles:
            self.seen.lanes.append((lane, block, start, start + cycles))

    def bring(self, block: Block) -> dict[str, int]:
        """Load what a block needs and is not there."""
        d, size, came = self.d, block.size, {}
        weights, activations = self.operands(block)
        weights_place, activations_place = weight_bits(d, size["k"], size["n"]), activation_bits(d, size["m"], size["k"])
        for name, tensor, key, bits, place in (
            ("weight", "weights", block.key("k", "n"), weights, weights_place),
            ("activation", "activations", block.key("m", "k"), activations, activations_place),
        ):
            if key not in self.pads[name].held:
                self.pads[name].put(key, bits, place)
                came[tensor] = bits
        result = block.key("m", "n")
        if result not in self.pads["output"].held:
            bits = size["m"] * size["n"] * self.entry
            self.pads["output"].put(result, bits, bits)
            if result in self.outside:
                self.outside.remove(result)
                came["totals"] = size["m"] * size["n"] * self.total
        for tensor, bits in came.items():
            self.seen.loads[tensor] += moved(d, bits)
        self.seen.scratchpads["weight_buffer_write"] += came.get("weights", 0)
        self.seen.scratchpads["activation_buffer_write"] += came.get("activations", 0)
        self.seen.scratchpads["output_buffer_write"] += came.get("totals", 0)
        return came

    def take_away(self, block: Block, following: Block | None) -> dict[str, int]:
        """Store a block's results; or its totals, if they cannot stay and other ones come next."""
        key, results = block.key("m", "n"), block.size["m"] * block.size["n"]
        bits = results * RESULT
        if block.is_last_of_k:
            tensor = "results"
        elif not self.pads["output"].stays and following is not None and following.key("m", "n") != key:
            tensor, bits = "totals", results * self.total
            self.outside.add(key)
        else:
            return {}
        del self.pads["output"].held[key]
        self.seen.stores[tensor] += moved(self.d, bits)
        self.seen.scratchpads["output_buffer_read"] += bits
        return {tensor: bits}

    def transfer(self, *traffic: dict[str, int]) -> int:
        """Cycles of the DRAM, which moves each tensor's block in whole bursts."""
        bits = sum(moved(self.d, bits) for tensors in traffic for bits in tensors.values())
        return -(-bits * self.rate.denominator // self.rate.numerator)

    def of_array(self, block: Block) -> tuple[int, int, dict[str, int]]:
        """A block's work, sums of folds, and bits that the array reads and writes."""
        m, n, start = block.size["m"], block.size["n"], block.at["k"]
        shape = m, block.size["k"], n, start
        if shape not in self.shapes:
            weights_again, activations_again = reads(self.d, m, n)
            weights, activations = self.operands(block)
            visit = self.folds_pass if sums_pass_through(self.d) else self.sums_stay
            work, sums, read, written = visit(m, n, start, start + block.size["k"])
            by_array = {
                "weight_buffer_read": weights_again * weights,
                "activation_buffer_read": activations_again * activations,
                "output_buffer_read": m * n * read,
                "output_buffer_write": m * n * written,
            }
            self.shapes[shape] = work, m * n * sums, by_array
        return self.shapes[shape]

    def folds_pass(self, m: int, n: int, start: int, end: int) -> tuple[int, int, int, int]:
        """A stationary array's work, and for each result: sums that wait for the next fold, bits that are read and written.

        The foot of a column adds a fold's sum to what it finds of its group in the scratchpad and leaves it there, unless the
        group is at its end: then the sum passes through the epilogue, which adds it to the total that it finds of the groups
        before. A whole stream is between two folds, so nothing can wait anywhere else. Folds do not know of blocks.
        """
        work = sums = read = written = 0
        for fold in folds(self.d, start, end, self.p.k):
            work += int(self.d.array.work(m, fold.end - fold.start, n))
            if not fold.begins_group:
                read += self.sum_bits
            if not fold.ends_group:
                written += self.sum_bits
                sums += 1
            else:
                read += RESULT * (fold.start >= self.d.group_size)
                written += RESULT
        return work, sums, read, written

    def sums_stay(self, m: int, n: int, start: int, end: int) -> tuple[int, int, int, int]:
        """The same of an array that makes one tile of results after the other, with all groups of the block for each.

        A group's sum is in its PE, or behind its tree, until the group ends; then it is added to the total, which the
        epilogue has while the tile is at work. It finds it in the scratchpad if other groups came with blocks before, and
        leaves it there after the block. In the midst of a group there is nothing to find and nothing to leave.
        """
        d, k = self.d, self.p.k
        groups_before, in_group = divmod(start, d.group_size)
        ends_group = end % d.group_size == 0 or end == k
        read = RESULT * (groups_before > 0 and in_group == 0)
        written = RESULT * ends_group
        if in_group == 0 and ends_group:
            return int(d.array.work(m, end - start, n)), 0, read, written
        # Part of a group: pairs of operands follow each other. Such groups are too long for the feeder to wait before the
        # next one; but without double buffering it waits after the last pair, until it has reached the last PE or the sum.
        assert end - start >= max(d.rows, d.columns) or end == k
        steps = end - start if d.dataflow == "output_stationary" else ceil((end - start) / d.rows)
        waits = d.rows + d.columns - 2 if d.dataflow == "output_stationary" else ceil(log2(d.rows))
        return steps * d.element.interval + (ends_group and not d.double_buffered) * waits, 0, read, written

    def operands(self, block: Block) -> tuple[int, int]:
        """Bits of a block's weights and activations; scales come when they are applied.

        That is with the block that ends the group, and those of tokens with the one that ends k.
        """
        d, (m, k, n), start = self.d, (block.size[axis] for axis in AXES), block.at["k"]
        end = start + k
        ended = ceil(end / d.group_size) if block.is_last_of_k else end // d.group_size
        groups = ended - start // d.group_size
        weights = n * (k * width(d.weight_format) + groups * group_bits(d))
        return weights, m * (k * width(d.activation_format) + block.is_last_of_k * TOKEN_BITS)

    def port_cycles(self, by_array: dict[str, int], came: dict[str, int], gone: dict[str, int]) -> int:
        """The busiest scratchpad's: what the array does during a block, with what the DRAM does beside it."""
        d = self.d
        sides = {
            "weight": (by_array["weight_buffer_read"], came.get("weights", 0)),
            "activation": (by_array["activation_buffer_read"], came.get("activations", 0)),
            "output": (
                by_array["output_buffer_read"] + by_array["output_buffer_write"],
                came.get("totals", 0) + sum(gone.values()),
            ),
        }
        busy = []
        for name, (array, dram) in sides.items():
            bits = array + dram if d.bank_ports == 1 else max(array, dram)
            busy.append(ceil(bits / (getattr(d, f"{name}_buffer_banks") * d.bank_width)))
        return max(busy)


FORMATS = [("uint3", "int16"), ("int4", "int16"), ("uint4", "int8"), ("uint8", "int4"), ("int8", "int8"), ("int2", "int4")]


@st.composite
def designs(draw: st.DrawFn) -> DesignPoint:
    """Arrays so small that some KiB hold two blocks; slow and fast memories, scratchpads with few and narrow banks."""
    weight_format, activation_format = draw(st.sampled_from(FORMATS))
    pes = ["shift_add", "bit_serial", *([] if activation_format == "int16" else ["dsp_packed"])]
    d = DesignPoint(
        "d",
        pe=draw(st.sampled_from(pes)),
        weight_format=weight_format,
        activation_format=activation_format,
        group_size=draw(st.sampled_from([1, 7, 16, 32, 64])),
        rows=draw(st.integers(1, 9)),
        columns=draw(st.integers(1, 9)),
        dataflow=draw(st.sampled_from(["output_stationary", "weight_stationary", "input_stationary", "dot_product"])),
        double_buffered=draw(st.booleans()),
        memory=draw(st.sampled_from(sorted(BURST))),
        memory_channels=draw(st.integers(1, 2)),
        clock_mhz=draw(st.sampled_from([100, 333, 500, 2000, 16_000])),
        weight_buffer_banks=draw(st.sampled_from([1, 3, 16])),
        activation_buffer_banks=draw(st.sampled_from([1, 3, 16])),
        output_buffer_banks=draw(st.sampled_from([1, 3, 16])),
        bank_ports=draw(st.sampled_from([1, 2])),
        bank_width=draw(st.sampled_from([5, 16, 64])),
    )
    kib = {name: smallest + draw(st.sampled_from([0, 0, 0, 0, 1, 9])) for name, smallest in smallest_kib(d).items()}
    return replace(d, **kib)


def smallest_kib(d: DesignPoint) -> Sizes:
    """[KiB] Two of the smallest blocks in each scratchpad."""
    step = granules(d, d.group_size + 1)
    least = {
        "weight": weight_bits(d, d.group_size, step["n"]),
        "activation": activation_bits(d, step["m"], d.group_size),
        "output": step["m"] * step["n"] * (RESULT + (accumulator_bits(d) if has_sums(d, d.group_size) else 0)),
    }
    return {f"{name}_buffer_kib": ceil(2 * bits / (1024 * 8)) for name, bits in least.items()}


@st.composite
def products(draw: st.DrawFn, d: DesignPoint, most: int = 7) -> Product:
    """Up to ``most`` of the smallest blocks along an axis, with and without a short last one."""
    steps = granules(d, d.group_size + 1).values()
    sizes = [draw(st.integers(1, most)) * step - draw(st.sampled_from([0, step // 2])) for step in steps]
    return Product("p", *sizes, count=draw(st.sampled_from([1, 1, 2, 3])))
