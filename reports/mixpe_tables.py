"""MixPE's study side by side: a row for each model and design, where the difference comes from, and what follows."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import geometric_mean

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.layers import TIMES
from reports.mixpe import (
    CLAIMED_SPEEDUP,
    CLOCK_HZ,
    EARLIER_RELEASED_TIME,
    MODELS,
    RELEASED_TIME,
    STUDY,
    Model,
    StudyDesign,
    as_published,
    as_stated,
    moving_the_scale_published,
    moving_the_scale_stated,
)
from reports.mixpe_area import HEADS as AREA_HEADS
from reports.mixpe_area import area_finding, area_rows, area_study
from reports.tables import markdown_table
from reports.units import engineering, percent, significant

RIVALS = ("INT8", "Bit Fusion", "ANT")
"""Quantized designs that are not the study's own."""
PROPOSED = "W4A8"
EQUAL = 32
"""Rows and columns of INT8 and ANT."""
WIDE = 120
"""[column] What all columns need; a narrower terminal goes without ``DISPENSABLE``."""
DISPENSABLE = ("released_over_fp16", "published_before_over_after", "stated_before_over_after")

HEADS: dict[str, tuple[str, Callable[[float], str]]] = {
    "published_cycles": ("cycles", lambda value: engineering(value, "")),
    "published_over_fp16": (f"{TIMES}FP16", significant),
    "released_over_fp16": ("released", significant),
    "published_over_rival": (f"{TIMES}rival", significant),
    "published_before_over_after": ("before/after", lambda value: percent(value - 1, 1, "+")),
    "stated_cycles": ("cycles", lambda value: engineering(value, "")),
    "stated_over_fp16": (f"{TIMES}FP16", significant),
    "stated_over_rival": (f"{TIMES}rival", significant),
    "stated_before_over_after": ("before/after", lambda value: percent(value - 1, 1, "+")),
}
"""Columns that are shown: their heads, and how their numbers are written."""
STEP_HEADS = (f"{PROPOSED} over its best rival", "speedup", "factor lost")
LEFT = ("model", "design", "PE", STEP_HEADS[0])
"""Heads of columns of words."""


def mixpe_study() -> pd.DataFrame:
    """A row for each model and design, both readings side by side.

    ``published_*`` and ``stated_*`` (:mod:`reports.mixpe`): cycles; ``time_s`` [s]; speedup ``over_fp16`` and ``over_rival``,
    the best of :data:`RIVALS` but itself; ``before_over_after``: cycles with dequantization before the MAC over those
    with it after the group. ``released_over_fp16`` is the speedup in the released simulator's own results.
    ``stated_stall_cycles``: those in which the array waits for memory. Of language models, what
    :func:`reports.mixpe_area.area_study` says too.
    """
    rows = []
    for model_name, model in MODELS.items():
        published = {name: as_published(model, design) for name, design in STUDY.items()}
        stated = {name: as_stated(model, name) for name in STUDY}
        stated_cycles = {name: run.cycles for name, run in stated.items()}
        released = {"FP16": 1.0, **RELEASED_TIME[model_name]}
        for name, design in STUDY.items():
            rows.append(
                {
                    "model": model_name,
                    "design": name,
                    "pes": design.pes,
                    **_speeds("published", published, name),
                    "published_before_over_after": moving_the_scale_published(model, design),
                    "released_over_fp16": 1 / released[name],
                    **_speeds("stated", stated_cycles, name),
                    "stated_before_over_after": moving_the_scale_stated(model, name),
                    "stated_stall_cycles": stated[name].stall_cycles,
                }
            )
    return pd.DataFrame(rows).merge(area_study(RIVALS), on=["model", "design"], how="left")


def _speeds(reading: str, cycles: dict[str, int], name: str) -> dict[str, float]:
    return {
        f"{reading}_cycles": cycles[name],
        f"{reading}_time_s": cycles[name] / CLOCK_HZ,
        f"{reading}_over_fp16": cycles["FP16"] / cycles[name],
        f"{reading}_over_rival": min(cycles[rival] for rival in RIVALS if rival != name) / cycles[name],
    }


