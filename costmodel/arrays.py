"""The arrays whose components other than PEs are characterised: formats, shapes and buffers drawn at random."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from random import Random

from costmodel.components import components_of
from costmodel.forms import FORMS
from costmodel.space import FLOATS, INTEGERS, OCP, POWERS, SIGNED, UNSIGNED, USUAL, Grid, designs_of
from hdl.pe import check_hardware
from sim.accelerator.depths import depths
from sim.design import DesignPoint
from sim.errors import InputError

SEED = 6

_FIXED = ("exact", "wrap24", "wrap32", "saturate24")
_ROUNDED = ("fp32", "fp16", "bf16", "aligned3")

PES: dict[str, tuple[Grid, ...]] = {
    "shift_add": (Grid(UNSIGNED + SIGNED, INTEGERS, _FIXED),),
    "multiplier": (Grid(UNSIGNED + SIGNED, INTEGERS, _FIXED), Grid(FLOATS, FLOATS, _ROUNDED)),
    "fused": (Grid(UNSIGNED + SIGNED, INTEGERS, _FIXED),),
    "bit_serial": (Grid(UNSIGNED + SIGNED, INTEGERS),),
    "dsp_packed": (Grid(UNSIGNED + SIGNED, INTEGERS),),
    "shift_only": (Grid(POWERS, INTEGERS),),
    "minifloat": (Grid(USUAL, USUAL + OCP, ("exact", *_ROUNDED)),),
    "mixed": (Grid(UNSIGNED + SIGNED, USUAL + OCP, ("exact", *_ROUNDED)),),
    "shift_add_float": (Grid(UNSIGNED + SIGNED, FLOATS, _ROUNDED),),
}
"""Of what kinds and formats PEs are drawn: not from the space of characterised ones, so that this may grow."""

SIDES = (4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Rows and columns of an array."""

LARGEST_PES = 256
"""Edges of more are slow to synthesise; the presets have some."""

GROUP_SIZES = (16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)

LARGEST_WAIT = 128
"""Groups before an ``aligned`` sum, which are in buffers: longer ones are slow to synthesise."""

BUFFERS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)
"""[KiB]"""

NARROW = (
    *(Grid((weight,), (activation,)) for weight, activation in (("uint3", "int3"), ("int4", "int3"))),
    *(Grid((same,), (same,)) for same in ("e1m1", "e2m0")),
)
NARROW_ARRAYS = ((4, 4, 32), (16, 16, 128), (8, 24, 64), (24, 8, 512))
"""Rows, columns and groups of arrays with activations of 3 bits, of which none are drawn."""

DRAWN = 1600
"""Designs of each dataflow."""

COUNTS = {
    "row_sum": 15,
    "epilogue": 16,
    "array_edge": 28,
    "stationary_pe": 56,
    "row_sum_stage": 14,
    "row_sum_foot": 9,
    "foot": 9,
    "stationary_epilogue": 16,
    "stationary_edge": 14,
    "controller": 20,
    "result_buffer": 15,
    "scratchpads": 15,
}
"""Designs of each dataflow whose component is characterised, for each line that is fitted."""


def parts_of_arrays() -> Iterator[tuple[DesignPoint, str]]:
    """Designs and one of their components each, the same ones at every call."""
    pes = [design for kind, grids in PES.items() for design in designs_of(kind, grids)]
    for dataflow in ("output_stationary", "weight_stationary"):
        drawn = list(islice(_drawn([design for design in pes if _takes(design, dataflow)], dataflow), DRAWN))
        for component, count in COUNTS.items():
            alike = defaultdict(list)
            for design in drawn:
                if component in components_of(design):
                    alike[FORMS[component].alike(design)].append(design)
            yield from ((design, component) for found in alike.values() for design in _ends_first(component, found)[:count])
    for pe in chain.from_iterable(designs_of(kind, NARROW) for kind in ("shift_add", "minifloat")):
        for rows, columns, group_size in NARROW_ARRAYS:
            design = replace(pe, rows=rows, columns=columns, group_size=group_size)
            yield from ((design, part) for part in ("row_sum", "array_edge") if part in components_of(design))


def _ends_first(component: str, designs: Sequence[DesignPoint]) -> list[DesignPoint]:
    """All of these, first those with the least and the greatest value of each axis, which span the box, then those beside.

    One row alone at an end would be all that is known there.
    """
    by_axis = [sorted(designs, key=value) for value in FORMS[component].axes.values()]
    ends = [found[place] for place in (0, -1, 1, -2) for found in by_axis if len(found) > 1]
    return list(dict.fromkeys([*ends, *designs]))


def _drawn(pes: Sequence[DesignPoint], dataflow: str) -> Iterator[DesignPoint]:
    """Endless designs; kinds of PE are equally likely, however many of each are characterised."""
    random = Random(SEED)
    kinds = sorted({pe.pe for pe in pes})
    while True:
        kind = random.choice(kinds)
        pe = random.choice([pe for pe in pes if pe.pe == kind])
        if design := _surrounded(pe, dataflow, random):
            yield design


def _takes(design: DesignPoint, dataflow: str) -> bool:
    """Whether an array of that dataflow may consist of a design's PEs."""
    try:
        check_hardware(replace(design, dataflow=dataflow))
    except InputError:
        return False
    return True


def _surrounded(pe: DesignPoint, dataflow: str, random: Random) -> DesignPoint | None:
    """An accelerator of these PEs; ``None`` if what was drawn cannot be built, or not in a short time."""
    rows, columns, group_size = (_one(random, sizes) for sizes in (SIDES, SIDES, GROUP_SIZES))
    weight, activation, output = (_one(random, BUFFERS) for _ in range(3))
    waits = pe.element.accumulation.family == "aligned"
    try:
        design = replace(
            pe,
            dataflow=dataflow,
            pipeline=random.choice(pe.element.pipelines),
            rows=rows,
            columns=columns,
            group_size=min(group_size, LARGEST_WAIT) if waits else group_size,
            double_buffered=random.random() < 0.5,
            weight_buffer_kib=weight,
            activation_buffer_kib=activation,
            output_buffer_kib=output,
        )
        depths(design)
    except InputError:
        return None
    return design if rows * columns <= LARGEST_PES else None


def _one(random: Random, sizes: Sequence[int]) -> int:
    """One of these, often the first or the last: a line is known best from its ends."""
    return random.choice((sizes[0], sizes[-1], random.choice(sizes)))
