"""Sees each operation of a network's pass, and makes of it what an accelerator is asked to do.

Matrix products become :class:`~sim.operators.Product`, all else vector work. Who made which numbers is followed by the
storage in which they are, so views need no attention, and through operations that only move numbers. Tensors have numbers,
or sizes alone on torch's meta device.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.flop_counter import flop_registry

from sim.operators import Operator, Product
from workloads.lane_operations import CREATES, LANES, MOVES
from workloads.model_trace import Floats, Kept
from workloads.products import ProductMode, SeenProduct
from workloads.provenance import distinct, storage, stored, tensors_in
from workloads.vector_passes import Numbers, Pass

Operands = tuple[Floats, Kept]
"""Activations ``[count, m, k]`` and weights ``[count, k, n]``: views of those that the network holds, or what reads them."""

VIEWS_UNSAID = {torch.ops.aten._unsafe_view.default}
"""Operations whose results are views though their schemas do not say so."""


class Recorder(ProductMode):  # type: ignore[no-untyped-call]
    """Records the operators of what runs inside :meth:`watching`, in order, under the names of the modules.

    Arithmetic on whole numbers alone (positions, masks) is taken for addressing and costs nothing. Operations that are
    in no table are named in ``unknown``, with the multiply-accumulates that torch's own counter
    (:mod:`torch.utils.flop_counter`) finds in them, or else one for each number, as which they are recorded.
    ``operands``, if kept, are those of the products, by their places among the operators; ``parameter`` gives one by name
    that the network does not hold.
    """

    def __init__(
        self, network: nn.Module, keep_operands: bool = False, parameter: Callable[[str], Tensor] | None = None
    ) -> None:
        super().__init__(network)
        self._names[network] = getattr(getattr(network, "config", None), "model_type", "")
        self.unknown: Counter[str] = Counter()
        self.operands: dict[int, Operands] = {}
        self._keep_operands = keep_operands
        self._parameter = parameter
        self._operators: list[Operator | Pass] = []
        self._pass: Pass | None = None
        self._numbers: dict[int, tuple[Numbers, ...]] = {}
        self._held: list[StorageWeakRef] = []  # a storage that is freed could give its place to another
        self._is_new: dict[Any, bool] = {}
        self._sizes: dict[object, tuple[torch.Size, tuple[int, ...], torch.dtype]] = {}

    def operators(self) -> tuple[Operator, ...]:
        """All that was recorded."""
        done: list[Operator] = []
        for operator in self._operators:
            done.append(operator.work(done) if isinstance(operator, Pass) else operator)
        return tuple(done)

    def sources(self, results: Iterable[Any]) -> tuple[int, ...]:
        """The operators that made the tensors among these, which are needed from here on."""
        places = set()
        for tensor in tensors_in(results):
            for numbers in self._origins(tensor):
                numbers.leave = True
                if numbers.operator is not None:
                    places.add(numbers.operator)
        return tuple(sorted(places))

    def product(self, seen: SeenProduct, func: Any, args: tuple[Any, ...]) -> Tensor:
        """Record a product, which torch computes."""
        place, (count, m, k) = len(self._operators), seen.activations.shape
        self._pass = None
        self._operators.append(Product(seen.name, m, k, seen.weights.shape[2], count, seen.kind, self.sources(seen.operands)))
        if self._keep_operands:
            self.operands[place] = _array(seen.activations, copy=True), self._weights(seen)
        result: Tensor = self._sized(func, args, {})
        self._hold(result, (Numbers(place, result.numel()),))
        return result

    def _weights(self, seen: SeenProduct) -> Kept:
        weights, parameter = seen.weights, self._parameter
        name = self._provenance.read_from(weights)
        if name is None or parameter is None:
            return _array(weights, copy=seen.kind != "linear")
        size, stride, offset = weights.size(), weights.stride(), weights.storage_offset()
        return lambda: _array(parameter(name).as_strided(size, stride, offset), copy=False)

    def other(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record what is no product."""
        result = self._sized(func, args, kwargs)
        self._provenance.note(name, result, args)
        results, operands = [*tensors_in((result,))], [*tensors_in(args), *tensors_in(kwargs.values())]
        if name in CREATES:
            return result
        if name in MOVES or not _has_fractions(results + operands):
            self._moved(results, operands)
        else:
            name = f"{name} of complex numbers" if any(tensor.is_complex() for tensor in results + operands) else name
            if name not in LANES:
                self.unknown[name] += _macs(func, args, kwargs, result, results + operands)
            self._computed(name, results, operands)
        return result

    def _sized(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What torch returns. Layers are alike, and on sizes alone finding out that of a result is most of a pass."""
        if func not in self._is_new:
            schema = func._schema
            aliases = any(argument.alias_info for argument in (*schema.arguments, *schema.returns))
            self._is_new[func] = len(schema.returns) == 1 and not aliases and func not in VIEWS_UNSAID
        first = next(tensors_in(args), None)
        if kwargs or not self._is_new[func] or first is None or not first.is_meta:
            return func(*args, **kwargs)
        key = (func, *map(_signature, args))
        if key not in self._sizes:
            result = func(*args)
            if isinstance(result, Tensor):
                self._sizes[key] = (result.size(), result.stride(), result.dtype)
            return result
        size, stride, dtype = self._sizes[key]
        return torch.empty_strided(size, stride, dtype=dtype, device="meta")

    def _hold(self, tensor: Tensor, numbers: tuple[Numbers, ...]) -> None:
        self._held.append(StorageWeakRef(tensor.untyped_storage()))  # type: ignore[no-untyped-call]
        self._numbers[storage(tensor)] = numbers

    def _origins(self, tensor: Tensor) -> tuple[Numbers, ...]:
        if storage(tensor) not in self._numbers:
            self._hold(tensor, (Numbers(None, stored(tensor)),))
        return self._numbers[storage(tensor)]

    def _moved(self, results: list[Tensor], operands: list[Tensor]) -> None:
        for tensor in results:
            if len(operands) != 1 or storage(tensor) != storage(operands[0]):
                self._hold(tensor, tuple(dict.fromkeys(origin for operand in operands for origin in self._origins(operand))))

    def _computed(self, name: str, results: list[Tensor], operands: list[Tensor]) -> None:
        if self._pass is None or self._pass.name != self.module:
            self._pass = Pass(self.module, len(self._operators))
            self._operators.append(self._pass)
        here = self._pass
        here.compute(name, results + operands)
        for operand in operands:
            # a table is not read as a whole, only the rows that are looked up
            elements = results[0].numel() if name == "embedding" else distinct(operand)
            for numbers in self._origins(operand):
                here.read(numbers, operand, elements)
        for tensor in results:
            in_part = tensor.numel() < stored(tensor)  # some numbers of a larger tensor, in place
            self._hold(tensor, (*(self._origins(tensor) if in_part else ()), here.make(tensor.numel())))


def _signature(value: Any) -> object:
    """All of an operand that the size of a result depends on."""
    if isinstance(value, Tensor):
        return value.size(), value.stride(), value.dtype
    return tuple(map(_signature, value)) if isinstance(value, list | tuple) else (type(value), value)


def _array(tensor: Tensor, copy: bool) -> NDArray[np.float32]:
    return np.array(tensor.float().numpy(), copy=copy or None)


def _has_fractions(tensors: list[Tensor]) -> bool:
    return any(tensor.is_floating_point() or tensor.is_complex() for tensor in tensors)


def _macs(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any, tensors: list[Tensor]) -> int:
    if func.overloadpacket in flop_registry:
        return int(flop_registry[func.overloadpacket](*args, **kwargs, out_val=result)) // 2
    return max(tensor.numel() for tensor in tensors)
