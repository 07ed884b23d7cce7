"""Which tensors of a folder are layers in the codes of a method of quantization, and which are floats."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.errors import InputError, choose
from workloads.checkpoints import awq, compressed_tensors, gptq
from workloads.checkpoints.packed import Packed, Tensors
from workloads.checkpoints.stored import Stored


@dataclass(frozen=True)
class Method:
    """How layers are stored: the last ``parts`` of the names of their tensors, of which each layer has the first one.

    Tensors whose names end with ``of_activations`` say how activations and caches are quantized, which is the design's here.
    """

    parts: tuple[str, ...]
    layer: Callable[[Tensors, Mapping[str, Any]], Packed]
    of_activations: tuple[str, ...] = ()


METHODS: dict[str, Method] = {
    "gptq": Method(gptq.PARTS, gptq.gptq_layer),
    "awq": Method(awq.PARTS, awq.awq_layer),
    "compressed-tensors": Method(
        compressed_tensors.PARTS, compressed_tensors.compressed_layer, compressed_tensors.OF_ACTIVATIONS
    ),
}
"""By ``quant_method`` of a configuration's ``quantization_config``."""


def separated(stored: Mapping[str, Stored], config: Mapping[str, Any]) -> tuple[dict[str, Stored], dict[str, Packed]]:
    """Float tensors by their names, and quantized layers by theirs.

    ``config`` is a ``quantization_config``, empty for floats alone. Raises ``InputError`` for a method that is not known and
    for layers that are not as it stores them.
    """
    if not config:
        return dict(stored), {}
    method = choose("quant_method", str(config.get("quant_method")), METHODS)
    of_layers: dict[str, dict[str, Stored]] = {}
    for name in stored:
        layer, _, part = name.rpartition(".")
        if part == method.parts[0]:
            found = {part: stored[f"{layer}.{part}"] for part in method.parts if f"{layer}.{part}" in stored}
            of_layers[layer] = found
    if not of_layers:
        raise InputError(f"weights by {config['quant_method']} have tensors called {method.parts[0]}, of which there is none")
    used = {f"{layer}.{part}" for layer, parts in of_layers.items() for part in parts}
    floats = {name: tensor for name, tensor in stored.items() if name not in used and not name.endswith(method.of_activations)}
    return floats, {layer: method.layer(Tensors(layer, parts), config) for layer, parts in of_layers.items()}
