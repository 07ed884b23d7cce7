"""A whole model on a design: every operator in time, on the array or the vector unit, overlapping where it can.

Each of the two units does its operators in the model's order, one after the other. An operator begins when its unit is
free and its inputs are there:

* in general, when the operators that it reads from have ended;
* in pieces, where both do their work in pieces that do not need one another (heads of attention; blocks of a product
  whose numbers, or whose whole rows, are all that the vector unit needs): when the first piece is there; and it ends no
  earlier than one piece's time after its input has ended. Pieces take equal parts of an operator's time.

The DRAM serves operators in the order in which they begin (of two that begin at once, in the model's), and one ends no
earlier than its traffic. All operands come from the DRAM and all results go there. Results that a product made and
another one needs are quantized by the vector unit in between; those of vector work leave as codes if products need them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from sim.design import FP32_BITS, DesignPoint
from sim.errors import InputError
from sim.memory import Prices
from sim.operators import ROW_WISE, Operator, Product, VectorWork
from sim.schedule.products import ProductCycles, run_product
from sim.schedule.vector import VectorCycles, run_vector
from sim.trace import Trace, add

Unit = Literal["array", "vector"]
Run = ProductCycles | VectorCycles


@dataclass(frozen=True)
class Step:
    """An operator in time: it occupies its unit from cycle ``start`` up to, not including, cycle ``end``.

    In ``dram_wait`` of these cycles it waits for the DRAM, which serves another one.
    """

    operator: Operator
    unit: Unit
    start: int
    end: int
    dram_wait: int
    run: Run

    @property
    def waits(self) -> int:
        """Cycles beyond its own: for the pieces of its input, or for the DRAM that serves others."""
        return self.end - self.start - self.run.trace.cycles


@dataclass(frozen=True)
class Schedule:
    """All operators in time; ``trace`` has the cycles from the first one's start to the last one's end."""

    design: DesignPoint
    steps: tuple[Step, ...]
    trace: Trace

    @property
    def products(self) -> list[ProductCycles]:
        """What the array's operators take, in order."""
        return [step.run for step in self.steps if isinstance(step.run, ProductCycles)]

    @property
    def losses(self) -> dict[str, int]:
        """Where the cycles go: the array's ``ideal``, ``edges``, ``fill``, ``memory``; its waits for the ``vector`` unit."""
        runs = self.products
        waits = sum(step.dram_wait for step in self.steps if step.unit == "array")
        parts = {
            "ideal": sum(run.ideal_cycles for run in runs),
            "edges": sum(run.edge_cycles for run in runs),
            "fill": sum(run.fill_cycles for run in runs),
            "memory": sum(run.stall_cycles for run in runs) + waits,
        }
        return parts | {"vector": self.trace.cycles - sum(parts.values())}

    @property
    def dram_bits(self) -> dict[str, int]:
        """DRAM traffic [bit] by tensor."""
        total: dict[str, int] = {}
        for step in self.steps:
            for tensor, bits in step.run.dram_bits.items():
                total[tensor] = total.get(tensor, 0) + bits
        return total


def schedule(design: DesignPoint, operators: Sequence[Operator], prices: Prices | None = None) -> Schedule:
    """The operators of a model, in order, in time.

    Raises ``InputError`` for a design that cannot run one of them, or inputs that are not operators before it.
    """
    for place, operator in enumerate(operators):
        if not all(0 <= i < place for i in operator.inputs):
            raise InputError(
                f"inputs of operator {place}, {operator.name!r}, are places of operators before it, not {operator.inputs}"
            )
    return _schedule(design, tuple(operators), prices or Prices())


@lru_cache(maxsize=64)
def _schedule(design: DesignPoint, operators: tuple[Operator, ...], prices: Prices) -> Schedule:
    lowered = with_quantization(operators)
    bits = written_bits(design, lowered)
    runs = [
        run_product(design, operator, prices)
        if isinstance(operator, Product)
        else run_vector(design, operator, write_bits=bits[place])
        for place, operator in enumerate(lowered)
    ]
    steps = _in_time(lowered, runs)
    cycles = max((step.end for step in steps), default=0)
    return Schedule(design, steps, replace(add(step.run.trace for step in steps), cycles=cycles))


def _in_time(operators: Sequence[Operator], runs: Sequence[Run]) -> tuple[Step, ...]:
    """All operators: of the next ones of both units, the one that can begin first, which is also the DRAM's order."""
    waiting: dict[Unit, list[int]] = {"vector": [], "array": []}
    for place in reversed(range(len(operators))):
        waiting["array" if isinstance(operators[place], Product) else "vector"].append(place)
    steps: dict[int, Step] = {}
    free: dict[Unit, int] = dict.fromkeys(waiting, 0)
    dram_free = 0
    while len(steps) < len(operators):
        next_ones = [(unit, places[-1]) for unit, places in waiting.items() if places]
        start, place, unit, end = min(
            (start, place, unit, end)
            for unit, place in next_ones
            if all(i in steps for i in operators[place].inputs)
            for start, end in [_earliest(steps, operators[place], runs[place], free[unit])]
        )
        waiting[unit].pop()
        dram_free = max(start, dram_free) + runs[place].dram_cycles
        free[unit] = max(end, dram_free)
        steps[place] = Step(operators[place], unit, start, free[unit], free[unit] - end, runs[place])
    return tuple(steps[place] for place in range(len(operators)))


