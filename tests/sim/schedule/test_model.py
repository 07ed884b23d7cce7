"""A model's operators in time: small graphs by hand, and against a replay of the rules, event after event."""

import re
from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, prod
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from sim.design import DesignPoint
from sim.errors import InputError
from sim.operators import VECTOR_KINDS
from sim.schedule import Operator, Product, ProductCycles, Schedule, VectorWork, run_product, schedule
from sim.schedule.vector import run_vector

FAST = DesignPoint(
    "fast", rows=4, columns=4, memory="hbm2_peak", memory_channels=64, bank_width=2048, vector_lanes=4, vector_latency=16
)
"""32768 bit/cycle at 500 MHz, and as wide are the banks together: any transfer below takes one cycle."""

SLOW = replace(FAST, clock_mhz=16_000, memory_channels=1)
"""16 bit/cycle."""

TILE = 1 + 78 + 1
"""[cycle] 4 x 64 x 4 on FAST: load, 64 + 6 of skew + 8 registers, store (test_products)."""

Times = list[tuple[str, str, int, int]]


def times(done: Schedule) -> Times:
    return [(step.operator.name, step.unit, step.start, step.end) for step in done.steps]


def check_sums(done: Schedule) -> None:
    """What holds of every schedule: nothing is faster than what it needs, and parts are what the whole is."""
    steps = done.steps
    cycles = done.trace.cycles
    assert cycles == max((step.end for step in steps), default=0)
    assert cycles >= sum(step.run.dram_cycles for step in steps)
    for unit in ("array", "vector"):
        own = [step for step in steps if step.unit == unit]
        assert all(before.end <= after.start for before, after in pairwise(own))
        assert cycles >= sum(step.run.trace.cycles for step in own)
        assert all(step.waits == step.end - step.start - step.run.trace.cycles >= 0 for step in own)
    assert sum(done.losses.values()) == cycles
    assert min(done.losses.values()) >= 0
    assert sum(done.dram_bits.values()) == done.trace.counts.get("dram_read", 0) + done.trace.counts.get("dram_write", 0)
    for action, count in done.trace.counts.items():
        assert count == sum(step.run.trace.counts.get(action, 0) for step in steps)
    assert done.products == [step.run for step in steps if step.unit == "array"]


def test_nothing_takes_no_time() -> None:
    done = schedule(FAST, [])
    assert (done.steps, done.trace.cycles, dict(done.trace.counts), done.dram_bits) == ((), 0, {}, {})
    assert set(done.losses.values()) == {0}


def test_a_schedule_is_remembered() -> None:
    operators = [Product("p", 4, 64, 4)]
    assert schedule(FAST, operators) is schedule(FAST, list(operators))


def test_products_one_after_the_other() -> None:
    """Neither needs the other, but there is one array."""
    done = schedule(FAST, [Product("a", 4, 64, 4), Product("b", 4, 64, 4)])
    assert times(done) == [("a", "array", 0, TILE), ("b", "array", TILE, 2 * TILE)]
    assert done.losses == {"ideal": 128, "edges": 0, "fill": 28, "memory": 4, "vector": 0}
    check_sums(done)


def test_a_vector_pass() -> None:
    """100 operations in 4 lanes are 25 cycles and 16 of latency; 64 + 32 numbers of 32 bits in one cycle beside them."""
    done = schedule(FAST, [VectorWork("v", "softmax", 100, 64, 32)])
    assert times(done) == [("v", "vector", 0, 41)]
    assert dict(done.trace.counts) == {"vector_operation": 100, "dram_read": 2048, "dram_write": 1024}
    assert done.dram_bits == {"vector_reads": 2048, "vector_writes": 1024}
    assert done.losses == {"ideal": 0, "edges": 0, "fill": 0, "memory": 0, "vector": 41}
    run = done.steps[0].run
    assert (run.lane_cycles, run.stall_cycles, run.dram_cycles, run.bound) == (41, 0, 1, "compute")
    check_sums(done)


