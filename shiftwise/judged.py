"""Windows of a text that a run has judged so far, in a file beside its results: what was interrupted goes on from there.

A line of JSON each; the first one has a digest of all that the windows depend on. The file goes when the results are whole.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from shiftwise.overlay.request import OverlayRequest
from shiftwise.request import Request
from sim.files import output_folder, remove, write_whole
from sim.kernels.overflow import GroupSums
from workloads.accuracy import Judged
from workloads.checkpoint import LanguageModel

FILE = "accuracy.jsonl"


def remembered(
    folder: Path, asked: Request | OverlayRequest, model: LanguageModel, windows: Iterator[Judged]
) -> Iterator[Judged]:
    """The windows, each written into ``folder`` as it is found."""
    file = output_folder(folder) / FILE
    write_whole(file, _digest(asked, model) + "\n")
    with file.open("a") as lines:
        for window in windows:
            lines.write(json.dumps(asdict(window)) + "\n")
            lines.flush()
            yield window


def recalled(folder: Path, asked: Request | OverlayRequest, model: LanguageModel) -> tuple[Judged, ...]:
    """The windows that an interrupted run of the same request left in ``folder``; a line that was cut off is none."""
    try:
        digest, *lines = (folder / FILE).read_text().splitlines()
    except (OSError, ValueError):
        return ()
    return tuple(_windows(lines)) if digest == _digest(asked, model) else ()


def forget(folder: Path) -> None:
    """Remove the file, of a run whose results are written."""
    remove(folder / FILE)


def _windows(lines: Iterable[str]) -> Iterator[Judged]:
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            return
        yield Judged(**{**fields, "sums": {name: GroupSums(**sums) for name, sums in fields["sums"].items()}})


def _digest(asked: Request | OverlayRequest, model: LanguageModel) -> str:
    parts = sorted(model.folder.iterdir()) if model.folder.is_dir() else [model.folder]
    files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in parts]
    return hashlib.sha256(repr((version("shiftwise"), asked, files)).encode()).hexdigest()
