"""Does a design fit a board, what limits it, and how large an array would fit there."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from costmodel.area import DesignArea, component_areas
from costmodel.components import components_of
from costmodel.fpga.block_ram import blocks, memories
from costmodel.fpga.devices import DEVICES, RESOURCES, Device
from sim.design import DesignPoint
from sim.errors import InputError, choose
from sim.fields import LARGEST_FIELD

GROWTH = {"array_edge": 2, "result_buffer": 1, "scratchpads": 1}
"""By which power of the array's side one instance grows: triangles of registers along each side, words as wide as a side.

For arrays of other sizes than the design's, which :mod:`costmodel.fit` does not know: it ends at 64 rows, the largest that were
characterised, and boards hold more. From 32x32 to 64x64 edges become 43,636 LUT sites by this and 42,285 by the fit; the others
are a few hundred of the array's 230,000."""

TARGET = "xcup"
"""LUTs and flip-flops of a Versal device are taken to be those of UltraScale+."""

BANDWIDTH = "bandwidth"
"""[byte/s] Beside the resources: what all channels of the design's memory have at their peak."""


@dataclass(frozen=True)
class BoardFit:
    """What a design takes of a board: ``used`` and ``available`` by resource, ``None`` where the board's figure is not known.

    ``slrs`` is the least number of super logic regions that hold it, ``None`` if none or nobody knows; ``largest`` has rows and
    columns of the largest array of the same aspect that fits, memories of the same size around it, zeros if none does, and
    ``larger`` says why the next one does not; ``dsp_macs_per_cycle`` is what the board's DSP slices could do, ``None`` of
    formats that they do not multiply. ``fitted`` are the components whose size was not measured, ``source`` says where sizes
    come from.
    """

    design: str
    device: str
    used: Mapping[str, float]
    available: Mapping[str, float | None]
    slrs: int | None
    largest: tuple[int, int]
    larger: str
    dsp_macs_per_cycle: int | None
    fitted: tuple[str, ...]
    source: str

    @property
    def utilization(self) -> dict[str, float | None]:
        """Share of each resource that is used, ``None`` where the board's figure is not known."""
        return {name: _share(used, self.available[name]) for name, used in self.used.items()}

    @property
    def fits(self) -> bool:
        """Whether nothing that is known is too little."""
        return self.known[self.limit] <= 1

    @property
    def known(self) -> dict[str, float]:
        """The utilization of the resources of which it is known."""
        return {name: share for name, share in self.utilization.items() if share is not None}

    @property
    def limit(self) -> str:
        """The resource of which the greatest share is used."""
        return max(self.known, key=lambda name: self.known[name])

    @property
    def verdict(self) -> str:
        """The fit in sentences."""
        known = " as far as its figures are known" if self.unknown else ""
        does = f"fits {self.device}{known}" if self.fits else f"does not fit {self.device}"
        too_fast = self.limit == BANDWIDTH and not self.fits
        most = f"{self.known[self.limit]:.1%} of the {self.limit}"
        lines = [f"{self.design} {does}: {f'its memory has {most}' if too_fast else f'the most it takes is {most}'}."]
        if self.fitted:
            lines.append(f"Fitted and not measured: {', '.join(self.fitted).replace('_', ' ')}.")
        if self.unknown:
            lines.append(f"Not known of the board: {', '.join(self.unknown)}.")
        if self.slrs is not None:
            lines.append(f"Super logic regions: {self.slrs}.")
        rows, columns = self.largest
        largest = "With a slower memory, the largest" if too_fast else "The largest"
        lines.append(f"{largest} array of this aspect: {rows}x{columns}; for a larger one: {self.larger}.")
        if self.dsp_macs_per_cycle is not None:
            lines.append(f"All DSP slices of the board could do {self.dsp_macs_per_cycle:,} MAC/cycle in these formats.")
        return " ".join(lines)

    @property
    def flat(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        facts = {"utilization": self.utilization, "fits": self.fits, "limit": self.limit, "unknown": self.unknown}
        return {**asdict(self), **facts}

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is used and of which nobody knows how much there is."""
        return tuple(name for name, used in self.used.items() if used and self.available[name] is None)


def _share(used: float, available: float | None) -> float | None:
    if available is None or not used:
        return None if available is None else 0.0
    return used / available if available else math.inf


def fit(design: DesignPoint, device: str) -> BoardFit:
    """How a design fits a board of :data:`costmodel.fpga.devices.DEVICES`.

    LUTs, flip-flops and DSP slices are those of the components as measured, or fitted, memories those of the generated
    accelerator. The vector unit, the memory's controller and a shell are not counted, and nothing is left free for routing.
    Raises ``InputError`` for an unknown device, :class:`costmodel.area.NotMeasuredError` for a design that is no accelerator
    or of which a component has neither been synthesised nor can be fitted.
    """
    board = choose("device", device, DEVICES)
    area = component_areas(design, TARGET)
    largest, larger = _largest(design, area, board)
    used, available = _room(design, area, board)
    return BoardFit(
        design.name,
        device,
        used=used,
        available=available,
        slrs=_least_slrs(design, area, board),
        largest=largest,
        larger=larger,
        dsp_macs_per_cycle=board.dsp_macs_per_cycle(design),
        fitted=area.fitted,
        source=str(area.source),
    )


def greatest_share(design: DesignPoint, device: str) -> float:
    """The greatest share that a design takes of any resource of a board that is known, as :attr:`BoardFit.limit` has it.

    Raises as :func:`fit` does.
    """
    board = choose("device", device, DEVICES)
    used, available = _room(design, component_areas(design, TARGET), board)
    shares = (_share(taken, available[name]) for name, taken in used.items())
    return max(share for share in shares if share is not None)


def _room(design: DesignPoint, area: DesignArea, board: Device) -> tuple[dict[str, float], dict[str, float | None]]:
    """What a design takes of each resource and of the memory's bandwidth, and what there is."""
    bandwidth = design.dram.bits_per_second * design.memory_channels / 8
    return (
        {**_used(design, area, board.resources), BANDWIDTH: bandwidth},
        {**board.resources, BANDWIDTH: board.dram_bits_per_second(design.clock_hz) / 8},
    )


def _used(design: DesignPoint, area: DesignArea, room: Mapping[str, int | None]) -> dict[str, float]:
    """Resources of a design that is as ``area`` was measured but for an array of another size; memories where there is room."""
    numbers = dict.fromkeys(("lut_sites", "flip_flops", "dsps"), 0.0)
    side = math.sqrt(design.rows * design.columns / area.components["pe"].instances)
    for component in components_of(design).values():
        grown = component.instances(design) * side ** GROWTH.get(component.part, 0)
        found = area.components[component.part].measured.area.numbers
        numbers = {name: number + grown * found.get(name, 0.0) for name, number in numbers.items()}
    bram36, uram = room["bram36"], room["uram"]
    taken = blocks(memories(design), math.inf if bram36 is None else bram36, uram or 0)
    return {
        "lut": numbers["lut_sites"] + taken.lut_sites,
        "ff": numbers["flip_flops"],
        "dsp": numbers["dsps"],
        "bram36": taken.bram36,
        "uram": taken.uram,
    }


def _lacking(room: Mapping[str, int | None], used: Mapping[str, float]) -> str:
    """The resource of which a design takes the greatest share, if that is more than there is."""
    shares = {name: _share(used[name], room[name]) or 0.0 for name in RESOURCES}
    most = max(shares, key=lambda name: shares[name])
    return most if shares[most] > 1 else ""


def _least_slrs(design: DesignPoint, area: DesignArea, board: Device) -> int | None:
    for number in range(1, len(board.slrs or ()) + 1):
        for chosen in combinations(board.slrs or (), number):
            room = {name: sum(slr[name] or 0 for slr in chosen) for name in RESOURCES}
            if not _lacking(room, _used(design, area, room)):
                return number
    return None


def _largest(design: DesignPoint, area: DesignArea, board: Device) -> tuple[tuple[int, int], str]:
    """By halving: what an array takes grows with it, and so does what its memories must hold at least."""
    unit = math.gcd(design.rows, design.columns)
    rows, columns = design.rows // unit, design.columns // unit

    def lacks(times: int) -> str:
        try:
            grown = replace(design, rows=rows * times, columns=columns * times)
            lacking = _lacking(board.resources, _used(grown, area, board.resources))
            return f"too little {lacking}" if lacking else ""
        except InputError as error:  # of fields that are too large, or scratchpads that are too small
            return str(error)

    low, high = 0, LARGEST_FIELD // max(rows, columns) + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if lacks(middle) else (middle, high)
    return (rows * low, columns * low), lacks(high)
