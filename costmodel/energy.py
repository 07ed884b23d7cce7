"""Energy of each action of a design in a technology, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from costmodel.area import DesignArea, NotMeasuredError, component_areas, synth_command
from costmodel.fpga.fabric import BRAM_PORT_BITS, CLBS
from costmodel.measured import Measured
from costmodel.sources import Source
from costmodel.technology import TECHNOLOGIES, Fabric, Operations, Uniform
from sim.design import DesignPoint
from sim.errors import choose
from sim.memory import Prices
from sim.trace import ACTIONS

FP16_SIGNIFICAND_BITS = 11
FP32_SIGNIFICAND_BITS = 24
"""[bit] Significands with their hidden bit (IEEE 754)."""

FEMTOJOULE = 1e-3  # [pJ]
PICOJOULE = 1e-12  # [J]
NANOWATT = 1e-9  # [W]

MAC_PARTS = ("multiplier", "accumulator", "registers")
"""What of a measured MAC's energy is spent by its operands; clock and leakage are spent in every cycle."""

OF_ACTIONS = ("pe", "row_sum", "row_sum_foot", "foot", "epilogue")
"""Parts that work when an action of theirs happens."""

FP32_MULTIPLIER_DSPS = 2
"""Slices of 27 x 18 bit for significands of 24 bit."""


@dataclass(frozen=True)
class Priced:
    """Energy [pJ] of one action, and of its parts where they were told apart."""

    energy: float
    source: Source
    parts: Mapping[str, float] = field(default_factory=dict)


def energy_per_action(design: DesignPoint, technology: str) -> dict[str, float]:
    """Energy [pJ] of every action of :data:`sim.trace.ACTIONS`, scratchpads and DRAM a bit. Raises as :func:`priced` does."""
    return {action: price.energy for action, price in priced(design, technology).items()}


def priced(design: DesignPoint, technology: str) -> dict[str, Priced]:
    """Energy of every action of :data:`sim.trace.ACTIONS`, scratchpads and DRAM a bit.

    An action is the sum of its operations: ``mac`` the PE's additions, ``row_sum`` one addition, ``group_epilogue``
    zero point times row sum, the correction, the product with an fp16 scale and an fp32 addition, ``token_scale`` the
    product of an fp32 and an fp16 significand, ``partial_sum`` one addition, ``vector_operation`` one fp32 multiplication,
    which no other operation of the vector unit exceeds. What was measured stands in place of that: a PE's MAC, or on an FPGA
    a component's size. DRAM is the design's memory in every technology but ``unit``. Raises ``InputError`` for an unknown
    technology, for a scratchpad outside the sizes it knows, and for what it would have to know from a measurement.
    """
    table = choose("technology", technology, TECHNOLOGIES)
    if isinstance(table, Uniform):
        return dict.fromkeys(ACTIONS, Priced(table.energy, table.source))
    logic = _of_fabric(design, table) if isinstance(table, Fabric) else _of_operations(design, table)
    dram = Priced(design.dram.energy_per_bit, Source("cited", design.dram.source))
    memory = {
        f"{name}_buffer_{way}": price
        for name, both in _scratchpads(design, table).items()
        for way, price in zip(("read", "write"), both, strict=True)
    }
    return {**logic, **memory, "dram_read": dram, "dram_write": dram}


def memory_prices(design: DesignPoint) -> Prices:
    """Energy [pJ] of a bit of each memory in the design's technology: what decides between schedules that are equally fast.

    A scratchpad's is the mean of reading and writing.
    """
    table = choose("technology", design.technology, TECHNOLOGIES)
    if isinstance(table, Uniform):
        return Prices(*(table.energy,) * len(fields(Prices)))
    pads = {name: (read.energy + write.energy) / 2 for name, (read, write) in _scratchpads(design, table).items()}
    return Prices(**{f"{name}_buffer": energy for name, energy in pads.items()}, dram=design.dram.energy_per_bit)


def _scratchpads(design: DesignPoint, table: Operations | Fabric) -> dict[str, tuple[Priced, Priced]]:
    """Energy of reading and of writing a bit of each scratchpad; of an FPGA a bit's share of a block RAM's port."""
    if isinstance(table, Fabric):
        bit = Priced(table.mid * CLBS["bram36"] / BRAM_PORT_BITS, table.source)
        return dict.fromkeys(design.scratchpads, (bit, bit))
    found = {}
    for name, pad in design.scratchpads.items():
        sram = table.sram_of(pad)
        read, write = sram.per_bit(pad, f"the {name} buffer")
        found[name] = Priced(read, sram.source), Priced(write, sram.source)
    return found


def _of_operations(design: DesignPoint, table: Operations) -> dict[str, Priced]:
    additions = Source(
        table.source.kind,
        f"{table.source.text}; additions linear in width, multiplications proportional to the product of widths",
    )
    energies = {
        "row_sum": _row_sum(design, table) if design.has_zero_points else 0.0,
        "partial_sum": table.add(design.accumulator_bits),
        "group_epilogue": _group_epilogue(design, table),
        "token_scale": table.multiply(FP32_SIGNIFICAND_BITS, FP16_SIGNIFICAND_BITS),
        "vector_operation": table.multiply_fp32,
    }
    vector = Source(table.source.kind, f"{table.source.text}; every operation as an fp32 multiplication")
    sources = dict.fromkeys(energies, additions) | {"vector_operation": vector}
    return {"mac": _mac(design, table, additions)} | {name: Priced(pj, sources[name]) for name, pj in energies.items()}


