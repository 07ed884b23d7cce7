"""The components of an overlay's hardware: what each is told apart by, and how many a design has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sim.overlay.dequantizer import STORED
from sim.overlay.design import OverlayDesign
from sim.overlay.engine import LANES
from sim.overlay.sparsity import INDEX_BITS

WINDOW_WORDS = 1024
"""[256 bit] Beneath a window that is measured: its shifter is what counts, as addresses grow by a bit where words double."""

WINDOW_BITS = 256
"""[bit] Of a window."""

QUEUES = ("load", "store", "engine", "special")
"""Units with a queue of their own in the dispatcher."""


@dataclass(frozen=True)
class OverlayPart:
    """``key`` has the fields of a design that decide the component, ``count`` how many there are, ``build`` makes it.

    ``alone``: without the components inside it, which are parts of their own.
    """

    key: Callable[[OverlayDesign], Mapping[str, object]]
    count: Callable[[OverlayDesign], int]
    build: Callable[[OverlayDesign], Any]
    alone: bool = False


def _vector_units(design: OverlayDesign) -> int:
    return design.units * design.vector_units


def weight_windows(design: OverlayDesign) -> int:
    """Windows of a vector unit that hold the weights of a cycle, with their indices."""
    engine = design.engine
    longest = max(STORED[name].bits for name in engine.weight_formats) + (INDEX_BITS if engine.sparse else 0)
    return -(-engine.weights("mv") * longest // WINDOW_BITS)


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
            lambda d: {"chain": d.chain, "sparse": d.sparse, "group_size": d.group_size}, _vector_units, _walk, alone=True
        ),
        "byte_window": OverlayPart(
            lambda _: {"words": WINDOW_WORDS}, lambda d: (1 + weight_windows(d)) * _vector_units(d), _window
        ),
        "dispatcher": OverlayPart(lambda d: {"queue": d.queue}, lambda _: 1, _dispatcher),
    }
)
"""Those that are synthesised. A vector unit has a dequantizer, for each of its two lanes one that scales sums of groups, what
walks through blocks, and windows of any 32 bytes of the weight buffer, for the weights of a cycle and for scales. Block
memories are counted elsewhere."""


def parts_of(design: OverlayDesign) -> Mapping[str, OverlayPart]:
    """Those that a design has: none, where fp16 numbers are multiplied, which has no hardware here."""
    return PARTS if design.quantized else {}


def key_of(component: str, design: OverlayDesign) -> str:
    """What tells a component of a design from others of its kind."""
    return " ".join(f"{name}={value}" for name, value in PARTS[component].key(design).items())
