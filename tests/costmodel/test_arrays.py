"""What is characterised beside presets: enough for every line, and what can be built."""

from collections import defaultdict

import numpy as np
import pytest

from costmodel.arrays import LARGEST_PES, LARGEST_WAIT, parts_of_arrays
from costmodel.characterize import jobs
from costmodel.components import COMPONENTS, components_of
from costmodel.fit import ROWS_PER_COEFFICIENT
from costmodel.forms import FORMS, axes_of, terms_of
from sim.accelerator.depths import depths
from sim.design import DesignPoint

PARTS = list(parts_of_arrays())

SPANNED = {
    "array_edge": {"rows": (4, 64), "columns": (4, 64), "weight bits": (2, 16), "activation bits": (3, 16)},
    "epilogue": {"rows": (4, 64), "weight bits": (2, 16)},
    "controller": {"rows": (4, 64), "columns": (4, 64), "group size": (16, 1024)},
    "result_buffer": {"rows": (4, 64), "columns": (4, 64)},
    "stationary_edge": {"rows": (4, 64), "columns": (4, 64), "weight bits": (2, 8)},
}


def test_the_same_are_drawn_at_every_call() -> None:
    assert list(parts_of_arrays()) == PARTS


@pytest.mark.parametrize("component", COMPONENTS)
def test_components_are_those_of_designs_that_can_be_built(component: str) -> None:
    for design in {design for design, name in PARTS if name == component}:
        assert component in components_of(design)
        assert min(depths(design).weight, depths(design).activation) > 0
        assert design.rows * design.columns <= LARGEST_PES
        assert design.pe_latency <= design.element.latency + LARGEST_WAIT


@pytest.mark.parametrize("component", SPANNED)
def test_ends_of_the_box_are_among_them(component: str) -> None:
    places = [axes_of(component, design) for design, name in PARTS if name == component]
    spans = {axis: (min(place[axis] for place in places), max(place[axis] for place in places)) for axis in SPANNED[component]}
    assert spans == SPANNED[component]


def test_every_line_has_enough_rows() -> None:
    lines: dict[tuple[str, str, str], list[DesignPoint]] = defaultdict(list)
    for design, component, target in jobs().values():
        lines[component, target, FORMS[component].alike(design)].append(design)
    few = {}
    for (component, target, alike), found in lines.items():
        rank = np.linalg.matrix_rank(np.array([[1.0, *terms_of(component, design).values()] for design in found]))
        if len(found) < ROWS_PER_COEFFICIENT * rank:
            few[component, target, alike] = (len(found), rank)
    assert few == {}
