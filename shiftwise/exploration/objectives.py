"""What is wanted of a design: figures that are to be small or large, and budgets that it has to keep within."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from costmodel.fpga.devices import DEVICES
from costmodel.synthesis.targets import CHARACTERISED, TARGETS
from shiftwise.axes import Axis
from sim.errors import InputError, choose

LOSS = "loss"
"""Bits per byte above the float model's, as a share of them: known of the best points alone."""

DEVICE_SHARE = "device_share"
"""The greatest share of a board's resource that a design takes."""


OBJECTIVES: dict[str, Axis] = {
    one.name: one
    for one in (
        Axis("area", "area", ""),
        Axis("energy", "energy of a token", "J"),
        Axis("tokens_per_s", "speed", "tokens/s", less=False),
        Axis("power", "mean power", "W"),
        Axis("bandwidth", "bandwidth of the memory", "GB/s"),
        Axis("noise", "noise of products", "dB"),
    )
}
"""What a search may look for; the unit of an area is its target's. ``noise`` of products is that to their signal, which stands
for the loss of accuracy."""

DEFAULT = ("area", "energy", "tokens_per_s", "noise")


def objectives(names: Iterable[str], target: str) -> tuple[Axis, ...]:
    """The objectives of these names, areas on a target. Raises ``InputError`` for an unknown one, one named twice, or none."""
    listed = tuple(names)
    choose("target", target, dict.fromkeys(CHARACTERISED))
    if not listed or len(set(listed)) != len(listed):
        known = ", ".join(OBJECTIVES)
        raise InputError(f"objectives are different ones of {known}, at least one, not {', '.join(listed) or 'none'}")
    found = [choose("objective", name, OBJECTIVES) for name in listed]
    return tuple(replace(one, unit=TARGETS[target].unit) if one.name == "area" else one for one in found)


@dataclass(frozen=True)
class Budgets:
    """Limits, ``None`` where there is none: ``max_area`` [um2 or LUT sites, by target], ``max_power`` [W], ``max_bandwidth``
    [GB/s] of what the design's memory sustains, and so on.

    ``device`` is a board that the design has to fit. Raises ``InputError`` for a limit that is not positive and finite, and
    for an unknown board.
    """

    max_area: float | None = None
    max_power: float | None = None
    min_tokens_per_s: float | None = None
    max_loss: float | None = None
    device: str | None = None
    max_bandwidth: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_area", "max_power", "max_bandwidth", "min_tokens_per_s", "max_loss"):
            limit = getattr(self, name)
            if limit is not None and not 0 < limit < math.inf:
                raise InputError(f"{name} is above 0 and finite, not {limit}")
        if self.device is not None:
            choose("device", self.device, DEVICES)

    @property
    def in_words(self) -> list[str]:
        """The limits that there are, in words."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return [f"{name.replace('_', ' ')} {value}" for name, value in given.items() if value is not None]

    def broken(self, figures: Mapping[str, float]) -> dict[str, float]:
        """By how much each limit that is broken is missed, as a share of it; figures that are not known break none."""
        found = {
            "max_area": _over(figures.get("area"), self.max_area),
            "max_power": _over(figures.get("power"), self.max_power),
            "max_bandwidth": _over(figures.get("bandwidth"), self.max_bandwidth),
            "min_tokens_per_s": _over(self.min_tokens_per_s, figures.get("tokens_per_s")),
            "max_loss": _over(figures.get(LOSS), self.max_loss),
            "device": _over(figures.get(DEVICE_SHARE), 1.0 if self.device else None),
        }
        return {name: share for name, share in found.items() if share > 0}

    def told(self, name: str, figures: Mapping[str, float]) -> str:
        """A limit beside what a design has there."""
        limit = getattr(self, name)
        if name == "device":
            return f"device {limit}: it takes {figures[DEVICE_SHARE]:.1%} of the resource that it takes most of"
        figure = figures[name.partition("_")[2]]
        return f"{name} {limit:g}: it has {figure:.4g}"


def _over(value: float | None, limit: float | None) -> float:
    """By what share a value exceeds a limit."""
    return 0.0 if value is None or limit is None else max(0.0, value / limit - 1)
