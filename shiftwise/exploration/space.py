"""What is searched: for some fields of a design the values that they may have, all else as in a base design.

Fields that decide whether a PE can be built are one axis together, of what can be: most pairs of formats are no PE's. A
place in a space is an index for each axis; whether there is a design at a place is decided by :class:`DesignPoint`.
"""

import dataclasses
import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sim.design import DesignPoint, load_design
from sim.errors import InputError, choose
from sim.widths import NARROWEST

Place = tuple[int, ...]
Value = str | int | bool | float

WEIGHT_BITS = "weight_bits"
"""An axis beside a design's fields: the mean width [bit] of weights, of layers in the design's format or in narrower ones."""

ARITHMETIC = ("pe", "weight_format", "activation_format", "kv_format", "scaling", "accumulator", "pipeline")
"""Fields that are one axis together."""

FIELDS = tuple(field.name for field in dataclasses.fields(DesignPoint) if field.name != "name")
NAMES = ("memory", "dataflow", "technology")
"""Fields whose values have no order, beside the arithmetic."""

BASE = replace(load_design("edge-w4a8"), name="edge-w4a8 on sky130", technology="sky130")
"""What is not searched is as in this design by default: energies are those that were measured."""

SPACES: dict[str, dict[str, tuple[Value, ...]]] = {
    "edge": {
        "pe": ("shift_add", "minifloat", "mixed", "multiplier"),
        "weight_format": (
            "uint3",
            "uint4",
            "uint6",
            "uint8",
            "int3",
            "int4",
            "int6",
            "int8",
            "e2m1",
            "e2m3",
            "e3m2",
            "ocp_e4m3",
        ),
        "activation_format": ("int4", "int6", "int8", "e2m1", "e2m3", "e3m2", "ocp_e4m3"),
        "group_size": (32, 64, 128),
        "rows": (4, 8, 12, 16, 24, 32, 48, 64),
        "columns": (4, 8, 12, 16, 24, 32, 48, 64),
        "dataflow": ("output_stationary", "weight_stationary"),
        "weight_buffer_kib": (16, 32, 64, 128, 256),
        "activation_buffer_kib": (16, 32, 64, 128, 256),
        "output_buffer_kib": (8, 16, 32, 64, 128),
        "memory": ("lpddr4", "ddr4"),
        "memory_channels": (1, 2, 4),
    },
    "formats": {
        "pe": ("shift_add", "minifloat", "mixed"),
        "weight_format": ("uint3", "uint4", "uint6", "uint8", "int4", "int8", "e2m1", "e2m3", "e3m2", "ocp_e4m3"),
        "activation_format": ("int4", "int6", "int8", "e2m1", "e2m3", "e3m2", "ocp_e4m3"),
        "group_size": (32, 64, 128),
    },
}
"""Spaces by name: an accelerator at the edge with all that surrounds its array, and the formats of one that is given."""


