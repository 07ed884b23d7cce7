"""Folders of weights: whole, in shards, pickled, and the sentences for those that cannot be used."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sim.errors import InputError
from workloads.checkpoint import LanguageModel, load_model
from workloads.checkpoints.stored import stored_tensors
from workloads.embedded import MODELS

FOLDER = MODELS["tiny-stdlib"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    copy.mkdir()
    shutil.copy(FOLDER / "config.json", copy)
    return copy


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    return load_file(FOLDER / "model.safetensors")


Write = Callable[[Path, dict[str, torch.Tensor]], None]


def sharded(suffix: str) -> Write:
    """Three files, with the index that ``save_pretrained`` writes beside such."""

    def write(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
        stem, save = ("model", save_file) if suffix == ".safetensors" else ("pytorch_model", torch.save)
        names, index = sorted(tensors), {}
        for number in range(3):
            file = f"{stem}-{number + 1:05}-of-00003{suffix}"
            part = {name: tensors[name] for name in names[number::3]}
            save(part, folder / file)  # type: ignore[operator]
            index |= dict.fromkeys(part, file)
        size = sum(tensor.nbytes for tensor in tensors.values())
        text = json.dumps({"metadata": {"total_size": size}, "weight_map": index})
        (folder / f"{stem}{suffix}.index.json").write_text(text)

    return write


def old_pickle(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)


LAYOUTS: dict[str, Write] = {
    "safetensors": lambda folder, tensors: save_file(tensors, folder / "model.safetensors"),
    "safetensors of another name": lambda folder, tensors: save_file(tensors, folder / "weights-4bit.safetensors"),
    "shards": sharded(".safetensors"),
    "pickle": lambda folder, tensors: torch.save(tensors, folder / "pytorch_model.bin"),
    "pickle of torch 1.5": old_pickle,
    "pickled shards": sharded(".bin"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_holds_the_same_tensors(layout: str, folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    LAYOUTS[layout](folder, tensors)
    stored = stored_tensors(folder)
    assert stored.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert stored[name].shape == tuple(tensor.shape)
        assert torch.equal(stored[name].read(), tensor)
        assert stored[name].read().dtype == tensor.dtype


@pytest.mark.parametrize("layout", ["shards", "pickled shards"])
def test_a_model_loads_from_shards(layout: str, folder: Path, tensors: dict[str, torch.Tensor], tiny: LanguageModel) -> None:
    LAYOUTS[layout](folder, tensors)
    found, expected = load_model(str(folder)).network.state_dict(), tiny.network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_what_is_read_is_the_readers_own(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    LAYOUTS["pickle"](folder, tensors)
    stored = stored_tensors(folder)["model.norm.weight"]
    stored.read().zero_()
    assert torch.equal(stored.read(), tensors["model.norm.weight"])


class Evil:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


def of_python(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"model.norm.weight": Evil(folder / "ran")}))


def of_torch(folder: Path) -> None:
    torch.save({"model.norm.weight": Evil(folder / "ran")}, folder / "pytorch_model.bin")


def renamed(folder: Path) -> None:
    of_torch(folder)
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")


def truncated(layout: str, keep: float) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        LAYOUTS[layout](folder, load_file(FOLDER / "model.safetensors"))
        path = max(folder.iterdir(), key=lambda path: path.stat().st_size)
        path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])

    return write


def with_index(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "model.safetensors.index.json").write_text(text) and None  # type: ignore[func-returns-value]


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "nothing": (lambda _: None, "has no weights; model.safetensors, pytorch_model.bin or an index of shards is needed"),
    "two files": (
        lambda folder: [save_file({"x": torch.ones(1)}, folder / f"{name}.safetensors") for name in "ab"] and None,  # type: ignore[func-returns-value]
        "has 2 safetensors files of other names; model.safetensors, pytorch_model.bin or",
    ),
    "code pickled by Python": (of_python, "pytorch_model.bin' holds pickled objects other than tensors, which are not opened"),
    "code pickled by torch": (of_torch, "pytorch_model.bin' holds pickled objects other than tensors, which are not opened"),
    "a pickle called safetensors": (renamed, "model.safetensors' cannot be read: "),
    "a number": (lambda folder: torch.save(7, folder / "pytorch_model.bin"), "holds tensors by name, not int"),
    "a name without a tensor": (
        lambda folder: torch.save({"x": "y"}, folder / "pytorch_model.bin"),
        "holds dense tensors by name, not str as 'x'",
    ),
    "sparse": (
        lambda folder: torch.save({"x": torch.eye(3).to_sparse()}, folder / "pytorch_model.bin"),
        "holds dense tensors by name, not Tensor as 'x'",
    ),
    "half a safetensors file": (truncated("safetensors", 0.5), "model.safetensors' cannot be read: "),
    "half a header": (truncated("safetensors", 0.0001), "model.safetensors' cannot be read: "),
    "half a pickle": (truncated("pickle", 0.5), "pytorch_model.bin' "),
    "half a shard": (truncated("shards", 0.5), "cannot be read: "),
    "an index of a missing shard": (
        with_index('{"weight_map": {"x": "model-00001-of-00002.safetensors"}}'),
        "model.safetensors.index.json' names 'model-00001-of-00002.safetensors', a file that is not there",
    ),
    "an index that leads away": (
        with_index('{"weight_map": {"x": "../../secret.safetensors"}}'),
        "names weights in its own folder, .safetensors or .bin, not '../../secret.safetensors'",
    ),
    "an index of code": (with_index('{"weight_map": {"x": "model.py"}}'), ".safetensors or .bin, not 'model.py'"),
    "an index without a map": (with_index('{"metadata": {}}'), "is no index of weights: JSON with a weight_map from tensors"),
    "an index that is not JSON": (with_index("{"), "is no index of weights: JSON with a weight_map from tensors to files"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_folders_that_cannot_be_used(case: str, folder: Path) -> None:
    write, message = REFUSED[case]
    write(folder)
    with pytest.raises(InputError) as caught:
        load_model(str(folder))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (folder / "ran").exists()


def test_the_command_says_so_in_one_line(folder: Path) -> None:
    write, message = REFUSED["code pickled by torch"]
    write(folder)
    command = [sys.executable, "-m", "shiftwise", "simulate", "--model", str(folder), "--out", str(folder / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (folder / "out").exists()
