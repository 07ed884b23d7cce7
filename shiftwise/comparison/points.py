"""Which formats are compared: integers, minifloats and blocks of 3 to 8 bits, both operands of one width, or weights of 4 bits.

A point is a design of the base with other formats. Integers are multiplied by the shift-and-add PE, weights with zero points
(``uint``) or without; minifloats and their blocks by the minifloat PE. In a pair of minifloats the weight is the narrower one.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from costmodel.space import GROUP_SIZE
from sim.design import DesignPoint, load_design
from sim.errors import InputError, choose
from sim.formats import FORMATS

WIDTHS = range(3, 9)  # [bit]
MX_BLOCK = 32  # OCP Microscaling v1.0 (2023), table 1
NVFP4_BLOCK = 16  # NVIDIA, "Introducing NVFP4" (2025)

INTEGER, MINIFLOAT, BLOCK = "integer", "minifloat", "block"
FAMILIES = (INTEGER, MINIFLOAT, BLOCK)


BASE = replace(load_design("edge-w4a8"), name="edge-w4a8 with groups of 128", group_size=GROUP_SIZE)
"""What is compared by default differs from this only in formats; groups are as long as those that PEs are measured with."""


@dataclass(frozen=True)
class Point:
    """A design of the comparison, and the family of formats that it stands for."""

    name: str
    family: str
    design: DesignPoint


def splits(bits: int) -> list[str]:
    """All minifloats ``eEmM`` of that width that the registry has."""
    names = (f"e{exponent}m{bits - 1 - exponent}" for exponent in range(1, bits))
    return [name for name in names if name in FORMATS]


def _integers(base: DesignPoint, pairs: Iterable[tuple[int, int]]) -> Iterator[Point]:
    for weight, activation in pairs:
        for sign in ("u", ""):
            yield _point(base, INTEGER, f"{sign}int{weight}", f"int{activation}", pe="shift_add")


def _minifloats(base: DesignPoint, pairs: Iterable[tuple[str, str]]) -> Iterator[Point]:
    for weight, activation in pairs:
        yield _point(base, MINIFLOAT, weight, activation, pe="minifloat")


def _equal(base: DesignPoint) -> Iterator[Point]:
    """Integers of each width, and minifloats of each split."""
    yield from _integers(base, ((bits, bits) for bits in WIDTHS))
    yield from _minifloats(base, ((name, name) for bits in WIDTHS for name in splits(bits)))


def _w4(base: DesignPoint) -> Iterator[Point]:
    """Weights of 4 bits under activations of other widths."""
    yield from _integers(base, ((4, bits) for bits in WIDTHS if bits != 4))
    wider = [name for bits in WIDTHS if bits > 4 for name in splits(bits)]
    yield from _minifloats(base, ((weight, activation) for weight in splits(4) for activation in wider))


def _pairs(base: DesignPoint) -> Iterator[Point]:
    """Two different splits of one width."""
    for bits in WIDTHS:
        pairs = ((one, other) for one in splits(bits) for other in splits(bits) if one != other)
        yield from _minifloats(base, pairs)


def _mixed(base: DesignPoint) -> Iterator[Point]:
    """Integer weights of 4 and 8 bits under the minifloats of OCP, and those under integers."""
    for integer in ("int4", "int8"):
        for minifloat in ("e2m1", "e2m3", "e3m2", "ocp_e4m3"):
            yield _point(base, MINIFLOAT, integer, minifloat, pe="mixed")
            yield _point(base, MINIFLOAT, minifloat, integer, pe="mixed")


def _blocks(base: DesignPoint) -> Iterator[Point]:
    """OCP's MX formats, also with 4-bit weights, and NVFP4."""
    elements = ("e2m1", "e2m3", "e3m2", "ocp_e4m3", "ocp_e5m2")
    pairs = [*((element, element) for element in elements), *(("e2m1", element) for element in elements[1:])]
    for weight, activation in pairs:
        yield _point(base, BLOCK, weight, activation, pe="minifloat", scaling="mx", group_size=MX_BLOCK)
    yield _point(base, BLOCK, "int8", "int8", pe="shift_add", scaling="mx", group_size=MX_BLOCK)
    yield _point(base, BLOCK, "e2m1", "e2m1", pe="minifloat", scaling="nvfp4", group_size=NVFP4_BLOCK)


SETS: dict[str, Callable[[DesignPoint], Iterator[Point]]] = {
    "equal": _equal,
    "w4": _w4,
    "blocks": _blocks,
    "pairs": _pairs,
    "mixed": _mixed,
}
"""Points by the name of their set."""

DEFAULT_SETS = ("equal", "w4", "blocks")


def points(base: DesignPoint, sets: Iterable[str] = DEFAULT_SETS) -> tuple[Point, ...]:
    """The points of some sets, each once. Raises ``InputError`` for an unknown set, or none."""
    found = {point.name: point for name in sets for point in choose("set of points", name, SETS)(base)}
    if not found:
        raise InputError(f"at least one set of points is compared, of {', '.join(SETS)}, not none")
    return tuple(found.values())


def _point(base: DesignPoint, family: str, weight: str, activation: str, scaling: str = "fp16", **fields: str | int) -> Point:
    name = f"{weight} x {activation}" + ("" if scaling == "fp16" else f", {scaling}")
    formats = {"weight_format": weight, "activation_format": activation, "scaling": scaling, "kv_format": "as_weights"}
    return Point(name, family, replace(base, name=name, accumulator="exact", **formats, **fields))  # type: ignore[arg-type]
