"""What this user's machine keeps between calls: results by a hash of all that they depend on."""

import contextlib
import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from sim.errors import InputError
from sim.files import output_folder, write_parts


def cache_folder() -> Path:
    """``shiftwise`` in the user's folder of caches (XDG Base Directory Specification)."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "shiftwise"


def digest(*texts: str) -> str:
    """A name for a result that depends on these texts."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def recall(name: str) -> Any:
    """What was kept under a name, or ``None``; a damaged file is as good as none."""
    try:
        return json.loads(gzip.decompress(_path(name).read_bytes()))
    except (OSError, EOFError, ValueError):
        return None


def keep(name: str, result: Any) -> None:
    """Keep what JSON can hold under a name. A folder that cannot be written keeps nothing."""
    path = _path(name)
    with contextlib.suppress(InputError):
        output_folder(path.parent)
        write_parts(path, [gzip.compress(json.dumps(result).encode(), mtime=0)])


def _path(name: str) -> Path:
    return cache_folder() / "synthesis" / f"{name}.json.gz"
