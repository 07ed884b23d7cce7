"""Vector operations of one module, one after the other, made into one pass of the vector unit."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from sim.operators import Operator, VectorWork
from workloads.lane_operations import LANES, Lane

FIRST = ("softmax", "norm", "rotary", "activation", "embedding")
"""Which kind a pass of several kinds is: the first of these."""

UNKNOWN = Lane(1)
GATE = {"mul"}


@dataclass(slots=True, eq=False)
class Numbers:
    """Results of one operator (``None``: weights, inputs, constants); ``leave`` once another operator reads them."""

    operator: int | None
    elements: int
    leave: bool = False


@dataclass(slots=True, eq=False)
class Pass:
    """Consecutive vector operations of one module; ``index`` is the operator's place."""

    name: str
    index: int
    operations: int = 0
    functions: set[str] = field(default_factory=set)
    reads: dict[Numbers, dict[object, int]] = field(default_factory=dict)
    results: list[Numbers] = field(default_factory=list)
    inputs: set[int] = field(default_factory=set)

    def compute(self, function: str, tensors: Sequence[Tensor]) -> None:
        """Count an operation on these operands and results."""
        self.functions.add(function)
        operations = LANES.get(function, UNKNOWN).operations
        if operations:
            self.operations += operations * max(tensor.numel() for tensor in tensors)

    def read(self, numbers: Numbers, tensor: Tensor, elements: int) -> None:
        """Let ``elements`` numbers go in, unless they were made here or this view of them was read before."""
        if numbers.operator == self.index:
            return
        numbers.leave = True
        if numbers.operator is not None:
            self.inputs.add(numbers.operator)
        if tensor.is_floating_point():
            view = (tensor.storage_offset(), tensor.shape, tensor.stride())
            self.reads.setdefault(numbers, {})[view] = elements

    def make(self, elements: int) -> Numbers:
        """New results; they go out if another operator reads them."""
        self.results.append(Numbers(self.index, elements))
        return self.results[-1]

    def work(self, before: Sequence[Operator]) -> VectorWork:
        """The finished pass, given all operators before it."""
        reads = sum(min(numbers.elements, sum(views.values())) for numbers, views in self.reads.items())
        writes = sum(numbers.elements for numbers in self.results if numbers.leave)
        inputs = tuple(sorted(self.inputs))
        kind = self._kind({before[place].kind for place in inputs})
        scores = [operator for operator in map(before.__getitem__, inputs) if operator.kind == "scores"]
        if kind == "softmax" and scores:  # attention's: a piece for each head of keys
            return VectorWork(
                f"{self.name}.softmax".lstrip("."), kind, self.operations, reads, writes, scores[0].pieces, inputs
            )
        return VectorWork(self.name, kind, self.operations, reads, writes, inputs=inputs)

    def _kind(self, of_inputs: set[str]) -> str:
        """By its own functions; else one that reads sines is rotary, one that multiplies an activation's result is a gate."""
        own = {LANES.get(function, UNKNOWN).kind for function in self.functions}
        for kind in FIRST:
            if kind in own:
                return kind
        if "rotary" in of_inputs:
            return "rotary"
        return "activation" if "activation" in of_inputs and self.functions <= GATE else "elementwise"
