"""How large generated MACs are: ``shift_add`` beside Yosys's own multiplier in the same place, minifloats beside integers."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pandas as pd

from benchmarks.figure import Figure
from costmodel.synthesis.run import start_tools, synthesise
from hdl.export import module_texts
from hdl.pe import pe_parts
from sim.design import DesignPoint

WEIGHTS = ("int", "uint")
"""Two's complement weights, and those with a zero point, which is subtracted behind the array. Activations are signed."""

PAIRS = tuple(product(range(2, 9), range(4, 9)))
"""Widths [bit] of weight and activation."""

GROUP_SIZE = 256
"""With it W4A8 has an exact accumulator of 20 bits."""

PLAIN, BOOTH, SMALLER = "a*b", "a*b -booth", "the smaller of both"
BOOTH_PASSES = (
    "hierarchy -check -top {top}; proc; flatten; opt_expr; opt_clean; check; opt -nodffe -nosdff; opt; wreduce; peepopt; "
    "opt_clean; booth"
)
"""What ``synth -booth`` does up to its multipliers: before the flow of standard cells it leads to the same netlists as that
option, which ``synth_xilinx`` lacks."""

RUNS = {"shift_add": ("shift_add", False), PLAIN: ("multiplier", False), BOOTH: ("multiplier", True)}
"""What is compared: a PE kind, and whether its multiplications are Booth's."""

NUMBERS = {"xcup": ("logic_cells", "lut_sites", "luts"), "sky130": ("area_um2",)}
"""What is compared on each target."""

BARS = {"logic_cells": (0.80, 1.00), "area_um2": (0.97, 1.03)}
"""The greatest median ratio to a multiplier, and the greatest one of all."""

W4A8_CELLS = 45
"""Logic cells that W4A8 may have; a hand-written MAC of two pairs of rows has 42."""

MINIFLOATS = ("e2m1", "e2m3", "e3m2", "e4m3")
DEAREST = 2.8
"""Published cost of a minifloat MAC over that of an integer MAC of as many bits: 1.2 to 2.8 (Damsgaard et al., IEEE TCAD 44(6),
2025)."""


def mac(pe: str, weight: str, activation: str) -> DesignPoint:
    """A MAC with an exact accumulator and the registers that a PE has by default."""
    return DesignPoint(pe, pe=pe, weight_format=weight, activation_format=activation, group_size=GROUP_SIZE)


def size(design: DesignPoint, target: str, booth: bool = False) -> dict[str, float]:
    """The target's :data:`NUMBERS` of a design's PE."""
    parts = pe_parts(design)
    top = parts[-1].module_name
    before = BOOTH_PASSES.format(top=top) if booth else ""
    numbers = synthesise("".join(module_texts(parts).values()), top, target, before=before).area.numbers
    return {name: numbers[name] for name in NUMBERS[target]}


def multiplier_table(weights: str, pairs: Iterable[tuple[int, int]] = PAIRS) -> pd.DataFrame:
    """Sizes of :data:`RUNS`: a row a pair of widths, columns ``(number, which of them)``."""
    for target in NUMBERS:
        start_tools(target)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {
            (pair, target, name): pool.submit(size, mac(pe, f"{weights}{pair[0]}", f"int{pair[1]}"), target, booth)
            for pair in pairs
            for target in NUMBERS
            for name, (pe, booth) in RUNS.items()
        }
        found = {key: job.result() for key, job in jobs.items()}
    rows: dict[str, dict[tuple[str, str], float]] = {}
    for ((weight, activation), _, name), numbers in found.items():
        row = rows.setdefault(f"{weights}{weight} x int{activation}", {})
        row |= {(number, name): value for number, value in numbers.items()}
    return pd.DataFrame.from_dict(rows, orient="index").sort_index(axis="columns", level=0, sort_remaining=False)


def multiplier_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Sizes of ``shift_add`` over those of each multiplier, and of the smaller one: columns ``(number, versus)``."""
    ratios = {}
    for number in table.columns.unique(0):
        multipliers = table[number][[PLAIN, BOOTH]].assign(**{SMALLER: lambda both: both.min(axis="columns")})
        ratios[number] = (1 / multipliers).mul(table[number]["shift_add"], axis="index")
    return pd.concat(ratios, axis="columns")


def minifloat_ratios() -> pd.DataFrame:
    """Sizes of minifloat MACs over those of integer MACs of as many bits: columns ``(number, PE of the integers)``."""
    rows = {}
    for name in MINIFLOATS:
        minifloat = mac("minifloat", name, name)
        integer = f"int{minifloat.weight.bits}"
        rows[name] = {
            (number, pe): value / of_integer
            for target in NUMBERS
            for pe in ("shift_add", "multiplier")
            for (number, value), of_integer in zip(
                size(minifloat, target).items(), size(mac(pe, integer, integer), target).values(), strict=True
            )
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def area_figures() -> Iterator[Figure]:
    """Prints the tables. Bars: those of :data:`BARS`, 45 logic cells for W4A8, 2.8 times an integer MAC for minifloats."""
    for weights in WEIGHTS:
        table = multiplier_table(weights)
        ratios = multiplier_ratios(table)
        print(table.to_string(), ratios.round(3).to_string(), sep="\n")
        for (number, bars), versus in product(BARS.items(), ratios.columns.unique(1)):
            of, what = ratios[number, versus], f"shift_add MAC, {weights} weights, {number}"
            yield Figure(f"{what}, median", of.median(), "ratio", bars[0], "lower", versus)
            yield Figure(f"{what}, worst: {of.idxmax()}", of.max(), "ratio", bars[1], "lower", versus)
        w4a8 = f"{weights}4 x int8"
        cells = float(table.loc[w4a8, ("logic_cells", "shift_add")])
        yield Figure(f"shift_add MAC, {w4a8}", cells, "cells", W4A8_CELLS, "lower", "")
    minifloats = minifloat_ratios()
    print(minifloats.round(2).to_string())
    for name, row in minifloats.iterrows():
        for number in ("logic_cells", "lut_sites", "area_um2"):
            versus = "shift_add of as many bits"
            yield Figure(f"minifloat MAC, {name}, {number}", row[number, "shift_add"], "ratio", DEAREST, "lower", versus)