@dataclass(frozen=True)
class Space:
    """``choices[field]``: the values that a field of ``base`` may have.

    Raises ``InputError`` for a field that a design has not, a field without a value or with one twice, a value of another
    kind than the field's, and choices of which no PE can be built.
    """

    name: str
    base: DesignPoint
    choices: Mapping[str, tuple[Value, ...]]

    def __post_init__(self) -> None:
        for field, values in self.choices.items():
            choose("field of a space", field, dict.fromkeys((*FIELDS, WEIGHT_BITS)))
            if not values or len(set(values)) != len(values):
                raise InputError(f"{field} of space {self.name!r} has different values, at least one, not {list(values)}")
            kinds = (float, int) if field == WEIGHT_BITS else (type(getattr(self.base, field)),)
            for value in values:
                if type(value) not in kinds:
                    raise InputError(f"values of {field} in space {self.name!r} are of type {kinds[0].__name__}, not {value!r}")
        _ = self.arithmetics

    @cached_property
    def arithmetics(self) -> tuple[dict[str, Value], ...]:
        """What PEs can be built, in the order of the choices, each in a group of one of the sizes at least."""
        fields = [field for field in ARITHMETIC if field in self.choices]
        groups = self.choices.get("group_size", (self.base.group_size,))
        base = replace(self.base, dataflow="output_stationary")  # which takes every accumulator
        found, refused = [], ""
        for values in itertools.product(*(self.choices[field] for field in fields)):
            chosen = dict(zip(fields, values, strict=True))
            for group_size in groups:
                try:
                    design_of(base, {**chosen, "group_size": group_size})
                except InputError as error:
                    refused = str(error)
                else:
                    found.append(chosen)
                    break
        if not found:
            raise InputError(f"space {self.name!r} has at least one PE that can be built; of the last one: {refused}")
        return tuple(found)

    @cached_property
    def axes(self) -> dict[str, int]:
        """How many choices each axis has, ``pe`` standing for all of :data:`ARITHMETIC`."""
        others = {field: len(values) for field, values in self.choices.items() if field not in ARITHMETIC}
        return {"pe": len(self.arithmetics), **others}

    @property
    def size(self) -> int:
        """Places, also those at which there is no design because two axes do not go together."""
        return math.prod(self.axes.values())

    def fields(self, place: Place) -> dict[str, Value]:
        """What the design at a place has in the place of the base's."""
        pe, *others = place
        names = list(self.axes)[1:]
        return {**self.arithmetics[pe], **{name: self.choices[name][i] for name, i in zip(names, others, strict=True)}}

    def place(self, fields: Mapping[str, Value]) -> Place:
        """The place of a design with these fields, among others, in the place of the base's."""
        arithmetic = {field: fields[field] for field in ARITHMETIC if field in self.choices}
        others = (self.choices[name].index(fields[name]) for name in list(self.axes)[1:])
        return self.arithmetics.index(arithmetic), *others

    def design(self, place: Place) -> DesignPoint:
        """The design at a place. Raises ``InputError`` where there is none."""
        return design_of(self.base, self.fields(place))

    def holds(self, fields: Mapping[str, Value]) -> bool:
        """Whether a design with these fields in the place of the base's is in the space."""
        return fields.keys() == self.choices.keys() and all(value in self.choices[name] for name, value in fields.items())

    def __iter__(self) -> Iterator[Place]:
        return itertools.product(*(range(choices) for choices in self.axes.values()))


def design_of(base: DesignPoint, fields: Mapping[str, Value]) -> DesignPoint:
    """A base with other fields; its name says which. Raises ``InputError`` for what cannot be built."""
    own = {name: value for name, value in fields.items() if name != WEIGHT_BITS}
    design = replace(base, name=f"explored-{fields}", **own)  # type: ignore[arg-type]
    bits = fields.get(WEIGHT_BITS, design.weight.bits)
    if not NARROWEST <= float(bits) <= design.weight.bits:
        raise InputError(
            f"{WEIGHT_BITS} of {design.weight_format} are between {NARROWEST} and {design.weight.bits}, not {bits}"
        )
    return design


def load_space(name_or_path: str, base: str | DesignPoint = BASE) -> Space:
    """The space of that name, or the one that a TOML file describes: a list of values for each field.

    Raises ``InputError`` when there is neither, or when the file holds something else.
    """
    design = load_design(base)
    if name_or_path in SPACES:
        return Space(name_or_path, design, SPACES[name_or_path])
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise InputError(f"unknown space {name_or_path!r}; known are {', '.join(SPACES)}, or a .toml file")
    try:
        choices: dict[str, Any] = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise InputError(f"space file {name_or_path!r} cannot be read: {error.strerror}") from None
    except ValueError as error:  # of tomllib, and of text that is not UTF-8
        raise InputError(f"space file {name_or_path!r} is not TOML: {error}") from None
    for field, values in choices.items():
        if not isinstance(values, list):
            raise InputError(f"{field} in space file {name_or_path!r} is a list of values, not {values!r}")
    return Space(path.stem, design, {field: tuple(values) for field, values in choices.items()})
