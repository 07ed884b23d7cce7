"""``generate``: the Verilog of a design."""

from pathlib import Path

from hdl.export import Export, write_design
from sim.design import DesignPoint, load_design
from sim.schedule import check_buffers


def generate(design: str | DesignPoint = "mixpe-w4a8", out: str | Path = "build/generate") -> Export:
    """Write each module of the design once and ``manifest.json`` (ports, widths, latency, tool versions) into ``out``.

    Raises ``InputError`` for a design that does not exist or cannot work, and a folder that cannot be written.
    """
    point = load_design(design)
    check_buffers(point, point.group_size + 1)
    return write_design(point, Path(out))
