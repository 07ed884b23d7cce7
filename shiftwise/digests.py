"""Digests of what a result depends on, so that it is found again only when one of them has changed."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from workloads.embedded import model_folder

TOLD = ("shiftwise/passes.py", "shiftwise/rows.py", "reports/layers.py", "reports/excerpts.py")
"""What makes rows of operators that are kept with figures."""

ROOMS: dict[str, tuple[str, ...]] = {
    "accuracy": ("sim", "workloads", "shiftwise/comparison"),
    "costs": ("sim", "hdl", "costmodel", "workloads", "shiftwise/comparison", *TOLD),
    "figures": ("sim", "hdl", "costmodel", "workloads", "shiftwise/exploration", *TOLD),
    "noise": ("sim", "workloads", "shiftwise/exploration"),
}
"""Folders and files whose text and tables decide a result of each kind; pages and figures are made anew in every run."""


def digest_of(kind: str, *parts: Any) -> str:
    """Of a kind of result, the program's text that decides it, and parts that are told apart by their ``repr``."""
    return hashlib.sha256(repr((kind, _program(kind), *parts)).encode()).hexdigest()


def model_digest(model: str) -> str:
    """Of a model's files: names, sizes and times of change, as files of weights are long."""
    folder = model_folder(model)
    files = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    return repr([(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files])


@cache
def _program(kind: str) -> str:
    root = Path(__file__).parent.parent
    texts = [path for room in ROOMS[kind] for path in _texts(root / room)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in texts)).hexdigest()


def _texts(room: Path) -> list[Path]:
    return [room] if room.is_file() else [path for ending in ("*.py", "*.csv") for path in sorted(room.rglob(ending))]
