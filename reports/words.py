"""A run in words: what ran, what came out, what was lost, what is not known."""

from collections.abc import Mapping
from typing import Any

from reports.splits import largest_loss
from reports.units import MISSING, engineering, percent, significant

ARROW = "\N{NO-BREAK SPACE}\N{RIGHTWARDS ARROW}\N{NO-BREAK SPACE}"

LARGE = {"trillion": 10**12, "billion": 10**9, "million": 10**6}


def sentence(summary: Mapping[str, Any]) -> str:
    """The run's result in one sentence."""
    accuracy = f"; bits per byte {ARROW.join(bits_per_byte(summary['accuracy']))}" if summary["accuracy"] else ""
    return (
        f"{summary['design']} runs {summary['model']}, {work(summary)}, in {engineering(summary['time_s'], 's')} "
        f"at {rate(summary)}{accuracy}."
    )


def rate(summary: Mapping[str, Any]) -> str:
    """Tokens or, where nobody knows of tokens, passes a second."""
    if summary["tokens"] is None:
        return f"{significant(summary['passes_per_s'])} passes/s"
    return f"{significant(summary['tokens_per_s'])} tokens/s"


def energy_of_each(summary: Mapping[str, Any]) -> tuple[str, str]:
    """``token`` or ``pass``, whichever the rate counts, and the energy of one."""
    if summary["tokens"] is None:
        return "pass", engineering(summary["energy_J"]["total"], "J")
    return "token", engineering(summary["energy_per_token_J"], "J")


def work(summary: Mapping[str, Any]) -> str:
    """Phase, batch and sequence in words; a topology has its sizes in its layers."""
    if summary["tokens"] is None:
        return "one pass of its layers"
    batch, sequence = summary["batch"], summary["sequence"]
    tokens = "1 token" if sequence == 1 else f"{sequence} tokens"
    each = f"{batch} sequences of {tokens}" if batch > 1 else tokens
    return f"prefill of {each}" if summary["phase"] == "prefill" else f"the decode step that completes {each}"


def bits_per_byte(accuracy: Mapping[str, Any]) -> tuple[str, str]:
    """Bits per byte of the float model and of the hardware."""
    return significant(accuracy["float_bits_per_byte"]), significant(accuracy["hardware_bits_per_byte"])


def counted(number: int) -> str:
    """A large number as people say it: ``6.74 billion``."""
    for name, size in LARGE.items():
        if number >= size:
            return f"{significant(number / size)} {name}"
    return f"{number:,}"


def lost(summary: Mapping[str, Any]) -> str:
    """The largest part of the cycles in which the array does not work at full rate."""
    part, share = largest_loss(summary)
    return f"largest loss: {part} {percent(share)}" if share else "nothing lost"


def density(summary: Mapping[str, Any]) -> str:
    """Operations on the area in the design's technology, where that is known."""
    dense = summary["tops_per_mm2"]
    return f"{significant(dense)} TOPS/mm²" if dense is not None else f"{MISSING} TOPS/mm²"


def spread(summary: Mapping[str, Any]) -> str:
    """The ends between which an estimated energy lies; nothing of one that is no estimate with a spread."""
    low, high = (engineering(joule, "J") for joule in summary["energy_range_J"])
    return "" if low == high else f"{low} to {high} with the estimate's spread"


def unmeasured(summary: Mapping[str, Any], target: str) -> str:
    """What stands in place of an area that is not known: why."""
    reason: str = summary["sources"].get(f"area on {target}", "no reason was recorded")
    return f"not measured: {reason}"
