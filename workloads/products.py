"""A network's pass with every matrix product seen, and handed to one function that computes it.

Hardware in the loop computes products by its own arithmetic, a trace notes what they are. Nothing is known of
architectures: what torch is asked to multiply (:mod:`workloads.aten_products`, :mod:`workloads.rewrites`) is what is seen.

A product is called by the module that has its weights. One without weights is attention's: ``<module>.scores`` of queries
and keys, ``<module>.values`` of what came out of the softmax and values; the queries that share a head of keys and values
are stacked along ``m``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.hooks import RemovableHandle

from sim.design import CACHE_KINDS
from sim.operators import ProductKind
from workloads.aten_products import PRODUCTS
from workloads.provenance import Provenance
from workloads.rewrites import REWRITES

Multiply = Callable[[str, Tensor, Tensor], Tensor]
"""From a name, activations ``[count, m, k]`` and weights ``[count, k, n]`` to the products ``[count, m, n]``."""


def is_attention(name: str) -> bool:
    """Whether a product is one of attention's, told by its name."""
    return name.rpartition(".")[2] in CACHE_KINDS


def float_multiply(name: str, activations: Tensor, weights: Tensor) -> Tensor:
    """The product as torch computes it."""
    del name
    return activations @ weights


@contextmanager
def products_by(network: nn.Module, multiply: Multiply) -> Iterator[None]:
    """Within the context, every matrix product of the network is computed by ``multiply``."""
    with ProductMode(network, multiply).watching():
        yield


@dataclass(frozen=True)
class SeenProduct:
    """A product that torch is asked for: ``activations [count, m, k]`` by ``weights [count, k, n]``.

    ``result`` makes of its ``[count, m, n]`` what the operation returns; ``operands`` are the operation's own.
    """

    name: str
    kind: ProductKind
    activations: Tensor
    weights: Tensor
    operands: tuple[Tensor, Tensor]
    result: Callable[[Tensor], Tensor]


class ProductMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees each operation that torch does inside :meth:`watching`, and in which module."""

    def __init__(self, network: nn.Module, multiply: Multiply = float_multiply) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.multiply = multiply
        self._names: dict[nn.Module, str] = {module: name for name, module in network.named_modules()}
        self._modules = [""]
        self._provenance = Provenance(network)

    @property
    def module(self) -> str:
        """The module that is at work."""
        return self._modules[-1]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within the context, everything is seen."""
        # after the hooks that a module has already, one of which may read its weights
        hooks: list[RemovableHandle] = []
        for module in self._names:
            hooks += [module.register_forward_pre_hook(self._enter), module.register_forward_hook(self._leave)]
        try:
            # inference mode would show operations that are made of others, one level more of each
            with torch.inference_mode(False), torch.no_grad(), self:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        kwargs = kwargs or {}
        name, is_composite, writes = _about(func)
        if name in REWRITES or name in PRODUCTS or is_composite:
            with self:
                result = self._simpler(func, name, writes, args, kwargs)
            if result is not NotImplemented:
                return result
        if name in PRODUCTS:
            seen = self._see(name, args)
            return self.other(func, "mul", args, kwargs) if seen is None else self.product(seen, func, args)
        return self.other(func, name, args, kwargs)

    def product(self, seen: SeenProduct, func: Any, args: tuple[Any, ...]) -> Tensor:
        """What a product's operation returns."""
        del func, args
        return seen.result(self.multiply(seen.name, seen.activations, seen.weights))

    def other(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What another operation returns."""
        result = func(*args, **kwargs)
        self._provenance.note(name, result, args)
        return result

    def _simpler(self, func: Any, name: str, writes: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result by simpler operations, each of which is seen, or ``NotImplemented``."""
        if writes and (name in REWRITES or name in PRODUCTS):
            into = kwargs.get("out", args[0])
            return into.copy_(getattr(torch.ops.aten, name)(*args, **{k: v for k, v in kwargs.items() if k != "out"}))
        result = REWRITES[name](func, *args, **kwargs) if name in REWRITES else NotImplemented
        return func.decompose(*args, **kwargs) if result is NotImplemented else result

    def _see(self, operation: str, args: tuple[Any, ...]) -> SeenProduct | None:
        """A product, or nothing where no sum is taken: of numbers of two kinds, each by each."""
        factors, known = PRODUCTS[operation](*args), self._provenance
        left, right, result = factors.left, factors.right, factors.result
        a, b = factors.operands
        weight = known.weight(b, self.module)
        is_turned = weight is None and (known.is_probabilities(b) or known.weight(a, self.module) is not None)
        if is_turned:
            left, right, a, b = right.mT, left.mT, b, a
            weight = known.weight(b, self.module)
        count, m, k = left.shape
        n, times = right.shape[2], known.repeats(right)
        kind: ProductKind = "linear" if weight is not None else "values" if known.is_probabilities(a) else "scores"
        if kind == "scores" and k == 1:
            return None

        def whole(y: Tensor) -> Tensor:
            y = y.reshape(count, m, n)
            return result(y.mT if is_turned else y)

        stacked = left.reshape(count // times, times * m, k)
        name = f"{self.module}.{kind}".lstrip(".") if weight is None else weight
        return SeenProduct(name, kind, stacked, right[::times], factors.operands, whole)

    def _enter(self, module: nn.Module, args: Any) -> None:
        del args
        self._modules.append(self._names[module])
        self._provenance.learn(self.module, module)

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        del module, args, output
        self._modules.pop()
        if len(self._modules) == 1:
            self._provenance.forget()


@lru_cache(maxsize=1024)
def _about(func: Any) -> tuple[str, bool, bool]:
    """An operation's name without its overload, whether it is made of others, and whether it writes into an operand."""
    name = func.overloadpacket.__name__
    return name.removesuffix("_"), func._can_decompose(), name.endswith("_") or func._overloadname == "out"
