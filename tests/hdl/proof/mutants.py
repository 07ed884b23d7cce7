"""``make mutate``: mutants of every component under the vectors that verify it, as a table and as JSON in ``build/``."""

import dataclasses
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hdl.accelerator.controller import Controller
from hdl.bench.vectors import Vectors
from hdl.epilogue import Epilogue
from hdl.export import array_parts
from hdl.overlay.vector_unit import VectorUnit
from hdl.pe import pe_parts
from hdl.proof import contract
from hdl.proof.contract import Rule
from hdl.proof.mutate import OWN, Outcome, mutate
from hdl.row_sum import RowSum
from hdl.verify.array import array_vectors, reset_among_results
from hdl.verify.controller import controller_vectors
from hdl.verify.output import OutputBank, Target, output_vectors
from hdl.verify.pe import pe_vectors
from hdl.verify.vector_unit import vector_unit_vectors
from sim.design import DesignPoint
from sim.formats import FORMATS
from sim.output import output_format
from sim.overlay.engine import Engine
from tests.hdl.test_array import random_product
from tests.hdl.test_epilogue import DESIGN as EPILOGUE_DESIGN
from tests.hdl.test_epilogue import epilogue_vectors
from tests.hdl.test_row_sum import row_sum_vectors

FOLDER = Path("build/mutants")
REPORT = Path("build/mutants.json")
MUTANTS, SEED, PAIRS, TIES, BLOCKS = 150, 20240611, 4096, 1000, 100
FATES = ("killed", "equivalent", "survived")
BAR = 0.98
"""The least part of a component's mutants that is killed or proved equivalent."""

PES = {
    "shift_add": ("uint4", "int4", "exact"),
    "shift_add_float": ("int2", "fp16", "fp16"),  # sums become subnormal and infinite, which those in fp32 never do
    "minifloat": ("e2m1", "e2m1", "exact"),
    "mixed": ("int3", "e2m1", "exact"),
    "bit_serial": ("int4", "int4", "exact"),
    "shift_only": ("apot3", "int4", "exact"),
    "multiplier": ("int4", "int4", "saturate8"),
    "dsp_packed": ("int4", "int4", "exact"),
    "fused": ("int4", "int4", "exact"),
}
"""A small configuration of each kind: weight, activation, accumulator."""

SMALL_ARRAY = DesignPoint("test", activation_format="int4", group_size=4, rows=2, columns=2)


def pe_design(kind: str) -> DesignPoint:
    weight, activation, accumulator = PES[kind]
    formats = {"weight_format": weight, "activation_format": activation, "accumulator": accumulator}
    group = 20 if kind == "dsp_packed" else 4  # runs of a slice end inside a group
    return DesignPoint("test", pe=kind, **formats, group_size=group, rows=2, columns=2)


@dataclasses.dataclass(frozen=True)
class Case:
    """A component, before it what it instantiates, the vectors that verify it, and what it may be fed: anything, if no rule."""

    parts: tuple[Any, ...]
    vectors: Vectors
    rule: Rule | None = None
    chosen: str = ""
    """The cells that mutants are made of (Yosys ``help select``); all, if empty."""


def of_pe(kind: str) -> Case:
    design = pe_design(kind)
    return Case(pe_parts(design), pe_vectors(design, SEED, PAIRS)[0], contract.of_operands(design))


def of_row_sum() -> Case:
    design = DesignPoint("test", group_size=32)
    return Case((RowSum(design),), row_sum_vectors(design, SEED), contract.of_operands(design))


def of_epilogue() -> Case:
    rule = contract.of_epilogue(EPILOGUE_DESIGN, EPILOGUE_DESIGN.rows)
    return Case((Epilogue(EPILOGUE_DESIGN),), epilogue_vectors(SEED), rule)


def of_array() -> Case:
    product = random_product(SMALL_ARRAY, 17, 90, 15, SEED)
    fields = (getattr(product, field.name) for field in dataclasses.fields(product))
    vectors = reset_among_results(SMALL_ARRAY, array_vectors(SMALL_ARRAY, *fields, SEED))
    # What is placed in it is mutated by itself, under vectors that reach more of it.
    return Case(array_parts(SMALL_ARRAY), vectors, contract.of_array(SMALL_ARRAY), OWN)


def of_controller() -> Case:
    design = dataclasses.replace(SMALL_ARRAY, columns=3, weight_buffer_kib=1, activation_buffer_kib=1, output_buffer_kib=1)
    return Case((Controller(design),), controller_vectors(design, BLOCKS, SEED))


def of_outputs(*formats: Target) -> Case:
    return Case((OutputBank(formats),), output_vectors(formats, SEED, TIES))


def of_vector_unit() -> Case:
    engine = Engine(units=1, vector_units=1, chain=2)
    unit = VectorUnit(engine)
    # A slice is the device's own.
    return Case((*unit.parts, unit), vector_unit_vectors(engine, 30, SEED), chosen="c:*slice_* %n")


CASES: dict[str, Callable[[], Case]] = {
    **{kind: partial(of_pe, kind) for kind in PES},
    "row_sum": of_row_sum,
    "epilogue": of_epilogue,
    "array": of_array,
    "controller": of_controller,
    "vector_unit": of_vector_unit,
    "output": partial(of_outputs, output_format("fp16"), output_format("fixed8.4")),
    "requantizer": partial(of_outputs, FORMATS["int3"], FORMATS["e2m1"]),
}
"""Every component is a line here."""


def main(names: list[str]) -> int:
    """Status 1 if too many mutants of a component survive."""
    outcomes: list[Outcome] = []
    print(f"{'component':16}" + "".join(f"{fate:>12}" for fate in FATES) + f"{'decided':>10}", flush=True)
    for name in names or CASES:
        case = CASES[name]()
        outcome = mutate(name, case.parts, case.vectors, FOLDER / name, MUTANTS, SEED, case.rule, case.chosen)
        outcomes.append(outcome)
        print(f"{name:16}" + "".join(f"{outcome.count(fate):12}" for fate in FATES) + f"{outcome.told:10.1%}", flush=True)
        for mutant in outcome.mutants:
            if mutant.fate == "survived":
                print(f"    {mutant.number}: {mutant.change}")
    REPORT.write_text(json.dumps([dataclasses.asdict(outcome) for outcome in outcomes], indent=1) + "\n")
    return int(any(outcome.told < BAR for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
