"""A decoder's sizes from its Hugging Face configuration, of the families that the overlay's compiler knows."""

from collections.abc import Callable
from typing import Any

from sim.errors import InputError
from sim.overlay.decoder import Decoder
from workloads.zoo import load_config

FUNCTIONS = {"silu": "silu", "gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
"""Activation functions as transformers calls them."""


def load_decoder(model: str) -> Decoder:
    """Of a bundled configuration's name, a folder with ``config.json`` or such a file.

    Raises ``InputError`` for what is no configuration, or of a family that the overlay does not run.
    """
    return decoder_of(load_config(model), str(model).rstrip("/").rpartition("/")[2].removesuffix(".json"))


def decoder_of(config: Any, name: str = "network") -> Decoder:
    """Of transformers' configuration; raises ``InputError`` for a family that the overlay does not run."""
    if config.model_type not in FAMILIES:
        raise InputError(
            f"an overlay runs decoders of the families {', '.join(FAMILIES)}, not {config.model_type!r} of {name!r}"
        )
    return FAMILIES[config.model_type](name, config)


def _llama(name: str, config: Any) -> Decoder:
    """LLaMA, and what differs from it in biases and sizes alone."""
    _demand(name, "rope_scaling", _rope_kind(config) in ("default", None), _rope_kind(config))
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    attention = getattr(config, "attention_bias", False)
    biases: tuple[str, ...] = ("query", "key", "value") if config.model_type == "qwen2" or attention else ()
    if attention and config.model_type != "qwen2":
        biases += ("output",)
    if getattr(config, "mlp_bias", False):
        biases += ("gate", "up", "down")
    return Decoder(
        name,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_dim=head_dim,
        intermediate=config.intermediate_size,
        vocabulary=config.vocab_size,
        context=min(config.max_position_embeddings, _window(config)),  # beyond a window code would leave tokens out
        norm="rms_norm",
        epsilon=config.rms_norm_eps,
        activation=_function(name, config.hidden_act),
        gated=True,
        rotary=True,
        biases=biases,
    )


def _gpt2(name: str, config: Any) -> Decoder:
    """Learned positions, which the host adds to the rows that it writes; LayerNorm; a bias in every product of a layer."""
    return Decoder(
        name,
        layers=config.n_layer,
        hidden=config.n_embd,
        heads=config.n_head,
        kv_heads=config.n_head,
        head_dim=config.n_embd // config.n_head,
        intermediate=config.n_inner or 4 * config.n_embd,
        vocabulary=config.vocab_size,
        context=config.n_positions,
        norm="layer_norm",
        epsilon=config.layer_norm_epsilon,
        activation=_function(name, config.activation_function),
        gated=False,
        rotary=False,
        biases=("query", "key", "value", "output", "up", "down"),
    )


def _opt(name: str, config: Any) -> Decoder:
    """As GPT-2, with another function between the two products of the feed-forward network."""
    _demand(name, "do_layer_norm_before", config.do_layer_norm_before, config.do_layer_norm_before)
    _demand(name, "word_embed_proj_dim", config.word_embed_proj_dim == config.hidden_size, config.word_embed_proj_dim)
    return Decoder(
        name,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        heads=config.num_attention_heads,
        kv_heads=config.num_attention_heads,
        head_dim=config.hidden_size // config.num_attention_heads,
        intermediate=config.ffn_dim,
        vocabulary=config.vocab_size,
        context=config.max_position_embeddings,
        norm="layer_norm",
        epsilon=1e-5,  # torch's default, which OPT takes
        activation=_function(name, config.activation_function),
        gated=False,
        rotary=False,
        biases=("query", "key", "value", "output", "up", "down") if config.enable_bias else (),
    )


FAMILIES: dict[str, Callable[[str, Any], Decoder]] = {
    "llama": _llama,
    "mistral": _llama,
    "qwen2": _llama,
    "gpt2": _gpt2,
    "opt": _opt,
}
"""By transformers' ``model_type``."""


def _rope_kind(config: Any) -> Any:
    parameters = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    return parameters.get("rope_type", parameters.get("type"))


def _window(config: Any) -> int:
    """Of attention [token]; the context where there is none."""
    used = getattr(config, "use_sliding_window", True)
    return (getattr(config, "sliding_window", None) if used else None) or int(config.max_position_embeddings)


def _function(name: str, function: str) -> str:
    if function not in FUNCTIONS:
        raise InputError(f"activation function of {name} on an overlay is {', '.join(FUNCTIONS)}, not {function!r}")
    return FUNCTIONS[function]


def _demand(name: str, field: str, holds: bool, value: Any) -> None:
    if not holds:
        raise InputError(f"{field} of {name} is one that an overlay's code does not have: {value!r}")
