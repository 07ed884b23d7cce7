"""``generate``: the hardware of a design, ready to be simulated and synthesised."""

from pathlib import Path

from costmodel.synthesis.liberty import sky130_liberty
from hdl.delivery import Export, write_design
from hdl.overlay.scaled_down import scaled_down
from hdl.pe import check_hardware
from sim.design import DesignPoint, load_design, of_file
from sim.overlay.design import OverlayDesign, is_overlay, load_overlay
from sim.schedule import check_buffers


def generate(design: str | DesignPoint | OverlayDesign = "mixpe-w4a8", out: str | Path = "build/generate") -> Export:
    """Write everything of the design's hardware into ``out``; see :func:`hdl.delivery.write_design`.

    Of an overlay that is a scaled-down accelerator (:func:`hdl.overlay.scaled_down.scaled_down`).
    Raises ``InputError`` for a design that does not exist or cannot work, and a folder that cannot be written or holds
    anything else.
    """
    if isinstance(design, OverlayDesign) or (isinstance(design, str) and is_overlay(design)):
        return write_design(scaled_down(load_overlay(design)), Path(out), sky130_liberty())
    point = hardware_design(design)
    with of_file(design):
        check_buffers(point, point.group_size + 1)
    return write_design(point, Path(out), sky130_liberty())


def hardware_design(design: str | DesignPoint) -> DesignPoint:
    """The design. Raises ``InputError`` for one that does not exist or has a model only."""
    point = load_design(design)
    with of_file(design):
        check_hardware(point)
    return point
