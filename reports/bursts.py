"""How much of a memory's rate bursts get, by their length."""

from collections.abc import Sequence

import pandas as pd

from reports.tables import markdown_table
from sim.overlay.design import load_overlay
from sim.overlay.memory import Channels

BURSTS = tuple(32 << 2 * step for step in range(8))
"""[byte] From a burst of HBM to half a MiB."""

SHOWN = ("flightllm-u280", "flightllm-vhk158", "flightllm-kv260")
"""Designs whose memories a page shows."""


def bursts(memory: Channels) -> pd.DataFrame:
    """A row for each length: the share of all ports' rate where each burst is in a row of another bank than the one before, and
    where all are in rows of one bank."""
    rows = [
        {"bytes": size, **{f"{where}_share": memory.efficiency(size, where) for where in ("banks", "bank")}} for size in BURSTS
    ]
    return pd.DataFrame(rows)


def burst_table(designs: Sequence[str] = SHOWN) -> str:
    """The memories of some designs beside each other, for a page [%]."""
    tables = [bursts(load_overlay(design).channels_off_chip) for design in designs]
    heads = [
        "bytes",
        *(f"{design.removeprefix('flightllm-').upper()}, {what}" for design in designs for what in ("other banks", "one bank")),
    ]
    rows = []
    for at, size in enumerate(BURSTS):
        shares = [100 * float(table[f"{where}_share"][at]) for table in tables for where in ("banks", "bank")]
        rows.append([f"{size:,}", *(f"{share:.3g}" for share in shares)])
    return markdown_table(heads, rows)