def _earliest(steps: Mapping[int, Step], operator: Operator, run: Run, free: int) -> tuple[int, int]:
    """When an operator begins and ends as far as its unit and its inputs go."""
    start, tails = free, [0]
    cycles = run.trace.cycles
    for place in operator.inputs:
        before = steps[place]
        pieces = _shared_pieces(before, operator)
        if pieces > 1:
            start = max(start, before.start + -(-(before.end - before.start) // pieces))
            tails.append(before.end + -(-cycles // pieces))
        else:
            start = max(start, before.end)
    return start, max(start + cycles, *tails)


def _shared_pieces(before: Step, operator: Operator) -> int:
    """In how many pieces an operator can follow one on the other unit; 1 if it cannot before that has ended."""
    if (before.unit == "array") == isinstance(operator, Product):
        return 1
    if before.operator.pieces == operator.pieces > 1:
        return operator.pieces
    if isinstance(before.run, ProductCycles) and isinstance(operator, VectorWork):
        if operator.kind not in ROW_WISE:
            return before.run.block_pieces
        # A row that reaches across repetitions, as that of all heads, is complete with the last of these.
        return before.run.row_pieces if before.run.product.count == 1 else 1
    return 1


def with_quantization(operators: Sequence[Operator]) -> tuple[Operator, ...]:
    """The operators, and after each product whose results another one needs the work of quantizing these."""
    fed: dict[int, set[int]] = {}  # how often each product that reads another's results is repeated
    for product in (operator for operator in operators if isinstance(operator, Product)):
        for i in product.inputs:
            fed.setdefault(i, set()).add(product.count)
    lowered: list[Operator] = []
    moved: dict[int, int] = {}
    codes: dict[int, int] = {}
    for place, operator in enumerate(operators):
        known = {**moved, **codes} if isinstance(operator, Product) else moved
        lowered.append(replace(operator, inputs=tuple(known[i] for i in operator.inputs)))
        moved[place] = len(lowered) - 1
        if place in fed and isinstance(operator, Product):
            numbers = operator.m * operator.n * operator.count
            name = f"{operator.name}.quantize"
            # A token's scale is that of its whole row: repetition by repetition only if the next product has as many.
            pieces = operator.count if fed[place] == {operator.count} else 1
            lowered.append(VectorWork(name, "quantize", 0, numbers, numbers, pieces, (moved[place],)))
            codes[place] = len(lowered) - 1
    return tuple(lowered)


def written_bits(design: DesignPoint, operators: Sequence[Operator]) -> Mapping[int, int]:
    """Bits that each vector work writes in all: codes for products, fp32 for the vector unit, or both.

    What products stream is in the activations' format, what the KV cache stores in its own: keys, and values, which is
    all that a product of values reads but for the softmax. Queries and keys may come from one pass (rotary embedding), or
    with values too (the bias of one projection), and are told apart by their number: a product of scores has
    ``m * k * count`` queries, which are the first ones of what it reads; the rest are keys.
    """
    streamed = dict.fromkeys(range(len(operators)), 0)  # numbers
    coded: set[int] = set()
    kept: set[int] = set()
    for operator in operators:
        if isinstance(operator, Product):
            coded |= set(operator.inputs)
            for i, numbers in _streamed_numbers(operator, operators).items():
                streamed[i] = max(streamed[i], numbers)
        else:
            kept |= set(operator.inputs)
    bits = {}
    for i, operator in enumerate(operators):
        if isinstance(operator, VectorWork):
            stored = operator.writes - streamed[i]
            codes = streamed[i] * design.activation.bits + stored * design.attention.weight.bits
            bits[i] = codes * (i in coded) + operator.writes * FP32_BITS * (i in kept or i not in coded)
    return bits


def _streamed_numbers(product: Product, operators: Sequence[Operator]) -> dict[int, int]:
    """How many of the numbers that a product reads, by the vector work that made them, are its activations."""
    found = {}
    queries = product.m * product.k * product.count
    for i in sorted(product.inputs):
        work = operators[i]
        assert isinstance(work, VectorWork), "results of products are quantized in between"
        found[i] = work.writes
        if product.kind == "scores":
            found[i] = min(work.writes, queries)
            queries -= found[i]
        elif product.kind == "values" and work.kind != "softmax":
            found[i] = 0
    return found
