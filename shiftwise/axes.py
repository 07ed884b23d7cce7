"""A figure of a design by which designs are compared: what it is called, its unit, and which way is better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """Its ``name`` in tables, what it is called, its unit, and whether less of it is better."""

    name: str
    title: str
    unit: str
    less: bool = True

    def smaller(self, value: float) -> float:
        """A number that is the smaller, the better the value."""
        return value if self.less else -value
