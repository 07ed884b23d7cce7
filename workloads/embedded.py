"""The models that come along with their weights. They are named here, for to load torch takes seconds."""

from pathlib import Path

from sim.errors import InputError

DATA = Path(__file__).parent / "data"

MODELS: dict[str, Path] = {"tiny-stdlib": DATA / "tiny-stdlib"}
"""Embedded models: folders in Hugging Face layout with ``heldout.txt`` beside the weights."""

HELD_OUT_TEXT = MODELS["tiny-stdlib"] / "heldout.txt"


def model_folder(name_or_folder: str) -> Path:
    """The folder of the embedded model of that name, or the folder itself; ``InputError`` if there is none."""
    folder = MODELS.get(name_or_folder, Path(name_or_folder))
    if not folder.is_dir():
        raise InputError(f"unknown model {name_or_folder!r}; known are {', '.join(MODELS)}, or a folder with config.json")
    return folder
