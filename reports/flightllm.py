"""FlightLLM's figures (Zeng et al., FPGA 2024, arXiv 2401.03868) beside those of the overlay that is described like it.

Published of LLaMA2-7B on a U280 at batch 1: about 55 tokens/s; three steps of 0.70, 1.1 to 1.2 and 1.6 to 1.7 times a V100S's
speed, which are naive, with sparse DSP chains, and with all that is between products kept on the chip, weights of mixed
widths among it; bandwidth used of 35.6 and 65.9 %. What the first two steps' weights are is not said; here 8 bits.
"""

from dataclasses import replace
from functools import lru_cache

import pandas as pd
from rich.console import Console

from reports.narrow import as_read, print_narrow
from reports.tables import markdown_table
from sim.overlay.compiler import compile_step
from sim.overlay.design import OverlayDesign, load_overlay
from sim.overlay.timing import simulate
from workloads.overlay.decoder import load_decoder

MODEL, CONTEXT = "llama-2-7b", 2048
LENGTHS = (128, 512, 1024, 2048)
"""[token] The paper averages over prompts and answers of 32 to 1024 tokens or so, without their mean."""

TOKENS_PER_S = 55.0
V100S_TIMES = {"naive": (0.70, 0.70), "sparse": (1.1, 1.2), "on chip": (1.6, 1.7)}
BANDWIDTH_USE = {"sparse": 0.356, "on chip": 0.659}

WIDE = 96  # [column]

HEADS = {
    "design": "design",
    "length": "length",
    "tokens_per_s": "tokens/s",
    "published_tokens_per_s": "published",
    "over_whole": "over\nwhole",
    "published_over_whole": "published",
    "bandwidth_use": "of the\npins",
    "published_bandwidth_use": "published",
    "gigabytes": "GB",
}
"""Of the table on a terminal: a published figure is that of the column before."""


def steps() -> dict[str, OverlayDesign]:
    """The three designs of the ablation, the last one with its results off the chip, and one of our own on the same board."""
    whole = load_overlay("flightllm-u280")
    sparse = replace(whole, name="sparse", weight_format="int8", formats=(), on_chip=False)
    naive = replace(sparse, name="naive", sparse=False, kept=16, per_block=False)
    off = replace(whole, name="off chip", on_chip=False)
    return {"naive": naive, "sparse": sparse, "off chip": off, "on chip": whole, "dense weights": load_overlay("dense-u280")}


@lru_cache(maxsize=1)
def flightllm_study() -> pd.DataFrame:
    """A row for each design and length: tokens/s, over the whole design's, bandwidth used of the pins', beside published ones.

    ``published`` is relative to the whole design's published speed, the middle of its range by the middle of 1.6 and 1.7.
    """
    decoder = load_decoder(MODEL)
    rows = []
    whole = dict.fromkeys(LENGTHS, 0.0)
    for name, design in reversed(steps().items()):
        peak = float(design.channels_off_chip.peak) * design.clock_hz
        for length in reversed(LENGTHS):
            found = simulate(compile_step(decoder, design, 1, length, CONTEXT).program, design)
            seconds = found.cycles / design.clock_hz
            if name == "on chip":
                whole[length] = 1 / seconds
            low, high = V100S_TIMES.get(name, (None, None))
            middle = sum(V100S_TIMES["on chip"]) / 2
            rows.append(
                {
                    "design": name,
                    "length": length,
                    "tokens_per_s": 1 / seconds,
                    "published_tokens_per_s": TOKENS_PER_S if name == "on chip" else None,
                    "published_over_whole": None if low is None or high is None else (low + high) / 2 / middle,
                    "bandwidth_use": found.moved / seconds / peak,
                    "published_bandwidth_use": BANDWIDTH_USE.get(name),
                    "gigabytes": found.moved / 1e9,
                }
            )
    table = pd.DataFrame(rows[::-1])
    table.insert(4, "over_whole", [row["tokens_per_s"] / whole[row["length"]] for _, row in table.iterrows()])
    return table


def print_flightllm(console: Console) -> None:
    """The table on a terminal, of 80 columns at least."""
    print_narrow(console, _shown(), HEADS, WIDE)


def flightllm_markdown() -> str:
    """The table for a page."""
    shown = _shown()
    return markdown_table([str(name).replace("_", " ") for name in shown], shown.to_numpy().tolist())


def _shown() -> pd.DataFrame:
    """Figures as they are read; the order of columns is that of :func:`flightllm_study`."""
    digits = {"tokens_per_s": 1, "published_tokens_per_s": 0, "bandwidth_use": 3, "published_bandwidth_use": 3}
    return as_read(flightllm_study(), ("design", "length"), digits, otherwise=2)