def test_a_vector_pass_that_waits_for_the_memory() -> None:
    """3072 bits at 16 a cycle: 192."""
    done = schedule(SLOW, [VectorWork("v", "softmax", 100, 64, 32)])
    run = done.steps[0].run
    assert (run.trace.cycles, run.lane_cycles, run.stall_cycles, run.dram_cycles, run.bound) == (192, 41, 151, 192, "memory")
    check_sums(done)


def test_a_vector_pass_moves_whole_bursts() -> None:
    """DDR4 moves 512 bits at a time: 2 x 32 = 64 as 512, 17 x 32 = 544 as 1024."""
    d = replace(FAST, memory="ddr4")
    assert schedule(d, [VectorWork("v", "softmax", 1, 2, 17)]).dram_bits == {"vector_reads": 512, "vector_writes": 1024}


def test_the_units_overlap_and_inputs_are_waited_for() -> None:
    """``v`` needs ``a`` as a whole, as that is one block; ``b`` does not need ``v``, ``w`` needs both."""
    operators = [
        Product("a", 4, 64, 4),
        VectorWork("v", "elementwise", 400, 16, 16, inputs=(0,)),
        Product("b", 4, 64, 4),
        VectorWork("w", "norm", 40, 16, 16, inputs=(1, 2)),
    ]
    done = schedule(FAST, operators)
    assert times(done) == [
        ("a", "array", 0, 80),
        ("v", "vector", 80, 80 + 116),
        ("b", "array", 80, 160),
        ("w", "vector", 196, 196 + 26),
    ]
    assert done.losses == {"ideal": 128, "edges": 0, "fill": 28, "memory": 4, "vector": 222 - 160}
    check_sums(done)


def test_heads_follow_piece_by_piece() -> None:
    """Four heads of 4 x 64 x 4: 1 + 64 + 64 + 64 + 78 + 1 = 272 cycles, the first is there after 68.

    Softmax of four heads: 160 operations and 3 for each of 64 codes, (160 + 192) / 4 + 16 = 104 cycles. It begins at 68 and
    ends a fourth of its time, 26, after the last head: at 298. Its first head is there a fourth of the time from 68 to 298
    later, at 126, but the array is free at 272 only. Values take 272, and end no earlier than 68 after 298.
    """
    operators = [
        Product("qk", 4, 64, 4, count=4, kind="scores"),
        VectorWork("softmax", "softmax", 160, 64, 64, pieces=4, inputs=(0,)),
        Product("pv", 4, 64, 4, count=4, kind="values", inputs=(1,)),
    ]
    done = schedule(FAST, operators)
    assert times(done) == [("qk", "array", 0, 272), ("softmax", "vector", 68, 298), ("pv", "array", 272, 544)]
    assert done.steps[1].waits == 230 - 104
    assert done.dram_bits["vector_writes"] == 64 * 8
    check_sums(done)


@pytest.mark.parametrize(
    ("count", "kind", "parts", "start", "end"),
    [
        # Columns of blocks one after the other: 6 blocks, 2633 / 6 = 438.8, 64 / 6 = 10.7; rows complete with the last.
        (1, "elementwise", 1, 439, 2633 + 11),
        (1, "norm", 1, 2633, 2633 + 64),
        # Rows of blocks one after the other, twice: 12 blocks, 5692 / 12 = 474.3; a row may be in both repetitions.
        (2, "elementwise", 1, 475, 5692 + 6),
        (2, "norm", 1, 5692, 5692 + 64),
        # Both in two pieces that do not need one another.
        (2, "norm", 2, 2846, 5692 + 32),
        (2, "elementwise", 2, 2846, 5692 + 32),
        # Three pieces are not those of the product, so blocks it is, or the end.
        (2, "elementwise", 3, 475, 5692 + 6),
        (2, "norm", 3, 5692, 5692 + 64),
    ],
)
def test_what_follows_block_by_block(count: int, kind: str, parts: int, start: int, end: int) -> None:
    """8 x 250 x 12 in blocks of 4 x 250 x 4, calculated in test_products: 2633 cycles, and 5692 twice.

    1024 bits of vector work take 64 cycles; the DRAM is done with the product, at 1965 and 5460, before.
    """
    d = replace(SLOW, group_size=250, weight_buffer_kib=1, activation_buffer_kib=2, output_buffer_kib=1)
    product, work = Product("p", 8, 250, 12, count), VectorWork("v", kind, 40, 16, 16, parts, (0,))
    assert times(schedule(d, [product, work]))[1] == ("v", "vector", start, end)


