"""What a point costs: size and energy of a MAC, energy of a token, and tokens a second at the base's area."""

import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from costmodel.area import NotMeasuredError, array_area, component
from costmodel.cost import evaluate
from costmodel.energy import memory_prices
from costmodel.measured import own_measured_csv
from shiftwise.digests import digest_of, model_digest
from sim.design import DesignPoint
from sim.errors import InputError
from sim.schedule import schedule
from workloads.passes import Phase

if TYPE_CHECKING:  # what they import takes seconds
    from shiftwise.passes import Pass
    from workloads.model_trace import ModelTrace

PHASES: tuple[Phase, ...] = ("prefill", "decode")

SILICON = "sky130"
"""Technology and target of energies, which were measured there."""

COLUMNS = 1 << 16
"""Of the tensor whose bits a weight are told: a scale of the tensor is nothing in them."""

PASSES = "passes"
"""The key of what is told of each pass (:mod:`shiftwise.passes`) beside the costs that come from them."""

LARGEST = ("prefill, largest array of the base's area", "decode, largest array of the base's area")
OF_THE_BASE = "decode, array of as many PEs as the base's"

MOST = 512
"""Rows and columns of the largest array that is looked for."""


@dataclass(frozen=True)
class Costs:
    """Figures of a point; ``None`` where one is not known, and ``unknown`` says why.

    Sizes and energy of a MAC are those of a PE by the MACs that it does in a cycle, clock and leakage included. The array has
    ``side x side`` PEs and at most the area of the base's, of all that grows with an array (:func:`costmodel.area.array_area`).
    The energy of a token is that of a decode step on an array as large as the base's.
    """

    luts_per_mac: float | None
    um2_per_mac: float | None
    energy_per_mac_fj: float | None
    accumulator_bits: int
    bits_per_weight: float
    side: int | None
    prefill_tokens_per_s: float | None
    decode_tokens_per_s: float | None
    energy_per_token_j: float | None
    unknown: str


@dataclass(frozen=True)
class Priced:
    """Costs to find: of a ``design``, in arrays as large as that of ``base`` on a ``target``, for passes of a ``model``."""

    design: DesignPoint
    base: DesignPoint
    target: str
    model: str
    sequence: int

    @property
    def key(self) -> str:
        """All that the result depends on: the program's text and data, rows that the user measured, a model's files."""
        own = own_measured_csv()
        measured = own.read_bytes() if own.is_file() else b""
        return digest_of("costs", replace(self, model=model_digest(self.model)), hashlib.sha256(measured).hexdigest())


def costs_of(asked: Priced) -> dict[str, Any]:
    """:class:`Costs` by name, and the :data:`PASSES` that they come from, for workers.

    Components are measured or fitted on ``xcup`` and ``sky130``. Blocks are scaled by the epilogue of fp16 scales, whose
    hardware there is.
    """
    from workloads.shapes import shapes

    design = asked.design
    built, unknown = replace(design, scaling="fp16"), list[str]()
    prefill, decode = (shapes(asked.model, phase, 1, asked.sequence) for phase in PHASES)
    side = largest_side(built, array_area(asked.base, asked.target), asked.target, unknown)
    sized = replace(design, rows=side, columns=side) if side else None
    largest = [_pass(title, sized, work, unknown) for title, work in zip(LARGEST, (prefill, decode), strict=True)]
    alike = _pass(OF_THE_BASE, design, decode, unknown)
    if alike and alike["unknown"]:
        unknown.append(alike["unknown"])
    found = Costs(
        luts_per_mac=_of_a_mac(built, "xcup", "lut_sites", unknown),
        um2_per_mac=_of_a_mac(built, SILICON, "area_um2", unknown),
        energy_per_mac_fj=_of_a_mac(built, SILICON, "energy_traced_fj", unknown),
        accumulator_bits=design.accumulator_bits,
        bits_per_weight=design.weight_scheme.storage_bits((design.group_size, COLUMNS), 0) / (design.group_size * COLUMNS),
        side=side,
        prefill_tokens_per_s=_tokens_per_s(largest[0]),
        decode_tokens_per_s=_tokens_per_s(largest[1]),
        energy_per_token_j=alike["energy_J"] / alike["tokens"] if alike and alike["energy_J"] is not None else None,
        unknown="; ".join(dict.fromkeys(unknown)),
    )
    return {**asdict(found), PASSES: [one for one in (alike, *largest) if one]}


def _pass(title: str, design: DesignPoint | None, work: "ModelTrace", unknown: list[str]) -> "Pass | None":
    """A pass as it is told of; traffic is that of the design's own scales. Why there is none is told ``unknown``."""
    from shiftwise.passes import told_pass

    if design is None:
        return None
    built = replace(design, scaling="fp16")
    try:
        run = schedule(design, work.operators, memory_prices(design))
    except InputError as error:
        unknown.append(str(error))
        return None
    try:
        cost = evaluate(built, run, SILICON)
    except InputError as error:
        return told_pass(title, design, built, run, work.tokens, str(error))
    return told_pass(title, design, built, run, work.tokens, cost if cost.area else f"the area on {SILICON} is not known")


def _tokens_per_s(told: "Pass | None") -> float | None:
    return told["tokens"] * told["clock_hz"] / told["cycles"] if told else None


def _of_a_mac(design: DesignPoint, target: str, number: str, unknown: list[str]) -> float | None:
    """A number of a PE by the MACs that it does in a cycle."""
    try:
        return component(design, "pe", target).area.numbers[number] / float(design.element.macs_per_cycle)
    except NotMeasuredError as error:
        unknown.append(str(error))
    except KeyError:
        unknown.append(f"{number} of the PE was not measured on {target}")
    return None


def largest_side(design: DesignPoint, budget: float, target: str, unknown: list[str]) -> int | None:
    """Rows and columns of the largest square array within an area; what is not known of it is told ``unknown``.

    Areas of narrow arrays may be unknown where those of larger ones are known, so the sides are tried one by one.
    """
    side = None
    refused = ""
    for size in range(2, MOST + 1):
        try:
            area = array_area(replace(design, rows=size, columns=size), target)
        except NotMeasuredError as error:
            refused = str(error)
            if side:
                break
            continue
        if area > budget:
            break
        side = size
    if side is None:
        unknown.append(refused or f"an array of 2 x 2 is larger than {budget:.6g} on {target}")
    return side
