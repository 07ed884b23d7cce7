"""Configurations of published models, by name or from a file: sizes alone, no weights and no tokenizer."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from sim.errors import InputError
from workloads.embedded import MODELS
from workloads.reasons import reason

if TYPE_CHECKING:
    from transformers import PretrainedConfig

FOLDER = Path(__file__).parent / "configs"

SOURCES = {
    "llama-2-7b": "meta-llama/Llama-2-7b-hf; Touvron et al., arXiv 2307.09288",
    "llama-2-13b": "meta-llama/Llama-2-13b-hf; arXiv 2307.09288",
    "llama-2-70b": "meta-llama/Llama-2-70b-hf; arXiv 2307.09288",
    "llama-3-8b": "meta-llama/Meta-Llama-3-8B; Grattafiori et al., arXiv 2407.21783, table 3",
    "llama-3-70b": "meta-llama/Meta-Llama-3-70B; arXiv 2407.21783, table 3",
    "mistral-7b": "mistralai/Mistral-7B-v0.1; Jiang et al., arXiv 2310.06825, table 1",
    "mixtral-8x7b": "mistralai/Mixtral-8x7B-v0.1; Jiang et al., arXiv 2401.04088, table 1",
    "qwen2.5-0.5b": "Qwen/Qwen2.5-0.5B; Yang et al., arXiv 2412.15115, table 1",
    "qwen2.5-7b": "Qwen/Qwen2.5-7B; arXiv 2412.15115, table 1",
    "gemma-2-9b": "google/gemma-2-9b; Gemma team, arXiv 2408.00118, table 1",
    "opt-125m": "facebook/opt-125m; Zhang et al., arXiv 2205.01068, table 1",
    "opt-6.7b": "facebook/opt-6.7b; arXiv 2205.01068, table 1",
    "gpt2-345m": "openai-community/gpt2-medium; Radford et al. 2019, table 2",
    "gpt2-774m": "openai-community/gpt2-large; Radford et al. 2019, table 2",
    "gpt2-1.5b": "openai-community/gpt2-xl; Radford et al. 2019, table 2",
    "tinyllama-1.1b": "TinyLlama/TinyLlama_v1.1; Zhang et al., arXiv 2401.02385, table 2",
    "vit-b": "google/vit-base-patch16-224; Dosovitskiy et al., arXiv 2010.11929, table 1",
    "vit-h": "google/vit-huge-patch14-224-in21k with 1000 classes; arXiv 2010.11929, table 1",
}
"""Bundled models: the Hugging Face repository whose ``config.json`` has these sizes, and the paper."""

CONFIGS: dict[str, Path] = {name: FOLDER / f"{name}.json" for name in SOURCES}
"""Bundled configurations in Hugging Face's form."""

CONTEXTS = ("max_position_embeddings", "max_seq_len", "seq_length", "max_sequence_length", "n_ctx")
"""What configurations call the longest sequence [token]: most, MPT, BLOOM, and those of other code than transformers'."""


def load_config(name_or_folder: str) -> "PretrainedConfig":
    """The bundled configuration of that name, that of a folder with ``config.json``, or that in a JSON file.

    Nothing is downloaded and nothing is executed. Raises ``InputError`` for an unknown name or a file that is no
    configuration which transformers knows.
    """
    path = config_path(name_or_folder)
    try:
        return parse_config(config_text(path))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{str(path)!r} is not a configuration that transformers knows: {reason(error)}") from None


def config_path(name_or_folder: str) -> Path:
    """Where the configuration of that name, or in that folder, or of that file is; ``InputError`` if there is none."""
    named = MODELS | CONFIGS
    path = named.get(name_or_folder, Path(name_or_folder))
    if path.is_dir():
        path = path / "config.json"
        if not path.is_file():
            raise InputError(f"model folder {name_or_folder!r} has no config.json; one in Hugging Face layout is needed")
    if not path.is_file():
        raise InputError(f"unknown model {name_or_folder!r}; known are {', '.join(named)}, or a folder with config.json")
    return path


def config_text(path: Path) -> str:
    """The content of a configuration's file, or that of a GGUF file's part; ``InputError`` for one that cannot be read."""
    if path.suffix == ".gguf":
        from workloads.checkpoints.gguf import gguf_config  # here, for it needs torch

        return gguf_config(path)
    try:
        return path.read_text()
    except OSError as error:
        raise InputError(f"configuration {str(path)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"configuration {str(path)!r} is not JSON: it is no text in UTF-8") from None


def parse_config(text: str) -> "PretrainedConfig":
    """The configuration in the text of a ``config.json``; raises whatever is wrong with it."""
    from transformers import CONFIG_MAPPING  # here, for the names above are asked for without torch, which takes seconds

    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error})") from None
    if not isinstance(values, dict) or "model_type" not in values:
        raise ValueError("it states no model_type")
    kind = values["model_type"]
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        raise ValueError(f"its model_type is one of transformers, such as 'llama' or 'vit', not {kind!r}")
    values.pop("quantization_config", None)  # codes are read by workloads.checkpoints, never by transformers
    return CONFIG_MAPPING[kind].from_dict(values)


def stated_context(config: "PretrainedConfig") -> int | None:
    """The longest sequence [token] that a model was made for, ``None`` where its configuration says nothing of it."""
    named = (getattr(config, name, None) for name in CONTEXTS)
    return next((length for length in named if isinstance(length, int) and length > 0), None)
