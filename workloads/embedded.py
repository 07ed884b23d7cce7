"""The models that come along with their weights. They are named here, for to load torch takes seconds."""

from pathlib import Path

from sim.errors import InputError

DATA = Path(__file__).parent / "data"

MODELS: dict[str, Path] = {"tiny-stdlib": DATA / "tiny-stdlib"}
"""Embedded models: folders in Hugging Face layout with ``heldout.txt`` beside the weights."""

WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "*.index.json")
"""What files of weights, and of where they are, are called in Hugging Face layout."""

HELD_OUT_TEXT = MODELS["tiny-stdlib"] / "heldout.txt"


def model_folder(name_or_folder: str) -> Path:
    """The folder of the embedded model of that name, or the folder or GGUF file itself; ``InputError`` if there is none."""
    folder = MODELS.get(name_or_folder, Path(name_or_folder))
    if not folder.is_dir() and not is_gguf(folder):
        known = ", ".join(MODELS)
        raise InputError(f"unknown model {name_or_folder!r}; known are {known}, or a folder with config.json or a GGUF file")
    return folder


def has_weights(path: Path) -> bool:
    """Whether this is a folder with files of weights, in whatever state, or a GGUF file."""
    return is_gguf(path) or any(any(path.glob(pattern)) for pattern in WEIGHTS)


def is_gguf(path: Path) -> bool:
    """Whether this is a GGUF file, as its name says."""
    return path.suffix == ".gguf" and path.is_file()
