"""Every PE kind with every accumulator and every format, in one small configuration each, many to a build."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from hdl.bench.bank import bank_parts, bank_vectors
from hdl.tools.verilator import Bench
from hdl.verify.pe import pe_vectors
from hdl.verify.verdict import PEVerdict, VerificationError
from sim.accumulators import ACCUMULATORS
from sim.design import DesignPoint
from sim.errors import InputError
from sim.formats import FORMATS
from sim.pe import PES

GROUP = 4
"""So short that chains of extremes overflow and saturate an accumulator one bit wider than a product, and so narrow."""

PAIRS = 256
"""Pairs of operands of a PE, corners beside these included, if it has more."""

WIDEST = "128"

LEVELS_EVERY = 15
"""Of so many designs one is there with the other levels of ``pipeline`` too."""

GUARD = "3"
"""[bit] So few that most products of different exponents are cut."""


def small_designs() -> Iterator[DesignPoint]:
    """For every PE kind and family of accumulators, each format as a weight and as an activation at least once.

    Some of them, for each kind and family, are there with every level of ``pipeline`` that the kind takes.
    """
    for kind, element in PES.items():
        for family in element.accumulators:
            for i, design in enumerate(_covering(kind, family)):
                yield design
                if i % LEVELS_EVERY == LEVELS_EVERY // 2:
                    for level in set(element.pipelines) - {design.pipeline}:
                        yield replace(design, name=f"{design.name}-pipeline{level}", pipeline=level)


def _covering(kind: str, family: str) -> Iterator[DesignPoint]:
    """Designs in which each format that fits is there as a weight and as an activation: pairs that are both new come first."""
    weights, activations = set(FORMATS), set(FORMATS)
    tried = set()
    for least_new in (2, 1):
        for weight, activation in product(FORMATS, FORMATS):
            new = (weight in weights) + (activation in activations)
            if new < least_new or (weight, activation) in tried:
                continue
            tried.add((weight, activation))
            if design := small_design(kind, weight, activation, family):
                weights.discard(weight)
                activations.discard(activation)
                yield design


def small_design(kind: str, weight: str, activation: str, family: str) -> DesignPoint | None:
    """The design of these, an accumulator of a given width one bit wider than a product; ``None`` if there is none."""
    name = f"{kind}-{weight}-{activation}-{family}"
    try:
        if family == "aligned":
            family += GUARD
        elif ACCUMULATORS[family].numbers:
            wide = PES[kind](FORMATS[weight], FORMATS[activation], family + WIDEST)
            family += str(wide.product_bits + 1)
        design = DesignPoint(name, kind, weight, activation, accumulator=family, group_size=GROUP)
    except InputError:
        return None
    return design


def verify_bank(designs: Sequence[DesignPoint], build_dir: Path, seed: int = 0) -> list[PEVerdict]:
    """Pairs and chains (:func:`hdl.verify.pe.verify_pe`) through a PE of each design, all in one build.

    Raises :class:`VerificationError` with the first difference.
    """
    made = [pe_vectors(design, seed, PAIRS) for design in designs]
    differences = Bench.of(bank_parts(designs), build_dir, "-O0").run(bank_vectors([vectors for vectors, _, _ in made]))
    if differences:
        first = differences[0]
        index, _, port = first.port.removeprefix("p").partition("_")
        raise VerificationError(f"PE of {designs[int(index)].name}: {port}: {first}")
    return [
        PEVerdict(design.name, pairs, groups, vectors.cycles)
        for design, (vectors, pairs, groups) in zip(designs, made, strict=True)
    ]
