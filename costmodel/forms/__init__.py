"""Forms of what is fitted, a file each for PEs, for what else arrays have, and for what is around them.

    y = c_0 + sum over terms of c_term x term(design)

The terms of a component are the same for all its numbers: sizes, delays, energies.
"""

from collections.abc import Mapping
from functools import lru_cache

from costmodel.forms.array import (
    ARRAY_EDGE,
    EPILOGUE,
    FOOT,
    ROW_SUM,
    ROW_SUM_FOOT,
    ROW_SUM_STAGE,
    STATIONARY_EDGE,
    STATIONARY_EPILOGUE,
)
from costmodel.forms.control import CONTROLLER, RESULT_BUFFER, SCRATCHPADS
from costmodel.forms.form import Form
from costmodel.forms.pe import PE
from costmodel.forms.stationary_pe import STATIONARY_PE
from sim.design import DesignPoint

FORMS: dict[str, Form] = {
    "pe": PE,
    "row_sum": ROW_SUM,
    "epilogue": EPILOGUE,
    "array_edge": ARRAY_EDGE,
    "stationary_pe": STATIONARY_PE,
    "row_sum_stage": ROW_SUM_STAGE,
    "row_sum_foot": ROW_SUM_FOOT,
    "foot": FOOT,
    "stationary_epilogue": STATIONARY_EPILOGUE,
    "stationary_edge": STATIONARY_EDGE,
    "controller": CONTROLLER,
    "result_buffer": RESULT_BUFFER,
    "scratchpads": SCRATCHPADS,
}
"""By component."""


@lru_cache(maxsize=1 << 14)
def terms_of(component: str, design: DesignPoint) -> Mapping[str, float]:
    """A design's terms of a component's form."""
    return {name: term(design) for name, term in FORMS[component].terms.items()}


@lru_cache(maxsize=1 << 14)
def axes_of(component: str, design: DesignPoint) -> Mapping[str, float]:
    """Where a design is in the box of a component."""
    return {name: axis(design) for name, axis in FORMS[component].axes.items()}
