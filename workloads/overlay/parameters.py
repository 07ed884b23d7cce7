"""A network's numbers as an overlay's memory has them: quantized products, norms, tables of positions; and rows of tokens."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sim.overlay import special
from sim.overlay.compiler.image import Linear, Parameters
from sim.overlay.decoder import Decoder
from sim.quantized import QuantizedTensor
from sim.quantized.blocks import N
from workloads.overlay.forward import OverlayNetwork, rotary_tables

Halves = special.Halves


@dataclass(frozen=True)
class Names:
    """What a family calls the modules of a layer by the decoder's names, and those outside of layers.

    Learned ``positions`` begin at entry ``first`` of their table.
    """

    layer: str
    products: Mapping[str, str]
    norms: Mapping[str, str]
    last_norm: str
    tokens: str
    positions: str = ""
    first: int = 0


_PROJECTIONS = {name: f"self_attn.{name[0]}_proj" for name in ("query", "key", "value")}

_LLAMA = Names(
    "model.layers",
    {**_PROJECTIONS, "output": "self_attn.o_proj", **{name: f"mlp.{name}_proj" for name in ("gate", "up", "down")}},
    {"attention_norm": "input_layernorm", "network_norm": "post_attention_layernorm"},
    "model.norm",
    "model.embed_tokens",
)

NAMES = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "gpt2": Names(
        "transformer.h",
        {**dict.fromkeys(_PROJECTIONS, "attn.c_attn"), "output": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj"},
        {"attention_norm": "ln_1", "network_norm": "ln_2"},
        "transformer.ln_f",
        "transformer.wte",
        "transformer.wpe",
    ),
    "opt": Names(
        "model.decoder.layers",
        {**_PROJECTIONS, "output": "self_attn.out_proj", "up": "fc1", "down": "fc2"},
        {"attention_norm": "self_attn_layer_norm", "network_norm": "final_layer_norm"},
        "model.decoder.final_layer_norm",
        "model.decoder.embed_tokens",
        "model.decoder.embed_positions",
        first=2,  # OPTLearnedPositionalEmbedding.offset
    ),
}
"""By transformers' ``model_type``."""

HEAD = "lm_head"


def parameters_of(on_overlay: OverlayNetwork) -> Parameters:
    """The numbers of a network on an overlay, its weights as the hardware in the loop multiplies by them.

    Raises ``InputError`` for weights that an overlay does not have.
    """
    decoder, names = on_overlay.decoder, names_of(on_overlay)
    own = on_overlay.network.state_dict()
    quantized: dict[str, QuantizedTensor] = {}

    def linear(product: str, module: str) -> Linear:
        if module not in quantized:
            quantized[module] = on_overlay.hardware.weights_of(module, _matrix(on_overlay, module))
        weights, bias, columns = quantized[module], own.get(f"{module}.bias"), _columns(decoder, product, names)
        return Linear(_of_columns(weights, columns), None if bias is None else bias[columns].numpy())

    layers = [f"{names.layer}.{number}" for number in range(decoder.layers)]
    return Parameters(
        tuple({name: linear(name, f"{layer}.{module}") for name, module in names.products.items()} for layer in layers),
        tuple({name: _norm(own, f"{layer}.{module}") for name, module in names.norms.items()} for layer in layers),
        _norm(own, names.last_norm),
        linear("head", HEAD),
        np.concatenate(rotary_tables(on_overlay.network, decoder.context), axis=1) if decoder.rotary else None,
    )


def names_of(on_overlay: OverlayNetwork) -> Names:
    """Of the network's family."""
    return NAMES[on_overlay.network.config.model_type]


def rows_of(on_overlay: OverlayNetwork, tokens: Tensor, position: int) -> Halves:
    """Embeddings ``[tokens, hidden]`` of ``tokens [tokens]``, the first of which is at ``position``."""
    names, own = names_of(on_overlay), on_overlay.network.state_dict()
    rows: Halves = own[f"{names.tokens}.weight"][tokens].numpy()
    if not names.positions:
        return rows
    first = names.first + position
    return special.add(rows, own[f"{names.positions}.weight"][first : first + len(tokens)].numpy())


def _matrix(on_overlay: OverlayNetwork, module: str) -> Tensor:
    """Weights ``[k, n]``, as a product with them sees them."""
    layer = on_overlay.network.get_submodule(module)
    weights: Tensor = layer.get_parameter("weight")
    return weights if type(layer).__name__ == "Conv1D" else weights.T


def _columns(decoder: Decoder, product: str, names: Names) -> slice:
    """Those of a product among the columns of its module, which may have several products side by side."""
    module = names.products.get(product, HEAD)
    first = 0
    for other, its_module in names.products.items():
        if other == product:
            break
        first += decoder.products[other][1] * (its_module == module)
    else:
        first = 0
    return slice(first, first + decoder.products[product][1])


def _of_columns(weights: QuantizedTensor, columns: slice) -> QuantizedTensor:
    def own(numbers: NDArray[N]) -> NDArray[N]:
        return np.ascontiguousarray(numbers[:, columns])

    zero = None if weights.zero is None else own(weights.zero)
    return QuantizedTensor(own(weights.codes), weights.scheme, 0, tuple(map(own, weights.scales)), zero)


def _norm(own: Mapping[str, Tensor], module: str) -> Halves:
    rows = [own[f"{module}.{name}"] for name in ("weight", "bias") if f"{module}.{name}" in own]
    stacked: Halves = torch.stack(rows).numpy()
    return stacked
