"""Time of putting costs to a model whose schedule is known."""

from functools import partial

from benchmarks.figure import Figure, median_seconds

MODEL, SEQUENCE = "llama-2-7b", 2048
BAR = 0.005  # [s]


def cost_figures() -> list[Figure]:
    """One call of ``evaluate`` for all operators of a prefill, and of a decode step."""
    from costmodel.cost import evaluate
    from costmodel.energy import memory_prices
    from sim.design import load_design
    from sim.schedule import schedule
    from workloads.shapes import shapes

    design = load_design("mixpe-w4a8")
    figures = []
    for phase in ("prefill", "decode"):
        run = schedule(design, shapes(MODEL, phase, 1, SEQUENCE).operators, memory_prices(design))
        (seconds,) = median_seconds(partial(evaluate, design, run), repeats=31)
        figures.append(Figure(f"evaluate, {MODEL}, {phase} at {SEQUENCE}", seconds, "s", BAR, "lower", "schedule known"))
    return figures
