"""Design points a second of a search with quick figures, and memory by their number."""

import tempfile
import time

from benchmarks.figure import Figure, peak_bytes

MODEL, WORKERS = "llama-2-7b", 2
FEW, MANY = 2000, 10_000
BAR = 300  # [1/s]


def exploration_figures() -> list[Figure]:
    """NSGA-II over the space ``edge`` with workers that have started; nothing is scheduled and no accuracy measured."""
    from shiftwise.exploration.evaluation import Evaluation
    from shiftwise.exploration.figures import Asked
    from shiftwise.exploration.objectives import DEFAULT, Budgets, objectives
    from shiftwise.exploration.points import arithmetics, searched
    from shiftwise.exploration.search import Search
    from shiftwise.exploration.space import load_space
    from shiftwise.results import Results
    from shiftwise.workers import Crew, crew
    from sim.formats import FORMATS

    space = load_space("edge")
    asked = Asked(space.base, (MODEL,), "decode", 512, "sky130")
    # Noises are found once and kept; here they are made up, from bits alone.
    noises = {one: -6.02 * min(FORMATS[one[0]].bits, FORMATS[one[1]].bits) for one in arithmetics(space, MODEL)}

    def search(points: int, seed: int, hands: Crew) -> None:
        with tempfile.TemporaryDirectory() as folder, Results(folder) as results:
            evaluation = Evaluation(asked, space, noises, results, hands)
            searched(
                Search(space, objectives(DEFAULT, asked.target), Budgets(), points, "nsga2", seed), evaluation, lambda *_: None
            )

    with crew(WORKERS) as hands:
        search(FEW, 1, hands)  # starts the workers
        few = peak_bytes(lambda: search(FEW, 2, hands))
        began = time.perf_counter()
        many = peak_bytes(lambda: search(MANY, 3, hands))
        rate = MANY / (time.perf_counter() - began)
    versus = f"{WORKERS} processes beside the one that proposes, {MODEL}, decode"
    figures = [Figure(f"design points of a search, {MANY}", rate, "1/s", BAR, "higher", versus)]
    if few is not None and many is not None:
        name = f"memory of {MANY} points beyond that of {FEW}, in the process that proposes"
        figures.append(Figure(name, (many - few) / 1e6, "MB", 16, "lower", "only the front is held"))
    return figures
