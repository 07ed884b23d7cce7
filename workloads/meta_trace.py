"""Sees each operation that a model does on meta tensors, and makes of it what an accelerator is asked to do.

Matrix products become :class:`~sim.operators.Product`, all else vector work. Who made which numbers is followed by the
storage in which they are, so views need no attention, and through operations that only move numbers.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

from sim.operators import Operator, Product, ProductKind
from workloads.aten_products import PRODUCTS, Sizes
from workloads.lane_operations import CREATES, LANES, MOVES
from workloads.vector_passes import Numbers, Pass, distinct, storage, stored, tensors_in


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the operators of what runs inside :meth:`recording`, in order, under the names of the modules.

    Arithmetic on whole numbers alone (positions, masks) is taken for addressing and costs nothing. Operations that are
    in no table are counted as one operation for each number, and listed in ``unknown``.
    """

    def __init__(self, names: dict[nn.Module, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names = names
        self.unknown: set[str] = set()
        self._modules = [""]
        self._operators: list[Operator | Pass] = []
        self._pass: Pass | None = None
        self._numbers: dict[int, tuple[Numbers, ...]] = {}
        self._kept: list[Tensor] = []  # a storage that is freed could give its place to another
        self._is_new: dict[Any, bool] = {}
        self._sizes: dict[object, tuple[torch.Size, tuple[int, ...], torch.dtype]] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Within the context, everything is recorded."""
        hooks = [register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave)]
        try:
            with torch.no_grad(), self:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def operators(self) -> tuple[Operator, ...]:
        """All that was recorded."""
        done: list[Operator] = []
        for operator in self._operators:
            done.append(operator.work(done) if isinstance(operator, Pass) else operator)
        return tuple(done)

    def add(self, operator: Operator) -> int:
        """Record an operator; returns its place."""
        self._pass = None
        self._operators.append(operator)
        return len(self._operators) - 1

    def product(self, name: str, sizes: Sizes, kind: ProductKind = "linear") -> int:
        """Record a product; returns its place."""
        return self.add(Product(name, sizes.m, sizes.k, sizes.n, sizes.count, kind, self.sources(sizes.operands)))

    def sources(self, results: Iterable[Any]) -> tuple[int, ...]:
        """The operators that made the tensors among these, which are needed from here on."""
        places = set()
        for tensor in tensors_in(results):
            for numbers in self._origins(tensor):
                numbers.leave = True
                if numbers.operator is not None:
                    places.add(numbers.operator)
        return tuple(sorted(places))

    def made(self, tensor: Tensor, *places: int) -> Tensor:
        """State that these operators made this tensor."""
        self._hold(tensor, tuple(Numbers(place, tensor.numel()) for place in places))
        return tensor

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        kwargs = kwargs or {}
        result = self._sized(func, args, kwargs)
        name = func.overloadpacket.__name__
        name = name[:-1] if name.endswith("_") else name  # in place
        if name in MOVES:
            self._moved(result, [*tensors_in(args)])
        elif name in PRODUCTS:
            sizes = PRODUCTS[name](result, *args)
            self.made(result, self.product(self._modules[-1], sizes))
            if sizes.bias is not None:
                self._computed("add", [result], [result, sizes.bias])
        elif name not in CREATES:
            self._computed(name, [*tensors_in((result,))], [*tensors_in(args), *tensors_in(kwargs.values())])
        return result

    def _sized(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What torch returns. Layers are alike, and finding out how large a result is takes torch most of a pass."""
        if func not in self._is_new:
            schema = func._schema
            aliases = any(argument.alias_info for argument in (*schema.arguments, *schema.returns))
            self._is_new[func] = len(schema.returns) == 1 and not aliases
        if kwargs or not self._is_new[func]:
            return func(*args, **kwargs)
        key = (func, *map(_signature, args))
        if key not in self._sizes:
            result = func(*args)
            if isinstance(result, Tensor):
                self._sizes[key] = (result.size(), result.stride(), result.dtype)
            return result
        size, stride, dtype = self._sizes[key]
        return torch.empty_strided(size, stride, dtype=dtype, device="meta")

    def _enter(self, module: nn.Module, args: Any) -> None:
        del args
        self._modules.append(self.names.get(module, self._modules[-1]))

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        del module, args, output
        self._modules.pop()

    def _hold(self, tensor: Tensor, numbers: tuple[Numbers, ...]) -> None:
        self._kept.append(tensor)
        self._numbers[storage(tensor)] = numbers

    def _origins(self, tensor: Tensor) -> tuple[Numbers, ...]:
        if storage(tensor) not in self._numbers:
            self._hold(tensor, (Numbers(None, stored(tensor)),))
        return self._numbers[storage(tensor)]

    def _moved(self, result: Any, operands: list[Tensor]) -> None:
        for tensor in tensors_in((result,)):
            if len(operands) != 1 or storage(tensor) != storage(operands[0]):
                self._hold(tensor, tuple(dict.fromkeys(origin for operand in operands for origin in self._origins(operand))))

    def _computed(self, name: str, results: list[Tensor], operands: list[Tensor]) -> None:
        is_complex = any(tensor.is_complex() for tensor in results + operands)
        if not is_complex and not any(tensor.is_floating_point() for tensor in results + operands):
            self._moved(results, operands)
            return
        if name not in LANES or is_complex:
            self.unknown.add(f"{name} of complex numbers" if is_complex else name)
        if self._pass is None or self._pass.name != self._modules[-1]:
            self._pass = Pass(self._modules[-1], len(self._operators))
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