def mixpe_steps() -> pd.DataFrame:
    """W4A8 from the published reading to equal PEs, one change after the other, then as stated.

    ``speedup`` over the best of :data:`RIVALS`, geometric mean over the models; ``factor``: the one before it over this
    one, within a reading.
    """
    before = replace(STUDY[PROPOSED], dequantization="before")
    equal = replace(before, rows=EQUAL, columns=EQUAL)
    one_mac = {name: replace(STUDY[name], pmin=STUDY[name].pmax) for name in RIVALS}
    rivals = {name: STUDY[name] for name in RIVALS}
    published = [
        ("as published", STUDY[PROPOSED], rivals),
        ("and dequantization before the MAC, as its rivals have it", before, rivals),
        ("and on 32x32 PEs, as INT8 and ANT have", equal, rivals),
        ("and one MAC per PE and cycle, in its rivals too", replace(equal, pmin=equal.pmax), one_mac),
    ]
    speedups = [(text, _mean_published(design, others)) for text, design, others in published]
    speedups += [("as stated", _mean_stated(None)), ("and on 32x32 PEs, as INT8 and ANT have", _mean_stated(EQUAL))]
    rows, last = [], 0.0
    for text, speedup in speedups:
        rows.append({"change": text, "speedup": speedup, "factor": last / speedup if text.startswith("and") else 1.0})
        last = speedup
    return pd.DataFrame(rows)


def _mean_published(design: StudyDesign, rivals: dict[str, StudyDesign]) -> float:
    def speedup(model: Model) -> float:
        return min(as_published(model, rival) for rival in rivals.values()) / as_published(model, design)

    return geometric_mean(map(speedup, MODELS.values()))


def _mean_stated(side: int | None) -> float:
    def speedup(model: Model) -> float:
        return min(as_stated(model, rival).cycles for rival in RIVALS) / as_stated(model, PROPOSED, side, side).cycles

    return geometric_mean(map(speedup, MODELS.values()))


def findings(study: pd.DataFrame, steps: pd.DataFrame) -> list[str]:
    """What follows from the two tables, in sentences."""
    return [_claim(study, steps), _origin(steps), _scales(study), _memory(study), _released(study)]


def _claim(study: pd.DataFrame, steps: pd.DataFrame) -> str:
    own = study[study["design"] == PROPOSED]
    return (
        f"The abstract claims {CLAIMED_SPEEDUP}x over other quantization accelerators. As published, {PROPOSED} is "
        f"{_range(own['published_over_rival'])} times as fast as the best of {', '.join(RIVALS)}; as stated "
        f"{_range(own['stated_over_rival'])} times; as stated on {EQUAL}x{EQUAL} PEs {steps['speedup'].iloc[-1]:.2f} times."
    )


def _origin(steps: pd.DataFrame) -> str:
    _, scales, array, rate, _, equal = steps.itertuples(index=False)
    return (
        f"Of {PROPOSED}'s published advantage, a factor of {scales.factor:.2f} is dequantization, which its rivals are charged "
        f"for before the MAC; {array.factor:.2f} is {STUDY[PROPOSED].pes} PEs where INT8 and ANT have {STUDY['INT8'].pes}; and "
        f"{rate.factor:.2f} is more MACs per PE and cycle than its best rival gets; {rate.speedup:.2f} is left. As stated, "
        f"{equal.factor:.2f} is PEs, and {equal.speedup:.2f} is left: with one MAC per PE and cycle the best rival is Bit "
        f"Fusion, which has {STUDY['Bit Fusion'].pes} PEs."
    )


def _scales(study: pd.DataFrame) -> str:
    quantized = study[study["design"] != "FP16"]
    published, stated = (100 * (quantized[f"{reading}_before_over_after"] - 1) for reading in ("published", "stated"))
    return (
        f"Dequantization before the MAC costs {_range(published)} % more cycles than after the group as published, where it is "
        f"a product at the widest bits, and {_range(stated)} % as stated, where it is one multiplication for each weight "
        "instead of one for each sum of a group."
    )


