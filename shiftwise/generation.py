"""``generate``: the Verilog of a design."""

from pathlib import Path

from hdl.export import Export, write_design
from hdl.pe import check_hardware
from sim.design import DesignPoint, load_design, of_file
from sim.schedule import check_buffers


def generate(design: str | DesignPoint = "mixpe-w4a8", out: str | Path = "build/generate") -> Export:
    """Write each module of the design once and ``manifest.json`` (ports, widths, latency, tool versions) into ``out``.

    Raises ``InputError`` for a design that does not exist or cannot work, and a folder that cannot be written.
    """
    point = hardware_design(design)
    with of_file(design):
        check_buffers(point, point.group_size + 1)
    return write_design(point, Path(out))


def hardware_design(design: str | DesignPoint) -> DesignPoint:
    """The design. Raises ``InputError`` for one that does not exist or has a model only."""
    point = load_design(design)
    with of_file(design):
        check_hardware(point)
    return point
