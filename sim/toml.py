"""Keyword arguments from a TOML file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import InputError


def read_fields(name_or_path: str, presets: Mapping[str, object]) -> dict[str, Any]:
    """What a TOML file says, and the file's stem as ``name`` if it says none.

    Raises ``InputError`` for what is no such file; the message lists the ``presets`` that could have been meant.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise InputError(f"unknown design {name_or_path!r}; known are {', '.join(presets)}, or a .toml file")
    try:
        fields = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise InputError(f"design file {name_or_path!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"design file {name_or_path!r} is not TOML: it is no text in UTF-8") from None
    except ValueError as error:  # of tomllib; its integers of thousands of digits are Python's own error
        raise InputError(f"design file {name_or_path!r} is not TOML: {error}") from None
    return {"name": path.stem, **fields}
