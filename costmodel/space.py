"""The processing elements that are characterised: what formats, accumulators, pipelines and group sizes of each kind."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, product

from hdl.pe import check_pe
from sim.design import DesignPoint
from sim.errors import InputError
from sim.formats import FORMATS

GROUP_SIZE = 128

WIDTHS = range(2, 9)
"""[bit] Of integer weights."""

UNSIGNED, SIGNED = (tuple(f"{sign}int{bits}" for bits in WIDTHS) for sign in ("u", ""))
INTEGERS = ("int4", "int6", "int8", "int16")
MINIFLOATS = tuple(name for name in FORMATS if name.startswith(("e1m", "e2m", "e3m", "e4m", "e5m")))
"""All of 3 to 8 bits with finite codes alone."""

OCP = ("ocp_e4m3", "ocp_e5m2")
POWERS = tuple(name for name in FORMATS if name.startswith(("pot", "apot")))
FLOATS = ("fp16", "bf16")
USUAL = ("e2m1", "e2m3", "e3m2", "e3m4", "e4m3", "e5m2")
"""Minifloats of OCP MX and, of 8 bits, what else is used."""


@dataclass(frozen=True)
class Grid:
    """All designs of these fields that a PE kind takes."""

    weights: tuple[str, ...]
    activations: tuple[str, ...]
    accumulators: tuple[str, ...] = ("exact",)
    pipelines: tuple[int, ...] = (1,)
    group_sizes: tuple[int, ...] = (GROUP_SIZE,)


def _around(weights: tuple[str, ...], activations: tuple[str, ...], accumulators: tuple[str, ...]) -> tuple[Grid, ...]:
    """What else a PE of some formats may be: other pipelines, group sizes, accumulators."""
    return (
        Grid(weights, activations, pipelines=(0, 2)),
        Grid(weights, activations, group_sizes=(16, 1024)),
        Grid(weights, activations, accumulators=accumulators),
    )


def _by_width(formats: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    widths = sorted({FORMATS[name].bits for name in formats})
    return tuple(tuple(name for name in formats if FORMATS[name].bits == bits) for bits in widths)


_FEW = ("uint2", "uint4", "uint8")
_BOUNDED = ("wrap24", "saturate24")
_ROUNDED = ("fp32", "fp16", "bf16", "aligned3")

_WIDE = Grid(UNSIGNED + SIGNED, ("int16",), ("wrap24",))
"""Groups of 128 have no exact sum for most of these."""

_ODD = ("int3", "int5", "int7")
_ODD_WIDTHS = (Grid(("uint4", "int4"), _ODD), *(Grid((f"u{same}", same), (same,)) for same in _ODD))
"""Activations of odd widths, under weights of the same width and of 4 bits."""

SPACE: dict[str, tuple[Grid, ...]] = {
    "shift_add": (Grid(UNSIGNED + SIGNED, INTEGERS), _WIDE, *_ODD_WIDTHS, *_around(_FEW, ("int4", "int8", "int16"), _BOUNDED)),
    "shift_add_float": (
        Grid(UNSIGNED + SIGNED, FLOATS, ("fp32",)),
        Grid(UNSIGNED, FLOATS, ("fp16", "bf16", "aligned3")),
        Grid(_FEW, FLOATS, ("fp32",), (0, 2)),
        Grid(_FEW, FLOATS, ("aligned3",), group_sizes=(32, 64)),
    ),
    "minifloat": (
        *(Grid(same, same) for same in _by_width(MINIFLOATS + OCP)),
        Grid(MINIFLOATS, USUAL[1:] + OCP),
        *_around(("e2m1", "e2m3", "e3m2", "e4m3"), ("e2m1", "e3m2", "e4m3"), (*_ROUNDED, "saturate24")),
        Grid(("e2m1", "e2m3", "e3m2", "e4m3"), ("e2m1", "e3m2", "e4m3"), ("aligned3",), group_sizes=(32, 64)),
    ),
    "mixed": (
        Grid(UNSIGNED + SIGNED, USUAL),
        Grid(USUAL, INTEGERS),
        *_around(_FEW, ("e2m1", "e3m2", "e4m3"), (*_ROUNDED, "saturate24")),
        Grid(_FEW, ("e2m1", "e3m2", "e4m3"), ("aligned3",), group_sizes=(32, 64)),
    ),
    "bit_serial": (
        Grid(UNSIGNED + SIGNED, INTEGERS),
        Grid(UNSIGNED + SIGNED, ("int16",), group_sizes=(2,)),
        Grid(_FEW, ("int4", "int8", "int16"), group_sizes=(16, 1024)),
    ),
    "shift_only": (Grid(POWERS, INTEGERS), *_around(("pot3", "pot4", "apot5"), ("int4", "int8", "int16"), _BOUNDED)),
    "multiplier": (
        Grid(UNSIGNED + SIGNED, INTEGERS),
        _WIDE,
        Grid(FLOATS, FLOATS, ("fp32", "fp16", "bf16"), (0, 1, 2)),
        *_around(_FEW, ("int4", "int8", "int16"), _BOUNDED),
    ),
    "dsp_packed": (Grid(UNSIGNED + SIGNED, INTEGERS),),
    "fused": (Grid(UNSIGNED + SIGNED, INTEGERS), *_around(_FEW, ("int4", "int8", "int16"), _BOUNDED)),
}
"""Grids by PE kind. Of two minifloats that of the weight is not the wider one."""


def characterised(kind: str) -> Iterator[DesignPoint]:
    """Designs whose PEs are characterised."""
    return designs_of(kind, SPACE[kind])


def designs_of(kind: str, grids: Iterable[Grid]) -> Iterator[DesignPoint]:
    """All designs of a kind of PE and grids that there is hardware of, each once."""
    every = (product(g.weights, g.activations, g.accumulators, g.pipelines, g.group_sizes) for g in grids)
    for fields in dict.fromkeys(chain.from_iterable(every)):
        weight, activation = fields[:2]
        narrow = kind != "minifloat" or FORMATS[weight].bits <= FORMATS[activation].bits
        if narrow and (design := _design(kind, *fields)):
            yield design


def _design(kind: str, weight: str, activation: str, accumulator: str, pipeline: int, group_size: int) -> DesignPoint | None:
    """The design of these; ``None`` if there is no hardware of its PE."""
    try:
        design = DesignPoint(
            f"{kind}-{weight}-{activation}-{accumulator}",
            kind,
            weight,
            activation,
            accumulator=accumulator,
            pipeline=pipeline,
            group_size=group_size,
        )
        check_pe(design)
    except InputError:
        return None
    return design
