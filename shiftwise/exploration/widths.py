"""Widths by layer as an axis of a search: for some weights, the formats of a model's layers at each mean width.

Formats are chosen greedily among those that a design's PE multiplies beside its own (:mod:`workloads.allocation`). Their noise
is that of one format for all layers which is expected to lose as much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shiftwise.digests import digest_of, model_digest
from sim.design import DesignPoint
from sim.widths import narrower_formats

WEIGHTS = ("pe", "weight_format", "scaling", "accumulator", "group_size")
"""Fields of a design that decide how its layers' widths are chosen."""

WINDOWS, JUDGED = 1, 16384
"""Sequences of 512 tokens that losses are of, behind so many bytes of the held-out text, of which accuracy may be told."""

Layers = Mapping[str, str]
"""Formats of layers by name."""


@dataclass(frozen=True)
class Widths:
    """Widths to find: of the layers of a model on a design, at each mean width [bit]."""

    model: str
    design: DesignPoint
    bits: tuple[float, ...]

    @property
    def weights(self) -> tuple[Any, ...]:
        return weights_of({}, self.design)

    @property
    def key(self) -> str:
        scales = self.design.weight_format, self.design.scaling, self.design.group_size
        return digest_of("figures", model_digest(self.model), scales, narrower_formats(self.design), self.bits)


@dataclass(frozen=True)
class Found:
    """Formats of layers by mean width and the loss that they are expected to cost, and that of each format for all layers."""

    uniform: Mapping[str, float]
    layers: Mapping[float, Layers]
    losses: Mapping[float, float]

    def noise(self, bits: float, noises: Mapping[str, float | None]) -> float | None:
        """The noise [dB] at a mean width, from that of each format for all layers."""
        known = sorted((self.uniform[name], noise) for name, noise in noises.items() if noise is not None)
        if not known or bits not in self.losses:
            return None
        losses, values = np.transpose(known)
        return float(np.interp(np.log(self.losses[bits]), np.log(losses), values))


def weights_of(fields: Mapping[str, Any], base: DesignPoint) -> tuple[Any, ...]:
    """What decides the widths, of fields in the place of the base's."""
    return tuple(fields.get(name, getattr(base, name)) for name in WEIGHTS)


def widths_of(asked: Widths) -> dict[str, Any]:
    """What :class:`Found` has, as JSON has it. A function for workers."""
    from sim.operators import Product
    from workloads.accuracy import calibration_tokens
    from workloads.allocation.errors import error_table
    from workloads.allocation.greedy import greedy, total
    from workloads.checkpoint import load_model
    from workloads.embedded import HELD_OUT_TEXT
    from workloads.shapes import shapes

    model = load_model(asked.model)
    tokens = calibration_tokens(model, HELD_OUT_TEXT.read_bytes()[JUDGED:], WINDOWS)
    names = {o.name for o in shapes(str(model.folder)).operators if isinstance(o, Product) and o.kind == "linear"}
    table = error_table(model, tokens, asked.design, narrower_formats(asked.design), "layer", names, lambda *_: None)
    costs = table.weights[:, None] * table.bits / table.weights.sum()
    found: dict[str, Any] = {
        "uniform": {name: float(loss) for name, loss in zip(table.formats, table.losses.sum(axis=0), strict=True)},
        "layers": {},
        "losses": {},
    }
    for bits in asked.bits:
        if table.bits.min() <= bits <= table.bits.max():
            chosen = greedy(table.losses, costs, bits)
            found["layers"][bits] = {name: own[0] for name, own in table.allocation(chosen).layers.items()}
            found["losses"][bits] = total(table.losses, chosen)
    return found


def known_widths(tasks: Sequence[Widths], found: Mapping[str, Any]) -> dict[tuple[Any, ...], Found]:
    """What was found, by what of a design decides it."""
    known = {}
    for task in tasks:
        value = found[task.key]
        by_bits = {name: {float(bits): one for bits, one in value[name].items()} for name in ("layers", "losses")}
        known[task.weights] = Found(value["uniform"], **by_bits)
    return known
