"""Where a figure comes from, and of what kind it is."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["measured", "fitted", "cited", "estimate"]
"""From the hardware that the project generates; from a fit to that, its error stated; from a publication; from any of these
by an assumption that is stated."""


@dataclass(frozen=True)
class Source:
    """The source of a figure."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"
