"""Time of putting costs to a model whose schedule is known."""

from dataclasses import replace
from functools import partial

from benchmarks.figure import Figure, median_seconds, seconds_of

MODEL, SEQUENCE = "llama-2-7b", 2048
BAR = 0.005  # [s]


def cost_figures() -> list[Figure]:
    """One call of ``evaluate`` for all operators of a prefill, and of a decode step, in several technologies.

    The first call of all, which reads what was measured and fits it, has no bar.
    """
    from costmodel.cost import evaluate
    from costmodel.energy import memory_prices
    from sim.design import load_design
    from sim.schedule import schedule
    from workloads.shapes import shapes

    measured = load_design("mixpe-w4a8")
    fitted = replace(measured, name="never synthesised", weight_format="uint5", activation_format="int7")
    figures: list[Figure] = []
    for phase in ("prefill", "decode"):
        operators = shapes(MODEL, phase, 1, SEQUENCE).operators
        for design, technology in ((measured, "45nm"), (measured, "sky130"), (measured, "fpga"), (fitted, "sky130")):
            run = partial(evaluate, design, schedule(design, operators, memory_prices(design)), technology)
            name = f"evaluate in {technology}, {MODEL}, {phase} at {SEQUENCE}, {design.name}"
            if not figures:
                figures.append(Figure(f"{name}, first call", seconds_of(run), "s", None, "lower", "rows are read"))
            (seconds,) = median_seconds(run, repeats=31)
            figures.append(Figure(name, seconds, "s", BAR, "lower", "schedule known"))
    return figures
