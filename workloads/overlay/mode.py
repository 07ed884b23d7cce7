"""A network's pass in fp16 on an overlay: operations of torch are the engine's, the special-function unit's, or refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from sim.errors import InputError
from sim.overlay import special
from sim.overlay.special.numbers import rounded
from workloads.lane_operations import CREATES, MOVES
from workloads.products import Multiply, ProductMode, SeenProduct
from workloads.provenance import tensors_in

FREE = MOVES | CREATES | {"embedding"}
"""Operations that compute no number."""

ELEMENTWISE: dict[str, Callable[..., special.Halves]] = {
    "add": special.add,
    "mul": special.multiply,
    "neg": np.negative,
    **{name: special.OPERATIONS[name].function for name in ("relu", "silu", "gelu", "gelu_tanh")},
}
"""By the name of the aten operation, with the form of GELU; to change a sign costs nothing, nor does a product with 1."""


class OverlayMode(ProductMode):  # type: ignore[no-untyped-call]
    """``multiply`` computes products in fp32, the special-function unit has ``lanes``.

    Raises ``InputError`` for an operation that an overlay does not have.
    """

    def __init__(self, network: nn.Module, multiply: Multiply, lanes: int) -> None:
        super().__init__(network, multiply)
        self._lanes = lanes

    def product(self, seen: SeenProduct, func: Any, args: tuple[Any, ...]) -> Tensor:
        """A product without a bias."""
        del func, args
        return halves(seen.name, self._sums(seen))

    def other(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What another operation returns."""
        if name in FREE or not any(tensor.is_floating_point() for tensor in tensors_in(args)):
            return super().other(func, name, args, kwargs)
        if name == "native_layer_norm":
            return self._layer_norm(*args)
        if name == "mul" and not isinstance(args[1], Tensor) and args[1] == 1:
            return args[0].clone()
        form = kwargs.pop("approximate", "none") if name == "gelu" else "none"
        operation = ELEMENTWISE.get(f"gelu_{form}" if form != "none" else name)
        whole = all(isinstance(a, Tensor) and a.dtype == torch.float16 for a in args)
        if operation is None or not whole or kwargs or func._schema.is_mutable:
            kinds = ", ".join(str(getattr(a, "dtype", a)) for a in args)
            raise InputError(f"an overlay has no operation {func} of {kinds}, which {self.module or 'the network'} computes")
        return torch.from_numpy(operation(*(argument.numpy() for argument in args)))

    def _simpler(self, func: Any, name: str, writes: bool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name != "addmm":
            return super()._simpler(func, name, writes, args, kwargs)
        bias, *factors = args
        seen = self._see("mm", tuple(factors))
        assert seen is not None, "rows by weights are a product"
        with _disable_current_modes():
            return halves(seen.name, self._sums(seen) + bias.float())

    def _sums(self, seen: SeenProduct) -> Tensor:
        """A product in fp32."""
        return seen.result(self.multiply(seen.name, seen.activations.float(), seen.weights))

    def _layer_norm(self, x: Tensor, shape: list[int], weight: Tensor, bias: Tensor, epsilon: float) -> tuple[Tensor, ...]:
        if weight is None or bias is None:
            raise InputError(f"LayerNorm of {self.module} on an overlay has weights and biases, which it has not")
        rows = x.numpy().reshape(-1, shape[0])
        normed = special.layer_norm(rows, weight.numpy(), bias.numpy(), epsilon, self._lanes)
        unused = x.new_empty(0)
        return torch.from_numpy(normed).view(x.shape), unused, unused


def halves(name: str, results: Tensor) -> Tensor:
    """fp32 results as fp16; ``InputError`` for one that does not fit."""
    return torch.from_numpy(rounded(name, results.contiguous().numpy()))
