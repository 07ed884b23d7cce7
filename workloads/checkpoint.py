"""Models: the embedded one by name, others from a folder in Hugging Face layout, checked before they are used."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from sim.errors import InputError
from workloads.embedded import model_folder
from workloads.zoo import parse_config, reason

BYTES = 256


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model in fp32 and the folder that it came from."""

    name: str
    folder: Path
    network: PreTrainedModel

    @property
    def context(self) -> int:
        """The longest sequence [token] that the model was made for."""
        return int(self.network.config.max_position_embeddings)

    @property
    def is_byte_level(self) -> bool:
        """Whether a token is one byte of text."""
        return bool(self.network.config.vocab_size == BYTES)

    def encode(self, text: bytes) -> torch.Tensor:
        """Token numbers ``[tokens]`` of a text: its bytes, or what the folder's own tokenizer makes of it."""
        if self.is_byte_level:
            return torch.tensor(list(text), dtype=torch.long)
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        except Exception:
            raise InputError(f"model {self.name!r} is not byte-level and has no tokenizer in {str(self.folder)!r}") from None
        ids: torch.Tensor = tokenizer(text.decode(errors="replace"), return_tensors="pt").input_ids[0]
        return ids


def load_model(name_or_folder: str) -> LanguageModel:
    """The embedded model of that name, or the one in a folder with ``config.json`` and safetensors weights.

    Nothing is downloaded and nothing in the folder is executed. Raises ``InputError`` when the folder, its
    configuration or one of its tensors (missing, of another shape, not finite) cannot be used.
    """
    folder = model_folder(name_or_folder)
    config = _read_config(folder)
    if not any(folder.glob("*.safetensors")):
        raise InputError(f"model folder {str(folder)!r} has no safetensors file; weights in that form are needed")
    network = _read_weights(folder, config)
    _check_finite(folder, network)
    return LanguageModel(folder.resolve().name, folder, network.eval())


def _read_config(folder: Path) -> PretrainedConfig:
    if not (folder / "config.json").is_file():
        raise InputError(f"model folder {str(folder)!r} has no config.json; one in Hugging Face layout is needed")
    path = str(folder / "config.json")
    try:
        config = parse_config(Path(path).read_text())
        with torch.device("meta"):
            AutoModelForCausalLM.from_config(config, trust_remote_code=False, attn_implementation="eager")
    except Exception as error:
        raise InputError(f"{path!r} is not a language model's configuration that transformers knows: {reason(error)}") from None
    if getattr(config, "quantization_config", None) is not None:
        raise InputError(f"{path!r} has a quantization_config; weights that are not quantized yet are needed")
    if not isinstance(getattr(config, "max_position_embeddings", None), int):
        raise InputError(f"{path!r} has no max_position_embeddings; a model with a stated context is needed")
    return config


def _read_weights(folder: Path, config: PretrainedConfig) -> PreTrainedModel:
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        network, info = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            trust_remote_code=False,
            attn_implementation="eager",
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise InputError(f"weights in {str(folder)!r} cannot be read: {reason(error)}") from None
    for name, found, expected in sorted(info["mismatched_keys"]):
        raise InputError(f"tensor {name!r} in {str(folder)!r} has shape {tuple(found)}, allowed is {tuple(expected)}")
    for name in sorted(info["missing_keys"]):
        shape = tuple(network.get_parameter_or_buffer(name).shape)
        raise InputError(f"model folder {str(folder)!r} lacks tensor {name!r} of shape {shape}")
    return network


def _check_finite(folder: Path, network: PreTrainedModel) -> None:
    for name, tensor in network.named_parameters():
        if not torch.isfinite(tensor).all():
            raise InputError(f"tensor {name!r} in {str(folder)!r} holds NaN or infinity; weights are finite numbers")
