"""What ``simulate`` of an overlay is asked, checked as far as that goes without torch, which takes seconds to load."""

from dataclasses import dataclass
from pathlib import Path

from costmodel.fpga.devices import DEVICES
from shiftwise.request import ACCURACY_BYTES, checked_text
from sim.errors import InputError, choose
from sim.overlay.design import OverlayDesign, load_overlay
from workloads.overlay.recipes import overlay_recipe
from workloads.passes import Phase, check_pass
from workloads.zoo import config_path


@dataclass(frozen=True)
class OverlayRequest:
    """One pass of one sequence to simulate.

    ``text``, ``accuracy_bytes`` and ``recipe`` are as of :class:`shiftwise.request.Request`; the cache is the overlay's.
    """

    design: OverlayDesign
    model: str
    phase: Phase
    sequence: int | None
    text: bytes | None
    accuracy_bytes: int
    recipe: str | None
    kv_cache: str = "per_token"


def checked_overlay(
    design: str | OverlayDesign,
    model: str,
    phase: Phase,
    sequence: int | None,
    text: str | Path | None = None,
    accuracy_bytes: int | None = None,
    recipe: str | None = None,
) -> OverlayRequest:
    """The arguments of :func:`shiftwise.simulate_overlay`. Raises ``InputError`` for those that cannot be used.

    What only the model itself can say, such as its family and its context, is left to the simulation.
    """
    point = load_overlay(design)
    choose("device", point.device, DEVICES)
    check_pass(phase, 1, sequence)
    if Path(model).suffix == ".csv":
        raise InputError(f"a model on an overlay is a decoder of known sizes, not a topology: {model!r}")
    config_path(model)
    content = checked_text(model, phase, text, accuracy_bytes, recipe)
    if recipe is not None:
        overlay_recipe(point, recipe)
    judged = ACCURACY_BYTES[phase] if accuracy_bytes is None else accuracy_bytes
    return OverlayRequest(point, model, phase, sequence, content, judged, recipe)