def test_quantization_between_products() -> None:
    """16 results of ``a`` come as fp32 and leave as int8: 3 operations each in 4 lanes, 12 + 16 cycles.

    ``v``, of the vector unit, reads what ``a`` wrote and does not wait for the codes; ``b`` does.
    """
    operators = [
        Product("a", 4, 64, 4),
        VectorWork("v", "elementwise", 40, 16, 16, inputs=(0,)),
        Product("b", 4, 4, 4, inputs=(0,)),
    ]
    done = schedule(FAST, operators)
    assert times(done) == [
        ("a", "array", 0, 80),
        ("a.quantize", "vector", 80, 108),
        ("v", "vector", 108, 108 + 26),
        ("b", "array", 108, 108 + 20),  # 4 + 6 of skew + 8 registers, a load and a store
    ]
    quantize = done.steps[1].run
    assert dict(quantize.dram_bits) == {"vector_reads": 512, "vector_writes": 128}
    assert quantize.trace.counts["vector_operation"] == 48
    check_sums(done)


@pytest.mark.parametrize(
    ("consumers", "bits", "quantized"),
    [
        ([], 32, False),
        (["vector"], 32, False),
        (["linear"], 8, True),
        (["scores"], 8, True),
        (["values"], 4, True),
        (["linear", "values"], 8, True),  # nothing tells which of them are which
        (["linear", "linear"], 8, True),
        (["values", "vector"], 4 + 32, True),
        (["linear", "vector"], 8 + 32, True),  # a residual stays fp32 beside the codes
    ],
)
def test_what_leaves_as_codes_is_quantized(consumers: list[str], bits: int, quantized: bool) -> None:
    """16 numbers of vector work: int8 for products, uint4 for the cache, fp32 for the vector unit; a code takes 3 operations.

    Products are 4 x 4 x 4: all 16 are the queries of scores.
    """
    operators: list[Operator] = [VectorWork("v", "norm", 40, 16, 16)]
    for kind in consumers:
        if kind == "vector":
            operators.append(VectorWork("w", "elementwise", 1, 16, 16, inputs=(0,)))
        else:
            operators.append(Product("p", 4, 4, 4, kind=kind, inputs=(0,)))
    run = schedule(replace(FAST, kv_format="uint4"), operators).steps[0].run
    assert run.dram_bits["vector_writes"] == 16 * bits
    assert run.trace.counts["vector_operation"] == 40 + (48 if quantized else 0)


def test_values_leave_in_the_format_of_the_cache() -> None:
    """What a product made and another one takes as values is quantized to the cache's format, here 3 bits."""
    operators = [Product("v_proj", 4, 64, 4), Product("pv", 4, 4, 4, kind="values", inputs=(0,))]
    done = schedule(replace(FAST, kv_format="uint3"), operators)
    assert done.steps[1].run.dram_bits["vector_writes"] == 16 * 3
    assert schedule(FAST, operators).steps[1].run.dram_bits["vector_writes"] == 16 * 4


def test_probabilities_are_activations() -> None:
    """16 numbers of a softmax in int8, 16 values beside them in 3 bits."""
    operators = [
        VectorWork("v_proj", "elementwise", 16, 16, 16),
        VectorWork("softmax", "softmax", 80, 16, 16),
        Product("pv", 4, 4, 4, kind="values", inputs=(0, 1)),
    ]
    steps = schedule(replace(FAST, kv_format="uint3"), operators).steps
    assert [step.run.dram_bits.get("vector_writes") for step in steps] == [16 * 3, 16 * 8, None]


