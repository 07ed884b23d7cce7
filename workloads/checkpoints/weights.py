"""A network's weights in files: all of them read and checked once, then held in memory or read while they are at work.

A network whose weights take more than ``HELD`` bytes in fp32 holds those of one module at a time: they are read before the
module runs and dropped after. What is dropped has sizes and no numbers, so that nobody computes with it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from sim.errors import InputError
from workloads.checkpoints.conversion import Source, sources, without_place
from workloads.checkpoints.packed import Packed, dequantized
from workloads.checkpoints.stored import Stored
from workloads.provenance import tensors_in
from workloads.recipes.layer import QuantizedLayer

HELD = 1 << 30
"""[byte] Weights in fp32 up to which a network is held as a whole: 268 million parameters."""


class Dropped(nn.Parameter):
    """Sizes without numbers, on the meta device, that say where the numbers will be while their module is at work.

    Some networks bring numbers to the device of a weight before the module that has it runs.
    """

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("cpu")


class QuantizedLayers(Mapping[str, QuantizedLayer]):
    """Quantized layers by the names of their modules, each read when it is asked for and not kept."""

    def __init__(self, packed: Mapping[str, Packed]) -> None:
        self._packed = packed

    def __getitem__(self, name: str) -> QuantizedLayer:
        return self._packed[name].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


@dataclass(frozen=True, eq=False)
class Weights:
    """Where each parameter and stored buffer of a network comes from, by name: ``sources`` of ``floats`` and ``packed``."""

    where: str
    network: PreTrainedModel
    floats: Mapping[str, Stored]
    packed: Mapping[str, Packed]
    sources: Mapping[str, Source]

    @staticmethod
    def of(where: str, network: PreTrainedModel, floats: Mapping[str, Stored], packed: Mapping[str, Packed]) -> "Weights":
        """Raises ``InputError`` for a tensor of the network that is not in the file or folder ``where``, or the reverse."""
        shapes = {name: tensor.shape for name, tensor in floats.items()}
        shapes |= {f"{name}.weight": layer.shape[::-1] for name, layer in packed.items()}
        found = sources(network, shapes)
        for name, tensor in sorted(network.state_dict().items()):
            if name not in found:
                raise InputError(f"model {where!r} lacks tensor {name!r} of shape {tuple(tensor.shape)}")
        for name in without_place(network, shapes):
            if not _is_no_bias(name, floats):
                kind = network.config.model_type
                raise InputError(f"tensor {name!r} in {where!r} has no place in transformers' {kind!r} of that configuration")
        return Weights(where, network, floats, packed, found)

    @property
    def layers(self) -> QuantizedLayers:
        """The modules that multiply by quantized weights as they are in the files."""
        found = {}
        for name, source in self.sources.items():
            owner, _, own = name.rpartition(".")
            layer = source.names[0].removesuffix(".weight")
            is_product = isinstance(self.network.get_submodule(owner), nn.Linear | Conv1D)
            if source.converter is None and own == "weight" and layer in self.packed and is_product:
                found[owner] = self.packed[layer]
        return QuantizedLayers(found)

    def read(self, name: str) -> Tensor:
        """A parameter or buffer, in fp32 unless it has whole numbers; ``InputError`` where it cannot be used."""
        source, expected = self.sources[name], self.network.get_parameter_or_buffer(name)
        tensor = source.parameters(self._stored)[name]
        owner, _, _ = name.rpartition(".")
        if source.names[0].removesuffix(".weight") in self.packed and isinstance(self.network.get_submodule(owner), Conv1D):
            tensor = tensor.T
        if expected.is_floating_point() and (not tensor.is_floating_point() or tensor.itemsize < 2):
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(f"tensor {name!r} in {self.where!r} has floats of 16 bits or more, not {kind}")
        if tensor.shape != expected.shape:
            shape, allowed = tuple(tensor.shape), tuple(expected.shape)
            raise InputError(f"tensor {name!r} in {self.where!r} has shape {shape}, allowed is {allowed}")
        if not all(math.isfinite(extreme) for extreme in tensor.aminmax()):
            raise InputError(f"tensor {name!r} in {self.where!r} holds NaN or infinity; weights are finite numbers")
        tensor = tensor.to(expected.dtype).contiguous()
        return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()

    def _stored(self, name: str) -> Tensor:
        layer = name.removesuffix(".weight")
        if name not in self.floats:
            return torch.from_numpy(dequantized(self.packed[layer].read())).T
        return self.floats[name].read()


def _is_no_bias(name: str, floats: Mapping[str, Stored]) -> bool:
    """Files of AutoGPTQ have a bias for every layer, which is 0 where the model has none."""
    return name.endswith(".bias") and not floats[name].read().any()


def attach(weights: Weights) -> None:
    """Give a network its weights; raises ``InputError`` for one that cannot be used, whichever way it will be held."""
    network = weights.network
    is_held = sum(parameter.numel() * parameter.itemsize for parameter in network.parameters()) <= HELD
    held: dict[tuple[int, tuple[str, ...]], nn.Parameter] = {}
    for module, prefix in [(module, f"{name}." if name else "") for name, module in network.named_modules()]:
        stored = [own for own in module._buffers if prefix + own in weights.sources]
        for own in stored:
            module._buffers[own] = weights.read(prefix + own)
        empty = {own: parameter for own, parameter in module._parameters.items() if parameter is not None}
        for own, parameter in empty.items():
            tied = id(parameter), weights.sources[prefix + own].names
            if tied not in held:
                held[tied] = nn.Parameter(weights.read(prefix + own), requires_grad=False)
            if is_held:
                module._parameters[own] = held[tied]
            else:
                held.clear()
        if empty and not is_held:
            for parameter in empty.values():
                parameter.__class__ = Dropped
            _read_while_running(module, prefix, weights, empty)


def _read_while_running(module: nn.Module, prefix: str, weights: Weights, empty: Mapping[str, nn.Parameter]) -> None:
    def load(module: nn.Module, args: Any, kwargs: Any) -> None:
        if any(tensor.is_meta for tensor in tensors_in((*args, *kwargs.values()))):
            raise InputError(
                f"weights of model {weights.where!r}, which is too large to be held, are read for the module that has them, "
                f"but others have computed what {prefix.removesuffix('.')!r} is given with them"
            )
        # whoever watches the network is not to see this as a part of its pass
        with _disable_current_modes(), torch.inference_mode(False), torch.no_grad():
            for own in empty:
                module._parameters[own] = nn.Parameter(weights.read(prefix + own), requires_grad=False)

    def drop(module: nn.Module, args: Any, output: Any) -> None:
        del args, output
        module._parameters.update(empty)

    module.register_forward_pre_hook(load, with_kwargs=True)
    module.register_forward_hook(drop, always_call=True)
