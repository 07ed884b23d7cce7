"""Models on torch's meta device, where tensors have sizes and no numbers: how they are built and what they are given."""

import inspect
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    AutoModelForMaskedLM,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.initialization import no_init_weights

from sim.errors import InputError
from workloads.meta_layers import IMPLEMENTATION, Past
from workloads.reasons import reason
from workloads.zoo import parse_config, stated_context

KINDS = {
    "ForCausalLM": AutoModelForCausalLM,
    "LMHeadModel": AutoModelForCausalLM,
    "ForMaskedLM": AutoModelForMaskedLM,
    "ForImageClassification": AutoModelForImageClassification,
}
"""How transformers builds a model, by the end of its architecture's name."""

SEQUENCE = 512
"""Tokens of a sequence where none are given and the model allows as many."""


@lru_cache(maxsize=8)
def network(path: str, text: str) -> PreTrainedModel:
    """The model that ``text``, the content of the file ``path``, configures; no weight is allocated or initialised.

    Raises ``InputError`` for a configuration that transformers cannot build.
    """
    try:
        config = parse_config(text)
    except Exception as error:
        raise InputError(f"{path!r} is not a configuration that transformers knows: {reason(error)}") from None
    kind = _kind(path, config)
    attention = IMPLEMENTATION if kind._model_mapping[type(config)]._supports_attention_backend else "eager"
    try:
        with torch.device("meta"), no_init_weights():
            model = kind.from_config(config, trust_remote_code=False, attn_implementation=attention)
        model.tie_weights()
    except Exception as error:
        raise InputError(f"{path!r} does not configure a model that can be built: {reason(error)}") from None
    return model.eval()


def _kind(path: str, config: PretrainedConfig) -> Any:
    architecture = (config.architectures or ["ForCausalLM"])[0] if isinstance(config.architectures, list | None) else None
    if not isinstance(architecture, str):
        raise InputError(f"architectures of {path!r} is a list of names, not {config.architectures!r}")
    kinds = [kind for end, kind in KINDS.items() if architecture.endswith(end) and type(config) in kind._model_mapping]
    if not kinds:
        raise InputError(f"model {path!r} is a {architecture} of type {config.model_type}; understood are {', '.join(KINDS)}")
    return kinds[0]


def checked_sequence(model: PreTrainedModel, sequence: int | None) -> int:
    """The length [token] of sequences; ``InputError`` for one beyond the model's context."""
    context = stated_context(model.config)
    if sequence is None:
        return SEQUENCE if context is None else min(SEQUENCE, context)
    if context is not None and sequence > context:
        raise InputError(f"sequence is at most the model's context of {context} tokens, not {sequence}")
    return sequence


def takes_images(model: PreTrainedModel) -> bool:
    """Whether a model's input is images, which have as many tokens as their size makes."""
    return bool(model.main_input_name == "pixel_values")


def images(model: PreTrainedModel, batch: int) -> dict[str, Any]:
    """Arguments of a pass over images of the model's own size."""
    size = model.config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    return {"pixel_values": torch.empty(batch, model.config.num_channels, height, width, device="meta")}


def tokens(model: PreTrainedModel, batch: int, new: int, past: int) -> dict[str, Any]:
    """Arguments of a pass over ``new`` tokens of each sequence, ``past`` of which are in the KV cache."""
    arguments: dict[str, Any] = {"input_ids": torch.empty(batch, new, dtype=torch.long, device="meta")}
    if model.can_generate():
        arguments["use_cache"] = past > 0
        if past:
            arguments["past_key_values"] = Past(model.config, past)
    return arguments | last_logits(model)


def last_logits(model: PreTrainedModel) -> dict[str, Any]:
    """The argument by which a model computes logits of the last position alone, as in generation, if it has one."""
    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}


def run(path: str, model: PreTrainedModel, arguments: dict[str, Any]) -> dict[str, Tensor]:
    """The results of a pass; ``InputError`` where it depends on numbers, not on sizes alone."""
    try:
        return dict(model(**arguments))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"model {path!r} cannot be run on sizes alone: {reason(error)}") from None