def test_queries_and_keys_of_one_rotary_embedding() -> None:
    """Two heads of queries share a key: 2 x 8 queries in int8 and 8 keys in 3 bits for a pass of one token with width 8."""
    operators = [
        VectorWork("rotary", "rotary", 72, 24, 24),
        Product("qk", 2, 8, 6, kind="scores", inputs=(0,)),
    ]
    done = schedule(replace(FAST, kv_format="uint3"), operators)
    assert done.steps[0].run.dram_bits["vector_writes"] == 16 * 8 + 8 * 3
    assert done.steps[0].run.trace.counts["vector_operation"] == 72 + 24 * 3


def test_queries_and_keys_of_their_own_passes() -> None:
    """A product's queries are quantized to int8, keys of a norm to 3 bits, beside the fp32 that another pass reads."""
    operators = [
        Product("q_proj", 2, 4, 8),
        VectorWork("k_norm", "norm", 32, 8, 8),
        Product("qk", 2, 8, 6, kind="scores", inputs=(0, 1)),
        VectorWork("v", "elementwise", 8, 8, 8, inputs=(1,)),
    ]
    done = schedule(replace(FAST, kv_format="uint3"), operators)
    written = {step.operator.name: step.run.dram_bits.get("vector_writes") for step in done.steps}
    assert (written["q_proj.quantize"], written["k_norm"], written["v"]) == (16 * 8, 8 * (3 + 32), 8 * 32)


def test_queries_keys_and_values_of_one_projection() -> None:
    """One bias for 8 numbers of each: the queries stay int8, keys and values are stored in 3 bits."""
    operators = [
        VectorWork("c_attn", "elementwise", 24, 24, 24),
        Product("qk", 1, 8, 6, kind="scores", inputs=(0,)),
        VectorWork("softmax", "softmax", 30, 6, 6, inputs=(1,)),
        Product("pv", 1, 6, 8, kind="values", inputs=(0, 2)),
    ]
    steps = schedule(replace(FAST, kv_format="uint3"), operators).steps
    assert steps[0].run.dram_bits["vector_writes"] == 8 * 8 + 16 * 3
    assert steps[2].run.dram_bits["vector_writes"] == 6 * 8


def test_the_memory_serves_who_begins_first() -> None:
    """``w`` comes last in the list but needs nothing, so it begins at 0 beside ``a``, long before ``b``."""
    operators = [Product("a", 4, 64, 4), Product("b", 4, 64, 4), VectorWork("w", "elementwise", 40, 16, 16)]
    done = schedule(FAST, operators)
    assert times(done) == [("a", "array", 0, 80), ("b", "array", 80, 160), ("w", "vector", 0, 26)]
    check_sums(done)


def test_the_memory_serves_one_after_the_other() -> None:
    """16 bit/cycle: ``a`` moves 3728 bits in 233 cycles, ``w`` 1024 in 64; it begins at 0 too, and is served after ``a``.

    ``a`` takes 12 for the first 192 bits and for each of the next 14 blocks of 4 x 4, 21 for the last one with its scales, 4 +
    14 to compute that, 32 to store.
    """
    done = schedule(SLOW, [Product("a", 4, 64, 4), VectorWork("w", "elementwise", 40, 16, 16)])
    assert times(done) == [("a", "array", 0, 12 + 14 * 12 + 21 + 18 + 32), ("w", "vector", 0, 233 + 64)]
    check_sums(done)


def test_a_cache_that_does_not_fit_is_refused() -> None:
    """Groups of 64 x 4 columns in int8: 2 x 4 x (512 + 16) = 4224 bits; with 32 columns 33792, 5 KiB, and uint4 in 3."""
    d = replace(FAST, columns=32, kv_format="int8", weight_buffer_kib=4)
    assert schedule(d, [Product("p", 4, 128, 4)]).trace.cycles > 0
    with pytest.raises(InputError, match="weight_buffer_kib of a 4x32 .* is at least 5, not 4"):
        schedule(d, [Product("p", 4, 128, 4, kind="scores")])


