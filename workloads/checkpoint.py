"""Models: the embedded one by name, others from a folder in Hugging Face layout, checked before they are used."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from sim.errors import InputError

DATA = Path(__file__).parent / "data"

MODELS: dict[str, Path] = {"tiny-stdlib": DATA / "tiny-stdlib"}
"""Embedded models: folders in Hugging Face layout with ``heldout.txt`` beside the weights."""

HELD_OUT_TEXT = MODELS["tiny-stdlib"] / "heldout.txt"
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
            return torch.frombuffer(bytearray(text), dtype=torch.uint8).long()
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        except (OSError, ValueError):
            raise InputError(f"model {self.name!r} is not byte-level and has no tokenizer in {str(self.folder)!r}") from None
        ids: torch.Tensor = tokenizer(text.decode(errors="replace"), return_tensors="pt").input_ids[0]
        return ids


def load_model(name_or_folder: str) -> LanguageModel:
    """The embedded model of that name, or the one in a folder with ``config.json`` and safetensors weights.

    Nothing is downloaded and nothing in the folder is executed. Raises ``InputError`` when the folder, its
    configuration or one of its tensors (missing, of another shape, not finite) cannot be used.
    """
    folder = MODELS.get(name_or_folder, Path(name_or_folder))
    if not folder.is_dir():
        raise InputError(f"unknown model {name_or_folder!r}; known are {', '.join(MODELS)}, or a folder with config.json")
    config = _read_config(folder)
    _check_tensors(folder, config)
    transformers_logging.disable_progress_bar()
    network = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=torch.float32)
    return LanguageModel(folder.resolve().name, folder, network.eval())


def _read_config(folder: Path) -> AutoConfig:
    if not (folder / "config.json").is_file():
        raise InputError(f"model folder {str(folder)!r} has no config.json; one in Hugging Face layout is needed")
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{str(folder / 'config.json')!r} is not a configuration that transformers knows: {reason}") from None


def _check_tensors(folder: Path, config: AutoConfig) -> None:
    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(config)
    tied = set(getattr(skeleton, "all_tied_weights_keys", None) or {})
    expected = {name: tuple(tensor.shape) for name, tensor in skeleton.state_dict().items() if name not in tied}
    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 - not a dict
                    _check_tensor(path, name, file.get_tensor(name), expected)
                    expected.pop(name, None)
        except (SafetensorError, OSError) as error:
            raise InputError(f"weights {str(path)!r} cannot be read as safetensors: {error}") from None
    if expected:
        raise InputError(f"model folder {str(folder)!r} lacks tensor {min(expected)!r} of shape {expected[min(expected)]}")


def _weight_files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        except (ValueError, KeyError, AttributeError):
            raise InputError(f"{str(index)!r} is not an index with a weight_map") from None
        return [folder / Path(name).name for name in names]
    if not (folder / "model.safetensors").is_file():
        raise InputError(f"model folder {str(folder)!r} has no model.safetensors; safetensors weights are needed")
    return [folder / "model.safetensors"]


def _check_tensor(path: Path, name: str, tensor: torch.Tensor, expected: dict[str, tuple[int, ...]]) -> None:
    if name in expected and tuple(tensor.shape) != expected[name]:
        raise InputError(f"tensor {name!r} of {str(path)!r} has shape {tuple(tensor.shape)}, allowed is {expected[name]}")
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise InputError(f"tensor {name!r} of {str(path)!r} holds NaN or infinity; weights are finite numbers")