def _mac(design: DesignPoint, table: Operations, additions: Source) -> Priced:
    """A PE's MAC as it was measured or published, else the additions that form the product, and that of the sum.

    No source tells what shifts by a code's distance cost.
    """
    if table.measured is not None:
        return _measured_mac(design, component_areas(design, table.measured).components["pe"].measured)
    published = table.macs.get((design.pe, design.weight_format, design.activation_format, design.accumulator))
    if published is not None:
        return Priced(*published)
    element = design.element
    if element.accumulation.is_float:
        energy = sum(map(table.add, element.product_adders())) + table.add_float(element.accumulation.family)
    else:
        energy = sum(map(table.add, element.adder_widths(design.group_size)))
    return Priced(energy, additions)


def _measured_mac(design: DesignPoint, row: Measured) -> Priced:
    """What the toggles of traced operands take in a MAC, of a row that has it; clock and leakage are apart."""
    numbers: Mapping[str, float] = row.area.numbers
    if "energy_traced_fj" not in numbers:
        raise NotMeasuredError(
            f"the energy of a MAC on {row.area.target} was not measured for pe {design.pe}, {design.weight_format} x "
            f"{design.activation_format}, pipeline {design.pipeline}; run `{synth_command(design, row.area.target)}`"
        )
    toggles = numbers["energy_traced_fj"] - numbers["energy_clock_fj"] - numbers["leakage_fj"]
    source = row.source_of("energy_traced_fj")
    of_what = "PEs that are alike" if row.fitted else "the synthesised PE"
    text = ", ".join(filter(None, (f"toggles of traced operands through {of_what}", row.activity, source.text)))
    columns = {part: f"energy_{part}_fj" for part in MAC_PARTS}
    parts = {part: numbers[column] * FEMTOJOULE for part, column in columns.items() if column in numbers}
    return Priced(toggles * FEMTOJOULE, Source(source.kind, text), parts)


def _row_sum(design: DesignPoint, table: Operations) -> float:
    return table.add(design.row_sum_bits) if design.row_sums_are_integers else table.add_fp32


def _group_epilogue(design: DesignPoint, table: Operations) -> float:
    """Sums of more bits than an fp32 significand are rounded to one before they are scaled."""
    scaled_bits = min(design.corrected_bits, FP32_SIGNIFICAND_BITS + 1)
    scaling = table.multiply(scaled_bits, FP16_SIGNIFICAND_BITS) + table.add_fp32
    if not design.has_zero_points:
        return scaling
    if not design.row_sums_are_integers:
        return table.multiply(design.zero_point_bits, FP32_SIGNIFICAND_BITS) + table.add_fp32 + scaling
    return table.multiply(design.zero_point_bits, design.row_sum_bits) + table.add(design.corrected_bits) + scaling


def _of_fabric(design: DesignPoint, table: Fabric) -> dict[str, Priced]:
    """What a component's blocks spend in the cycles that an action keeps it busy.

    A group's epilogue, and a token's scale, are a cycle of every stage of the epilogue's pipeline; a partial sum where there
    is no foot is an adder of its width.
    """
    area = component_areas(design, table.measured)
    cycle = {part: table.mid * _clbs(area, part) for part in area.components}
    adder = table.mid * design.accumulator_bits * CLBS["lut"]
    energies = {
        "mac": cycle["pe"] / float(design.element.macs_per_cycle),
        "row_sum": cycle.get("row_sum", 0.0) + cycle.get("row_sum_foot", 0.0) / design.rows,
        "partial_sum": cycle.get("foot", adder),
        "group_epilogue": cycle["epilogue"],
        "token_scale": cycle["epilogue"],
        "vector_operation": table.mid * FP32_MULTIPLIER_DSPS * CLBS["dsp"],
    }
    return {name: Priced(energy, table.source) for name, energy in energies.items()}


def per_cycle(design: DesignPoint, technology: str, area: DesignArea) -> dict[str, float]:
    """Energy [pJ] of every cycle, whether PEs work in it or not, by what spends it; nothing where no source tells.

    On measured silicon the clock of the PEs, which is not gated, and the leakage of all cells; on an FPGA the array's edge,
    control, and what fills and reads the scratchpads.
    """
    table = TECHNOLOGIES[technology]
    if isinstance(table, Fabric):
        always = {part: share.instances for part, share in area.components.items() if part not in OF_ACTIONS}
        return {part: table.mid * _clbs(area, part) * instances for part, instances in always.items()}
    if not isinstance(table, Operations) or table.measured is None:
        return {}
    pes = area.components["pe"]
    clock = pes.measured.area.numbers["energy_clock_fj"] * float(design.element.macs_per_cycle)
    return {
        "pe_clock": pes.instances * clock * FEMTOJOULE,
        "leakage": area.numbers["leakage_nw"] * NANOWATT / design.clock_hz / PICOJOULE,
    }


def _clbs(area: DesignArea, part: str) -> float:
    """Configurable logic blocks of one instance of a component: those of its LUTs or flip-flops, whichever are more."""
    numbers = area.components[part].measured.area.numbers
    logic = max(numbers["lut_sites"] * CLBS["lut"], numbers.get("flip_flops", 0.0) * CLBS["ff"])
    return logic + numbers.get("dsps", 0.0) * CLBS["dsp"]
