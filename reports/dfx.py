"""DFX's latencies (Hong et al., MICRO 2022, arXiv 2209.10797) beside those of the overlay that is described like it.

Published of GPT-2 345M on one U280, prompts and answers of as many tokens: until the first token and in all, as table 4 of
StreamTensor (Ye and Chen, MICRO 2025, arXiv 2509.13694) has them from DFX's paper; the difference is 5.4 ms for each token of
the answer. GPT-2 774M and 1.5B run on two and four boards there, whose figures are not those of one.
"""

from functools import lru_cache

import pandas as pd
from rich.console import Console

from costmodel.fpga.devices import DEVICES
from reports.narrow import as_read, print_narrow
from reports.tables import markdown_table
from sim.overlay.cells import FP16_BYTES
from sim.overlay.compiler import compile_step, padded_length
from sim.overlay.decoder import Decoder
from sim.overlay.design import load_overlay
from sim.overlay.timing import simulate
from workloads.overlay.decoder import load_decoder

DESIGN = "dfx-u280"

PUBLISHED = {32: (177.2, 350.0), 64: (349.1, 694.7), 128: (692.8, 1384.0), 256: (1417.6, 2800.0)}
"""[ms] Of GPT-2 345M until the first token and in all, by the tokens of a prompt, which are those of its answer."""

RUNS = (*(("gpt2-345m", tokens) for tokens in PUBLISHED), ("gpt2-774m", 64), ("gpt2-1.5b", 64))

WIDE = 88  # [column]

PLAIN = ("model", "tokens")
"""Columns without a unit."""

HEADS = {
    "model": "model",
    "tokens": "tokens",
    "first": "first",
    "published_first": "published",
    "each": "each",
    "published_each": "published",
    "in_all": "in all",
    "published_in_all": "published",
    "head_from_ddr": "head from\nDDR",
}
"""Of the table on a terminal [ms]: a published figure is that of the column before."""


@lru_cache(maxsize=1)
def dfx_study() -> pd.DataFrame:
    """A row for each model and length [ms]: until the first token, for each token of the answer, and in all; published ones.

    ``head_from_ddr``: for each token of the answer, if the head's weights come from the board's DDR4 at its peak rate, behind
    all else.
    """
    rows = []
    for model, tokens in RUNS:
        decoder = load_decoder(model)
        steps = [_milliseconds(decoder, length, logits=False) for length in range(1, 2 * tokens + 1)]
        whole = [_milliseconds(decoder, length, logits=True) for length in range(tokens, 2 * tokens + 1)]
        first, answer = sum(steps[: tokens - 1]) + whole[0], sum(whole[1:])
        head = decoder.hidden * decoder.vocabulary * FP16_BYTES / DEVICES["u280"].memories["ddr4"] * 1e3
        known = PUBLISHED.get(tokens) if model == "gpt2-345m" else None
        rows.append(
            {
                "model": model,
                "tokens": tokens,
                "first": first,
                "published_first": known[0] if known else None,
                "each": answer / tokens,
                "published_each": (known[1] - known[0]) / tokens if known else None,
                "in_all": first + answer,
                "published_in_all": known[1] if known else None,
                "head_from_ddr": sum(steps[tokens:]) / tokens + head,
            }
        )
    return pd.DataFrame(rows)


def print_dfx(console: Console) -> None:
    """The table on a terminal, of 80 columns at least [ms]."""
    print_narrow(console, _shown(), HEADS, WIDE)
    console.print("Milliseconds: until the first token, for each token of the answer, in all.")


def dfx_markdown() -> str:
    """The table for a page."""
    shown = _shown()
    return markdown_table([_head(str(name)) for name in shown], shown.to_numpy().tolist())


def _milliseconds(decoder: Decoder, length: int, logits: bool) -> float:
    return _of_code(decoder, padded_length(load_overlay(DESIGN), 1, length), logits)


@lru_cache
def _of_code(decoder: Decoder, length: int, logits: bool) -> float:
    """Of a token with so many in the cache, which its code is for."""
    design = load_overlay(DESIGN)
    program = compile_step(decoder, design, 1, length, decoder.context, logits).program
    return simulate(program, design).cycles / design.clock_hz * 1e3


def _head(name: str) -> str:
    return name.replace("_", " ") if name in PLAIN else f"{name.replace('_', ' ')} [ms]"


def _shown() -> pd.DataFrame:
    """Figures as they are read."""
    digits = {"each": 2, "published_each": 2, "head_from_ddr": 2}
    return as_read(dfx_study(), PLAIN, digits, otherwise=0)
