"""Roles of docstrings, such as ``:mod:`sim.array```, as links: to what the reference has, as mere names to all else."""

import re
from typing import Any

from griffe import Docstring, Extension, Object

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):`(~?)([\w.]+)`")


def linked(text: str) -> str:
    """The text with each role as a reference of autorefs that may lead nowhere; ``~`` leaves the last name alone."""
    return ROLE.sub(_link, text)


def _link(role: re.Match[str]) -> str:
    short, target = role.groups()
    shown = target.rpartition(".")[2] if short else target
    return f'<autoref identifier="{target}" optional><code>{shown}</code></autoref>'


class Roles(Extension):
    """For griffe, which reads the docstrings."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            found = obj.docstring
            obj.docstring = Docstring(linked(found.value), lineno=found.lineno, endlineno=found.endlineno, parent=obj)