@pytest.mark.parametrize("inputs", [(1,), (2,), (0, -1), (7,)])
def test_inputs_come_before(inputs: tuple[int, ...]) -> None:
    operators = [Product("a", 4, 64, 4), VectorWork("v", "norm", 1, 1, 1, inputs=inputs), Product("b", 4, 64, 4)]
    message = f"inputs of operator 1, 'v', are places of operators before it, not {inputs}"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        schedule(FAST, operators)


@dataclass
class Event:
    """An operator of the replay."""

    operator: Operator
    run: Any
    start: int = -1
    end: int = -1


def pieces_between(before: Event, operator: Operator) -> int:
    """In how many pieces an operator follows one of the other unit."""
    first = before.operator
    if isinstance(first, Product) == isinstance(operator, Product):
        return 1
    parts = [o.count if isinstance(o, Product) else o.pieces for o in (first, operator)]
    if parts[0] == parts[1] and parts[0] > 1:
        return parts[0]
    if not isinstance(first, Product):
        return 1
    cut = {axis: ceil(getattr(first, axis) / getattr(before.run.blocking, axis)) for axis in ("m", "k", "n")}
    loops = [axis for axis in before.run.blocking.order if cut[axis] > 1]
    outside = loops[: loops.index("k")] if "k" in loops else loops
    if operator.kind in ("norm", "softmax", "quantize"):
        return cut["m"] if outside[:1] == ["m"] and first.count == 1 else 1
    return first.count * prod(cut[axis] for axis in outside)


def lowered(operators: list[Operator]) -> list[Operator]:
    """With the work of quantizing results of products for products."""
    found: list[Operator] = []
    as_numbers: dict[int, int] = {}
    as_codes: dict[int, int] = {}
    for place, operator in enumerate(operators):
        is_product = isinstance(operator, Product)
        inputs = tuple(as_codes.get(i, as_numbers[i]) if is_product else as_numbers[i] for i in operator.inputs)
        as_numbers[place] = len(found)
        found.append(replace(operator, inputs=inputs))
        consumers = [o for o in operators if place in o.inputs]
        if isinstance(operator, Product) and any(isinstance(o, Product) for o in consumers):
            as_codes[place] = len(found)
            numbers = operator.count * operator.m * operator.n
            name = f"{operator.name}.quantize"
            alike = all(o.count == operator.count for o in consumers if isinstance(o, Product))
            pieces = operator.count if alike else 1
            found.append(VectorWork(name, "quantize", 0, numbers, numbers, pieces, (as_numbers[place],)))
    return found


def bits_out(d: DesignPoint, place: int, operators: list[Operator]) -> int:
    """Number by number: an activation of any product, or else a key or a value."""
    writes = operators[place].writes
    consumers = [o for o in operators if place in o.inputs]
    roles = [{"fp32"} if not consumers else set() for _ in range(writes)]
    for o in consumers:
        if isinstance(o, VectorWork):
            given = ["fp32"] * writes
        elif o.kind == "linear" or (operators[place].kind == "softmax" and o.kind == "values"):
            given = ["activation"] * writes
        elif o.kind == "values":
            given = ["cache"] * writes
        else:
            earlier = sum(operators[i].writes for i in o.inputs if i < place)
            given = ["activation" if earlier + i < o.m * o.k * o.count else "cache" for i in range(writes)]
        for number, role in zip(roles, given, strict=True):
            number.add(role)
    bits = {"fp32": 32, "activation": d.activation.bits, "cache": d.attention.weight.bits}
    return sum(bits[role] for number in roles for role in number if role != "cache" or "activation" not in number)