def _memory(study: pd.DataFrame) -> str:
    waits = (study["stated_stall_cycles"] / study["stated_cycles"]).max()
    return (
        f"As stated, no design waits for memory in more than {percent(waits, 2)} of its cycles, so fewer bits save traffic but "
        "no time: what 4-bit weights gain in time must come from smaller PEs, of which more fit an area."
    )


def _released(study: pd.DataFrame) -> str:
    quantized = study[study["design"] != "FP16"]
    off = (quantized["published_over_fp16"] / quantized["released_over_fp16"] - 1).abs().max()
    opt, equal = MODELS["OPT-6.7B"], replace(STUDY[PROPOSED], rows=EQUAL, columns=EQUAL)
    small = as_published(opt, equal) / as_published(opt, STUDY["FP16"])
    earlier = " over ".join(f"{time:.2f} ({name})" for name, time in EARLIER_RELEASED_TIME.items())
    return (
        f"The published formula gives the released results within {percent(off, 0)}; the rest is their tiling. These have "
        f"{PROPOSED} at {RELEASED_TIME['OPT-6.7B'][PROPOSED]:.2f} of FP16's time for OPT-6.7B. {CLAIMED_SPEEDUP} is the "
        f"quotient of earlier results in the same file, {earlier}; by the formula, {PROPOSED} on {EQUAL}x{EQUAL} PEs takes "
        f"{small:.2f} for OPT-6.7B."
    )


def _range(values: "pd.Series[float]") -> str:
    low, high = significant(values.min()), significant(values.max())
    return low if low == high else f"{low} to {high}"


def _cells(study: pd.DataFrame, columns: Sequence[str]) -> list[list[str]]:
    rows = []
    for _, row in study.iterrows():
        numbers = [HEADS[column][1](float(row[column])) for column in columns]
        rows.append([str(row["model"]), str(row["design"]), *numbers])
    return rows


def _heads(columns: Sequence[str], gap: str) -> list[str]:
    """The reading and the head of each column; the released results are of the published one."""
    readings = ["stated" if column.startswith("stated") else "published" for column in columns]
    return ["model", "design", *(f"{r}{gap}{HEADS[column][0]}" for r, column in zip(readings, columns, strict=True))]


def _step_rows(steps: pd.DataFrame) -> list[list[str]]:
    return [[row.change, f"{row.speedup:.2f}", f"{row.factor:.2f}"] for row in steps.itertuples(index=False)]


def print_study(console: Console) -> None:
    """Print both readings, the steps between them, equal areas, and what follows."""
    study, steps, areas = mixpe_study(), mixpe_steps(), area_study(RIVALS)
    wide = console.width >= WIDE
    columns = [column for column in HEADS if wide or column not in DISPENSABLE]
    table = _table(_heads(columns, "\n"), _cells(study, columns), gap=2 if wide else 1)
    for index in range(len(STUDY) - 1, len(study) - 1, len(STUDY)):
        table.rows[index].end_section = True
    console.print(table, end="\n\n")
    console.print(_table(STEP_HEADS, _step_rows(steps)), end="\n\n")
    shown = [place for place, head in enumerate(AREA_HEADS) if wide or head != "PE"]
    of_areas = [[row[place] for place in shown] for row in area_rows(areas)]
    console.print(
        _table([AREA_HEADS[place].replace(": ", "\n") for place in shown], of_areas, gap=2 if wide else 1), end="\n\n"
    )
    for sentence in [*findings(study, steps), area_finding(areas, PROPOSED)]:
        console.print(Text(sentence), end="\n\n")


def study_markdown() -> str:
    """The same in Markdown."""
    study, steps, areas = mixpe_study(), mixpe_steps(), area_study(RIVALS)
    tables = [
        markdown_table(_heads([*HEADS], " "), _cells(study, [*HEADS])),
        markdown_table(STEP_HEADS, _step_rows(steps)),
        markdown_table(AREA_HEADS, area_rows(areas)),
    ]
    return "\n\n".join([*tables, *findings(study, steps), area_finding(areas, PROPOSED)]) + "\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], gap: int = 2) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False)
    for head in heads:
        table.add_column(head, justify="left" if head in LEFT else "right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table
