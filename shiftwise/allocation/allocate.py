"""``allocate``: how many bits each layer, output or K-block has, within a budget of the hardware, and what that gains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from shiftwise.allocation.asked import Asked, checked
from shiftwise.comparison.accuracy import Trial, bits_per_byte_of
from shiftwise.findings import found
from shiftwise.request import read_text
from shiftwise.results import Results
from shiftwise.workers import Crew
from sim.design import DesignPoint
from sim.files import output_folder, write_whole
from workloads.allocation.allocation import Allocation, write_allocation
from workloads.embedded import HELD_OUT_TEXT
from workloads.passes import Phase

if TYPE_CHECKING:  # what they import takes seconds
    from shiftwise.accuracy import Tell

JUDGED, SEQUENCE = 4096, 512
KV_CACHE = "per_token"

CALIBRATION_WINDOWS = 4
"""Sequences of 512 tokens that losses are of, behind the text that is judged."""

FILE, TABLE, LAYERS = "allocation.json", "allocations.csv", "layers.csv"


@dataclass(frozen=True)
class Allocated:
    """The ``allocation``, and a row of ``table`` for it and for each that it is compared with.

    These are one format for all weights, of the widths around its own, and both of them evenly over the layers. Columns are
    the figures of :class:`shiftwise.allocation.costs.Figures`, the loss that was ``expected`` [nat/token], ``bits_per_byte``
    through the hardware, and their ``loss`` against the float model, as a share. ``layers`` has a row for each layer: how much
    the model depends on it, its mean width, and the share of its weights in each format.
    """

    allocation: Allocation
    table: pd.DataFrame
    layers: pd.DataFrame
    asked: Asked

    @property
    def verdict(self) -> str:
        """What the allocation loses beside the others, in a sentence."""
        told = [f"{name} ({bits:.3g} bit) {100 * loss:+.2f} %" for name, bits, loss in self._losses]
        return f"Bits per byte against the float model's: {', '.join(told)}."

    @property
    def _losses(self) -> list[tuple[str, float, float]]:
        return list(self.table[["name", "bits", "loss"]].itertuples(index=False, name=None))

    def write(self, folder: str | Path) -> Path:
        """Write ``allocation.json``, which ``simulate`` takes, ``allocations.csv``, ``layers.csv``; returns its path."""
        place = output_folder(folder)
        write_whole(place / TABLE, self.table.to_csv(index=False, lineterminator="\n"))
        write_whole(place / LAYERS, self.layers.to_csv(index=False, lineterminator="\n"))
        write_allocation(self.allocation, place / FILE)
        return place / FILE

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.4g}".format))


def allocate(
    design: str | DesignPoint = "mixpe-w8a8",
    model: str = "tiny-stdlib",
    bits: float | None = None,
    cycles: float | None = None,
    energy: float | None = None,
    per: str = "layer",
    search: str = "greedy",
    formats: Sequence[str] = (),
    phase: Phase = "decode",
    sequence: int = SEQUENCE,
    recipe: str = "nearest",
    accuracy_bytes: int = JUDGED,
    seed: int = 1,
    out: str | Path = "build/allocate",
    progress: "Tell | None" = None,
) -> Allocated:
    """Choose the format of each layer, output (``row``) or block of inputs, so that least accuracy is lost within a budget.

    One budget is given: the mean width of weights [bit], the cycles of a pass, or the energy of a token [J]. ``formats`` are
    some that the design's PE multiplies (:mod:`sim.widths`), by default all of its kind. Losses of units are found on the text
    behind the ``accuracy_bytes`` that accuracy is measured on, weights rounded to nearest; accuracies are by ``recipe``, and
    kept in ``out`` when they are found. Raises ``InputError`` for input that cannot be used, and for a budget that nothing
    keeps within, which names the nearest that is possible.
    """
    budgets = {"bits": bits, "cycles": cycles, "energy": energy}
    asked = checked(design, model, budgets, per, search, formats, phase, sequence, recipe, accuracy_bytes)
    return allocate_asked(asked, seed, out, progress or (lambda *_: None))


def allocate_asked(asked: Asked, seed: int, out: str | Path, tell: "Tell") -> Allocated:
    """:func:`allocate`, with its arguments checked."""
    from shiftwise.allocation.candidates import compared, layer_rows, rows_of
    from shiftwise.allocation.choice import Choosing
    from shiftwise.allocation.costs import unit_costs
    from workloads.accuracy import calibration_tokens
    from workloads.allocation.divergence import divergence_from
    from workloads.allocation.errors import error_table
    from workloads.checkpoint import load_model
    from workloads.shapes import shapes

    model = load_model(asked.model)
    work = shapes(str(model.folder), asked.phase, 1, asked.sequence)
    linear = {product.name: product for product in work.products if product.kind == "linear"}
    tokens = calibration_tokens(model, read_text(None)[asked.accuracy_bytes :], CALIBRATION_WINDOWS)
    table = error_table(
        model, tokens, asked.design, asked.formats, asked.per, linear, lambda done, total: tell("layers", done, total)
    )
    costs = unit_costs(asked.budget, table, asked.design, work)
    choosing = Choosing(asked.design, work, table, costs, asked.budget, asked.limit)
    chosen = choosing.greedy()[0]
    if asked.search == "evolutionary":
        loss = divergence_from(model, tokens, asked.design)
        chosen = choosing.evolved(loss, seed, lambda done, total: tell("allocations", done, total))
    trial = Trial(asked.model, str(HELD_OUT_TEXT), asked.accuracy_bytes, KV_CACHE, asked.recipe)
    with Results(out) as results:

        def ask(trials: Sequence[Trial]) -> Mapping[str, Any]:
            return found(bits_per_byte_of, trials, results, Crew().each, lambda done, total: tell("accuracies", done, total))

        rows = rows_of(choosing, compared(choosing, chosen), trial, ask)
    return Allocated(table.allocation(chosen), pd.DataFrame(rows), pd.DataFrame(layer_rows(table, chosen, linear)), asked)