def replay(d: DesignPoint, operators: list[Operator]) -> list[Event]:
    """Whichever of the two units can begin first does; the one that comes first in the model, if both can."""
    every = lowered(operators)
    events = []
    for place, operator in enumerate(every):
        product = isinstance(operator, Product)
        run = run_product(d, operator) if product else run_vector(d, operator, write_bits=bits_out(d, place, every))
        events.append(Event(operator, run))
    queues = [deque(e for e in events if isinstance(e.operator, kind)) for kind in (Product, VectorWork)]
    free, dram = [0, 0], 0
    while any(queues):
        heads = []
        for unit, queue in enumerate(queues):
            if not queue or any(events[i].end < 0 for i in queue[0].operator.inputs):
                continue
            start, least = free[unit], 0
            for before in (events[i] for i in queue[0].operator.inputs):
                parts = pieces_between(before, queue[0].operator)
                if parts == 1:
                    start = max(start, before.end)
                else:
                    start = max(start, before.start + ceil((before.end - before.start) / parts))
                    least = max(least, before.end + ceil(queue[0].run.trace.cycles / parts))
            heads.append((start, events.index(queue[0]), unit, least))
        start, place, unit, least = min(heads)
        queues[unit].popleft()
        dram = max(dram, start) + events[place].run.dram_cycles
        events[place].start = start
        events[place].end = max(start + events[place].run.trace.cycles, least, dram)
        free[unit] = events[place].end
    return events


@st.composite
def models(draw: st.DrawFn) -> list[Operator]:
    operators: list[Operator] = []
    for place in range(draw(st.integers(0, 9))):
        recent = st.integers(max(0, place - 3), place - 1) if place else st.nothing()
        inputs = tuple(sorted(set(draw(st.lists(recent, max_size=2))))) if place else ()
        parts = draw(st.sampled_from([1, 1, 2, 4]))
        if draw(st.booleans()):
            m, k, n = (draw(st.sampled_from([1, 4, 16, 70, 128])) for _ in range(3))
            kind = draw(st.sampled_from(["linear", "linear", "scores", "values"]))
            operators.append(Product(f"p{place}", m, k, n, parts, kind, inputs))
        else:
            numbers = draw(st.sampled_from([1, 64, 1000, 5000]))
            kind = draw(st.sampled_from(sorted(VECTOR_KINDS)))
            operators.append(VectorWork(f"v{place}", kind, numbers * draw(st.integers(0, 9)), numbers, numbers, parts, inputs))
    return operators


@seed(20261125)
@settings(max_examples=400, deadline=None)
@given(
    operators=models(),
    clock_mhz=st.sampled_from([500, 4000, 16_000]),
    memory=st.sampled_from(["hbm2_peak", "ddr4"]),
    dataflow=st.sampled_from(["output_stationary", "weight_stationary"]),
    kib=st.sampled_from([1, 4]),
)
def test_every_schedule_is_its_replay(operators: list[Operator], clock_mhz: int, memory: str, dataflow: str, kib: int) -> None:
    d = DesignPoint(
        "d",
        rows=8,
        columns=4,
        group_size=32,
        kv_format="uint3",
        dataflow=dataflow,
        weight_buffer_kib=kib,
        activation_buffer_kib=kib,
        output_buffer_kib=kib,
        vector_lanes=8,
        memory=memory,
        memory_channels=1,
        clock_mhz=clock_mhz,
    )
    done = schedule(d, operators)
    events = replay(d, operators)
    assert [step.operator for step in done.steps] == [event.operator for event in events]
    assert [(step.start, step.end) for step in done.steps] == [(event.start, event.end) for event in events]
    assert [step.run for step in done.steps] == [event.run for event in events]
    check_sums(done)


def test_the_attention_s_runs_are_those_of_products() -> None:
    run = schedule(FAST, [Product("p", 4, 64, 4, kind="scores")]).steps[0].run
    assert isinstance(run, ProductCycles)
    assert run == run_product(FAST, Product("p", 4, 64, 4, kind="scores"))
