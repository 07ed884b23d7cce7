"""What a product's operands are, told by where their numbers came from: weights, probabilities, or repeated keys and values.

All is followed by the storage in which numbers are, so views need no attention.
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator
from math import prod
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from workloads.lane_operations import MOVES

SOFTMAX = {"_softmax", "_safe_softmax"}

KEEPS_PROBABILITIES = MOVES | {"mul", "div", "where", "masked_fill"}
"""What may be done to probabilities before values are weighted by them."""

PICKS_ROWS = {"index", "index_select", "gather"}
"""Moves whose other operand says which numbers."""


Place = tuple[int, int]
"""A storage, and the number in it with which a tensor begins."""


class Parameter(NamedTuple):
    """Where a network's parameter lies in its storage; the parameter itself may be dropped while it is known."""

    name: str
    first: int
    size: int

    @staticmethod
    def of(name: str, tensor: Tensor) -> "Parameter":
        return Parameter(name, int(tensor.storage_offset()), tensor.numel())


class Provenance:
    """Knows a network's parameters from the start, and more from each operation of a pass."""

    def __init__(self, network: nn.Module) -> None:
        self._held: dict[int, list[Parameter]] = {}
        for name, parameter in network.named_parameters(remove_duplicate=False):
            self._held.setdefault(storage(parameter), []).append(Parameter.of(name, parameter))
        self._read: dict[int, list[Parameter]] = {}
        self._parameters = ChainMap(self._read, self._held)
        self._made_of: dict[int, Place] = {}
        self._probabilities: set[int] = set()
        self._repeated: dict[int, tuple[int, int]] = {}
        self._kept: list[StorageWeakRef] = []

    def forget(self) -> None:
        """Forget what a pass has made."""
        for known in (self._read, self._made_of, self._probabilities, self._repeated, self._kept):
            known.clear()

    def learn(self, name: str, module: nn.Module) -> None:
        """Know the parameters that a module has just read from a file, which it drops when it is done."""
        for own, parameter in module.named_parameters(recurse=False):
            if storage(parameter) not in self._parameters:
                self._read[self._hold(parameter)] = [Parameter.of(f"{name}.{own}".lstrip("."), parameter)]

    def weight(self, tensor: Tensor, module: str) -> str | None:
        """The name of the weights in a tensor, used in that module; ``None`` if it is not made of parameters alone.

        It is the module's that has them, with the parameter's own name behind it unless that is ``weight``. One part of a
        parameter, as that of an expert, has its number behind it; on the meta device that is not known.
        """
        place, first = self._place(tensor)
        found = [p for p in self._parameters.get(place, ()) if p.first <= first < p.first + max(1, p.size)]
        if not found:
            return None
        parameter = next((each for each in found if each.name.rpartition(".")[0] == module), found[0])
        owner, _, own = parameter.name.rpartition(".")
        name = owner if own == "weight" else parameter.name
        elements = distinct(tensor)
        if place == storage(tensor) and elements < parameter.size and not tensor.is_meta:
            return f"{name}.{(first - parameter.first) // elements}"
        return name

    def read_from(self, tensor: Tensor) -> str | None:
        """The name of the parameter, just read from a file, of which a tensor is a view."""
        found = self._read.get(storage(tensor))
        return None if found is None else found[0].name

    def is_probabilities(self, tensor: Tensor) -> bool:
        """Whether a tensor came out of a softmax."""
        return storage(tensor) in self._probabilities

    def repeats(self, factors: Tensor) -> int:
        """How many in a row of the ``count`` matrices of a factor ``[count, ., .]`` are one and the same."""
        count, step = factors.shape[0], factors.stride(0)
        if step == 0 and factors.numel():
            return count
        blocks, times, each = (*self._repeated.get(storage(factors), (0, 1)), factors[0].numel())
        return times if count == blocks * times and step == each else 1

    def note(self, operation: str, result: Any, args: tuple[Any, ...]) -> None:
        """Learn from an operation that is no product."""
        if not isinstance(result, Tensor):
            return
        if operation in SOFTMAX:
            self._probabilities.add(self._hold(result))
            return
        operands = [*tensors_in(args)]
        if not operands or storage(result) == storage(operands[0]):
            return
        source, is_move = operands[0], operation in MOVES
        if operation in KEEPS_PROBABILITIES and any(map(self.is_probabilities, operands)):
            self._probabilities.add(self._hold(result))
        if self._is_weight(source) and (operation in PICKS_ROWS or all(map(self._is_weight, operands))):
            self._made_of[self._hold(result)] = self._place(source)
        if is_move and len(operands) == 1 and 0 in source.stride() and result.is_contiguous():
            self._note_repeats(source, result)

    def _place(self, tensor: Tensor) -> Place:
        """Where the numbers of a tensor were that is made of another one."""
        return self._made_of.get(storage(tensor), (storage(tensor), int(tensor.storage_offset())))

    def _is_weight(self, tensor: Tensor) -> bool:
        return storage(tensor) in self._parameters or storage(tensor) in self._made_of

    def _note_repeats(self, source: Tensor, result: Tensor) -> None:
        expanded = [axis for axis, step in enumerate(source.stride()) if step == 0 and source.shape[axis] > 1]
        if len(expanded) == 1 and result.shape == source.shape:
            self._repeated[self._hold(result)] = prod(source.shape[: expanded[0]]), source.shape[expanded[0]]

    def _hold(self, tensor: Tensor) -> int:
        """Its storage, whose place no other gets as long as it is known here, though its memory is given back."""
        self._kept.append(StorageWeakRef(tensor.untyped_storage()))  # type: ignore[no-untyped-call]
        return storage(tensor)


def tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among arguments or results, also those in lists."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)


def storage(tensor: Tensor) -> int:
    """Which storage a tensor's numbers are in; views share it."""
    place: int = tensor.untyped_storage()._cdata
    return place


def stored(tensor: Tensor) -> int:
    """Numbers that the storage of a tensor holds."""
    return tensor.untyped_storage().nbytes() // tensor.element_size()


def distinct(tensor: Tensor) -> int:
    """Numbers of a tensor, those that were expanded from one counted once."""
    return prod(size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
