"""Tensors in the files of a folder, known by name and shape, whose numbers are read when they are asked for.

Nothing in a file is executed: safetensors files have no code, and of pickled ones torch's own reader takes tensors alone.
"""

import json
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from sim.errors import InputError
from workloads.reasons import reason

SAFETENSORS, PICKLED = "model.safetensors", "pytorch_model.bin"
INDEX = ".index.json"
"""What the name of an index has behind the name of the file that would hold everything."""


@dataclass(frozen=True)
class Stored:
    """A tensor of ``shape`` in a file; ``read`` gives a copy of it that is the caller's own."""

    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def stored_tensors(folder: Path) -> dict[str, Stored]:
    """The tensors of a folder in Hugging Face layout, by name: of safetensors if there are any, else of pickled files.

    Raises ``InputError`` for a folder without weights, for a file or an index that cannot be used, and for pickled objects
    other than tensors.
    """
    tensors: dict[str, Stored] = {}
    for path in _files(folder):
        tensors |= _of_pickle(path) if path.suffix == ".bin" else _of_safetensors(path)
    return tensors


def _files(folder: Path) -> list[Path]:
    for name in (SAFETENSORS, PICKLED):
        if (folder / (name + INDEX)).is_file():
            return _shards(folder / (name + INDEX))
        if (folder / name).is_file():
            return [folder / name]
    alone = sorted(folder.glob("*.safetensors"))
    if len(alone) == 1:
        return alone
    found = f"{len(alone)} safetensors files of other names" if alone else "no weights"
    raise InputError(f"model folder {str(folder)!r} has {found}; {SAFETENSORS}, {PICKLED} or an index of shards is needed")


def _shards(index: Path) -> list[Path]:
    try:
        shards = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{str(index)!r} is no index of weights: JSON with a weight_map from tensors to files") from None
    for shard in shards:
        if not isinstance(shard, str) or Path(shard).name != shard or Path(shard).suffix not in (".safetensors", ".bin"):
            raise InputError(f"{str(index)!r} names weights in its own folder, .safetensors or .bin, not {shard!r}")
        if not (index.parent / shard).is_file():
            raise InputError(f"{str(index)!r} names {shard!r}, a file that is not there")
    return [index.parent / shard for shard in shards]


def _of_safetensors(path: Path) -> dict[str, Stored]:
    try:
        with _opened(path) as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (SafetensorError, OSError) as error:
        raise InputError(f"weights in {str(path)!r} cannot be read: {reason(error)}") from None
    return {name: Stored(shape, partial(_from_safetensors, path, name)) for name, shape in shapes.items()}


def _opened(path: Path) -> Any:
    """Not mapped into memory, where all that was ever read would count as the process's own."""
    return safe_open(path, framework="pt", backend="pread")


def _from_safetensors(path: Path, name: str) -> Tensor:
    try:
        with _opened(path) as file:
            tensor: Tensor = file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise InputError(f"tensor {name!r} in {str(path)!r} cannot be read: {reason(error)}") from None
    return tensor


def _of_pickle(path: Path) -> dict[str, Stored]:
    return {name: Stored(tuple(tensor.shape), partial(_from_pickle, path, name)) for name, tensor in _unpickled(path).items()}


def _from_pickle(path: Path, name: str) -> Tensor:
    return _unpickled(path)[name].clone(memory_format=torch.contiguous_format)


def _unpickled(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a file, in place; those of a file from before torch 1.6, which has them one after the other, in memory."""
    return _loaded(path, mmap=True) if zipfile.is_zipfile(path) else _of_old_file(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _of_old_file(path: Path, written: int) -> Mapping[str, Tensor]:
    """Kept as long as the file is what was ``written`` then."""
    del written
    return _loaded(path, mmap=False)


def _loaded(path: Path, mmap: bool) -> Mapping[str, Tensor]:
    try:
        with warnings.catch_warnings(action="ignore"):  # about protocols of pickle, of which Python writes later ones
            tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError:
        raise InputError(f"{str(path)!r} holds pickled objects other than tensors, which are not opened") from None
    except Exception as error:
        raise InputError(f"weights in {str(path)!r} cannot be read: {reason(error)}") from None
    if not isinstance(tensors, dict) or not all(isinstance(name, str) for name in tensors):
        raise InputError(f"{str(path)!r} holds tensors by name, not {type(tensors).__name__}")
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
            raise InputError(f"{str(path)!r} holds dense tensors by name, not {type(tensor).__name__} as {name!r}")
    return tensors
