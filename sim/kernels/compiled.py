"""Compilation of the fast kernels: numba, without the interpreter's lock, kept on disk.

numba keeps compiled code beside a source file and compiles anew when that one file changes, but a kernel also contains
the code of the modules that it uses. The name under which a kernel is kept therefore names the text of all of them.
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba

_TEXT = sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()[:16]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` as machine code that runs without the interpreter's lock."""
    function.__qualname__ = f"{function.__qualname__}_{_TEXT}"
    dispatcher: Callable[..., Any] = numba.njit(cache=True, nogil=True)(function)
    return dispatcher
