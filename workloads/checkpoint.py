"""Models: the embedded one by name, others from a folder in Hugging Face layout or a GGUF file, checked before use."""

import codecs
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.initialization import no_init_weights
from transformers.utils import logging as transformers_logging

from sim.errors import InputError
from workloads.checkpoints.gguf import gguf_tensors
from workloads.checkpoints.methods import separated
from workloads.checkpoints.stored import stored_tensors
from workloads.checkpoints.weights import Weights, attach
from workloads.embedded import model_folder
from workloads.reasons import reason
from workloads.recipes.layer import QuantizedLayer
from workloads.zoo import CONTEXTS, config_path, config_text, parse_config, stated_context

BYTES = 256

PART = "\ufffd"
"""What a token is decoded to that is no whole character."""

CONTINUATION = bytes(range(0x80, 0xC0))
"""Bytes of UTF-8 behind the first one of a character, which has at most three."""


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model in fp32 and the folder or the GGUF file that it came from.

    ``layers`` are the linear layers that are quantized there, by module name, read each time that they are asked for; the
    network multiplies by the floats that their codes stand for. A large network holds no weights but those of the module at
    work; ``parameter`` reads one by its name.
    """

    name: str
    folder: Path
    network: PreTrainedModel
    layers: Mapping[str, QuantizedLayer] = field(default_factory=dict)
    parameter: Callable[[str], torch.Tensor] | None = None

    @property
    def context(self) -> int:
        """The longest sequence [token] that the model was made for."""
        context = stated_context(self.network.config)
        assert context is not None, "a model without is not loaded"
        return context

    @property
    def is_held(self) -> bool:
        """Whether the network holds all of its weights."""
        return not any(parameter.is_meta for parameter in self.network.parameters())

    @property
    def is_byte_level(self) -> bool:
        """Whether a token is one byte of text."""
        return bool(self.network.config.vocab_size == BYTES)

    def encode(self, text: bytes) -> torch.Tensor:
        """Token numbers ``[tokens]`` of a text: its bytes, or what the model's own tokenizer makes of its whole characters.

        Raises ``InputError`` for a tokenizer that is missing, or that is another model's, and for a text for it that is not
        UTF-8.
        """
        if self.is_byte_level:
            return torch.tensor(list(text), dtype=torch.long)
        try:
            characters = whole_characters(text).decode()
        except UnicodeDecodeError as error:
            raise InputError(f"a text for a tokenizer is UTF-8, not {text[error.start : error.start + 8]!r}") from None
        ids = torch.tensor(self._tokenizer(characters).input_ids, dtype=torch.long)
        known = self.network.get_input_embeddings().weight.shape[0]
        if len(ids) and ids.max() >= known:
            raise InputError(f"tokenizer of model {self.name!r} makes tokens below the model's {known}, not {int(ids.max())}")
        return ids

    def predicted_bytes(self, text: bytes) -> int:
        """Bytes of a text that are predicted: those of all its tokens but the first, which has none if it is a special one.

        The first counts as one byte where it is a part of a character. Raises ``InputError`` where nothing is predicted.
        """
        if self.is_byte_level:
            predicted = len(text) - 1
        else:
            first = self._tokenizer.decode(self.encode(text)[:1], skip_special_tokens=True)
            predicted = len(whole_characters(text)) - len(first.replace(PART, "?").encode())
        if predicted < 1:
            raise InputError(f"a text of at least 2 tokens is needed, of which the first is not predicted, not {text!r}")
        return predicted

    @cached_property
    def _tokenizer(self) -> Any:
        place: dict[str, Any] = {"pretrained_model_name_or_path": self.folder}
        if self.folder.suffix == ".gguf":
            place = {"pretrained_model_name_or_path": self.folder.parent, "gguf_file": self.folder.name}
        try:
            return AutoTokenizer.from_pretrained(**place, local_files_only=True, trust_remote_code=False)
        except Exception:
            raise InputError(f"model {self.name!r} is not byte-level and has no tokenizer in {str(self.folder)!r}") from None


def whole_characters(text: bytes) -> bytes:
    """A stretch of a text in UTF-8 without the parts of characters at which it was cut off."""
    begin = len(text) - len(text.lstrip(CONTINUATION))
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    decoder.decode(text)
    return text[begin if begin < 4 else 0 : len(text) - len(decoder.getstate()[0])]


def load_model(name_or_folder: str) -> LanguageModel:
    """The embedded model of that name, the one in a folder with ``config.json`` and weights, or the one in a GGUF file.

    Weights are floats, or quantized by a method of :mod:`workloads.checkpoints.methods` or in a GGUF file. Nothing is
    downloaded and nothing in a file is executed. Raises ``InputError`` when a file, the configuration or one of the tensors
    (missing, of another shape, not finite) cannot be used.
    """
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    path = model_folder(name_or_folder)
    config_file = config_path(str(path))
    text = config_text(config_file)
    network = _empty_network(config_file, text)
    if path.suffix == ".gguf":
        floats, packed = gguf_tensors(path, network)
    else:
        floats, packed = separated(stored_tensors(path), json.loads(text).get("quantization_config") or {})
    weights = Weights.of(str(path), network, floats, packed)
    attach(weights)
    name = path.resolve().stem if path.suffix == ".gguf" else path.resolve().name
    return LanguageModel(name, path, network, weights.layers, weights.read)


def _empty_network(path: Path, text: str) -> PreTrainedModel:
    """A network whose parameters have sizes and no numbers yet."""
    try:
        config = parse_config(text)
        with torch.device("meta"), no_init_weights():
            network = AutoModelForCausalLM.from_config(
                config, dtype=torch.float32, trust_remote_code=False, attn_implementation="eager"
            )
        network.tie_weights()
        _compute_buffers(network)
    except Exception as error:
        raise InputError(
            f"{str(path)!r} is not a language model's configuration that transformers knows: {reason(error)}"
        ) from None
    if stated_context(config) is None:
        raise InputError(f"{str(path)!r} states no context, as max_position_embeddings or {', '.join(CONTEXTS[1:])}")
    return network.eval()


def _compute_buffers(network: PreTrainedModel) -> None:
    """What follows from the configuration alone, such as the angles of rotary embeddings, as transformers' own loader does."""
    for module in network.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty_like(buffer, device="cpu")
    network.initialize_weights()
