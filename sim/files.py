"""Files that are either whole or not there."""

import contextlib
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from sim.errors import InputError


def output_folder(path: str | Path) -> Path:
    """The folder, made if need be and tried by a file; raises ``InputError`` when nothing can be written there."""
    folder = Path(path)
    with _refused(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    return folder


def check_output(path: str | Path) -> None:
    """Raise what :func:`output_folder` would, and make no folder: what is refused before the work leaves nothing behind."""
    folder = Path(path)
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists() or place.is_symlink())
    with _refused(folder):
        tempfile.TemporaryFile(dir=there).close()


def check_alone(path: str | Path, known: Collection[str], what: str) -> None:
    """Raise ``InputError`` for a folder that holds anything but what is ``known`` there, ``what`` saying of what that is."""
    folder = Path(path)
    others = sorted({place.name for place in folder.iterdir()} - set(known)) if folder.is_dir() else []
    if others:
        raise InputError(
            f"output folder {str(folder)!r} holds {others[0]!r}; a new or empty one is needed, or one with nothing but {what}"
        )


@contextlib.contextmanager
def _refused(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"output folder {str(folder)!r} cannot be written: {error.strerror}; a writable folder is needed"
        ) from None


def remove(path: Path) -> None:
    """Remove a file if it is there; raises ``InputError`` when that is refused."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be replaced: {error.strerror}; a file in a writable folder is needed") from None


def write_whole(path: Path, text: str) -> None:
    """Write a text as :func:`write_parts` does."""
    write_parts(path, [text.encode()])


def write_together(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files of a folder, all of them or none: each under a temporary name, and when all are whole they are renamed.

    Raises ``InputError`` as :func:`write_parts` does.
    """
    waiting = {folder / name: folder / f".{name}.{os.getpid()}.whole" for name in contents}
    try:
        for path, place in waiting.items():
            write_parts(place, [contents[path.name]])
        for path, place in waiting.items():
            with _refused(folder):
                place.replace(path)
    finally:
        for place in waiting.values():
            with contextlib.suppress(OSError):
                place.unlink(missing_ok=True)


def write_parts(path: Path, parts: Iterable[bytes]) -> None:
    """Write bytes, one part after the other, under a temporary name, then rename it: a reader never meets half a file.

    Raises ``InputError`` when the folder does not take it.
    """
    if not path.name or (path.exists() and not path.is_file()):
        raise InputError(f"a file to write is a name in a folder, or a regular file that is there, not {str(path)!r}")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.writelines(parts)
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"{str(path)!r} cannot be written: {error.strerror}; a writable folder with room for it is needed"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
