"""The components of an overlay's hardware: what each is told apart by, and how many a design has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sim.overlay.cells import weight_windows
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import LANES

WINDOW_WORDS = 1024
"""[256 bit] Beneath a window that is measured: its shifter is what counts, as addresses grow by a bit where words double."""

QUEUES = ("load", "store", "engine", "special")
"""Units with a queue of their own in the dispatcher."""


@dataclass(frozen=True)
class OverlayPart:
    """``key`` has the fields of a design that decide the component, ``count`` how many there are, ``build`` makes it.

    ``alone``: without the components inside it, which are parts of their own. Where it does not ``exist`` in an overlay's
    hardware, that component is an estimate.
    """

    key: Callable[[OverlayDesign], Mapping[str, object]]
    count: Callable[[OverlayDesign], int]
    build: Callable[[OverlayDesign], Any]
    alone: bool = False
    exists: Callable[[OverlayDesign], bool] = lambda _: True


def _vector_units(design: OverlayDesign) -> int:
    return design.units * design.vector_units


def _is_fed(design: OverlayDesign) -> bool:
    """Whether the hardware of an overlay reads what a vector unit takes in a cycle."""
    return weight_windows(design.engine) == 1


def _vector_unit(design: OverlayDesign) -> Any:
    from hdl.overlay.vector_unit import VectorUnit

    return VectorUnit(design.engine)


def _dequantizer(design: OverlayDesign) -> Any:
    from hdl.overlay.dequantizer import Dequantizer

    return Dequantizer(design.engine)


def _scaling(design: OverlayDesign) -> Any:
    from hdl.overlay.scaling import Scaling

    return Scaling(design.point)


def _walk(design: OverlayDesign) -> Any:
    from hdl.overlay.vector_pass import VectorPass

    return VectorPass(design, WINDOW_WORDS, WINDOW_WORDS)


def _window(design: OverlayDesign) -> Any:
    del design
    from hdl.overlay.buffers import ByteWindow

    return ByteWindow("weight", WINDOW_WORDS)


def _dispatcher(design: OverlayDesign) -> Any:
    from hdl.overlay.dispatcher import Dispatcher

    return Dispatcher(QUEUES, design.queue)


PARTS: Mapping[str, OverlayPart] = MappingProxyType(
    {
        "vector_unit": OverlayPart(
            lambda d: {"chain": d.chain, "element": d.element, "sparse": d.sparse, "sums": d.engine.accumulator_bits},
            _vector_units,
            _vector_unit,
        ),
        "dequantizer": OverlayPart(
            lambda d: {"weights": d.engine.weights("mv"), "formats": "+".join(d.engine.weight_formats)},
            _vector_units,
            _dequantizer,
        ),
        "scaling": OverlayPart(lambda d: {"group_size": d.group_size}, lambda d: LANES * _vector_units(d), _scaling),
        "walk": OverlayPart(
            lambda d: {"chain": d.chain, "sparse": d.sparse, "group_size": d.group_size}, _vector_units, _walk, True, _is_fed
        ),
        "byte_window": OverlayPart(
            lambda _: {"words": WINDOW_WORDS},
            lambda d: (1 + weight_windows(d.engine)) * _vector_units(d),
            _window,
            exists=_is_fed,
        ),
        "dispatcher": OverlayPart(lambda d: {"queue": d.queue}, lambda _: 1, _dispatcher),
    }
)
"""Those that are synthesised. A vector unit has a dequantizer, for each of its two lanes one that scales sums of groups, what
walks through blocks, and windows of any 32 bytes of the weight buffer, for the weights of a cycle and for scales. Block
memories are counted elsewhere. Where weights of a cycle are more than 32 bytes, which an overlay's hardware does not read yet,
windows are side by side, and what walks through blocks has a port as wide."""


def parts_of(design: OverlayDesign) -> Mapping[str, OverlayPart]:
    """Those that a design has: none, where fp16 numbers are multiplied, which has no hardware here."""
    return PARTS if design.quantized else {}


def key_of(component: str, design: OverlayDesign) -> str:
    """What tells a component of a design from others of its kind."""
    return " ".join(f"{name}={value}" for name, value in PARTS[component].key(design).items())
