"""Figures for print, drawn only where their files do not show the same already: matplotlib takes seconds for a few of them."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

from sim.files import write_parts

Draw = Callable[[str], Mapping[str, bytes]]
"""Draws a figure: from a description that its files carry to their contents by the endings ``png`` and ``svg``."""

ENDINGS = ("png", "svg")


def write_figures(folder: Path, figures: Mapping[str, Draw], shown: bytes) -> None:
    """Write figures into a folder under their names, with the endings of their kinds.

    Each file carries a digest of what is ``shown``, of the text that draws it and of matplotlib's version; one that has it is
    left as it is.
    """
    digest = hashlib.sha256(shown + _program()).hexdigest()
    for name, draw in figures.items():
        files = {ending: folder / f"{name}.{ending}" for ending in ENDINGS}
        if all(_carries(file, digest) for file in files.values()):
            continue
        for ending, content in draw(digest).items():
            write_parts(files[ending], [content])


def _carries(file: Path, digest: str) -> bool:
    return file.is_file() and digest.encode() in file.read_bytes()


@cache
def _program() -> bytes:
    texts = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return b"".join([*texts, version("matplotlib").encode()])
