"""Which part of a long run is drawn in time, and the words that say so."""

from dataclasses import dataclass
from math import prod

import pandas as pd

from reports.units import percent

FIRST_INDEX = r"^(?P<stack>.*?)(?<![^.])(?P<index>\d+)(?![^.])"
"""The first part of a module's name that is a number, and what is before it."""

SECOND = "1"
WITHOUT_BLOCKS = 40
MOST_OPERATORS = 400


@dataclass(frozen=True)
class Excerpt:
    """Rows of a run, and which ones they are."""

    rows: pd.DataFrame
    caption: str


def one_layer(layers: pd.DataFrame) -> Excerpt:
    """The operators of the second of a model's repeated blocks, for the first one has no neighbour before it.

    Without repeated blocks: the first operators.
    """
    indices = layers["name"].str.extract(FIRST_INDEX)
    stacks = indices["stack"][indices["index"] == SECOND]
    if stacks.empty:
        rows = layers.head(WITHOUT_BLOCKS)
        which = "All operators" if len(rows) == len(layers) else f"The first {len(rows)} of {len(layers):,} operators"
        return Excerpt(rows, f"{which}.")
    same = indices["stack"] == stacks.iloc[0]
    rows = layers[same & (indices["index"] == SECOND)]
    number = indices["index"][same].nunique()
    cut = f", the first {MOST_OPERATORS} of its {len(rows):,} operators" if len(rows) > MOST_OPERATORS else ""
    return Excerpt(rows.head(MOST_OPERATORS), f"{stacks.iloc[0]}{SECOND}, the second of {number} repeated blocks{cut}.")


def first_blocks(blocks: pd.DataFrame, layers: pd.DataFrame) -> Excerpt:
    """The blocks that are drawn: of which product, how many of how many, and how busy the array is meanwhile."""
    computed = blocks[blocks["lane"] == "compute"]
    product = blocks["product"].iloc[0]
    rows = layers[(layers["name"] == product) & (layers["unit"] == "array")]
    cut = ""
    if len(rows):
        row = rows.iloc[0]
        cut = f" of its {block_count(row):,} blocks of {row['blocking']} (loops from the outermost)"
    busy = (computed["end"] - computed["start"]).sum() / (computed["end"].max() - blocks["start"].min())
    kept = "" if (blocks["lane"] == "store").any() else " No store among them takes a cycle of its own."
    shown = f"{product}, the product that takes longest: the first {len(computed)}{cut}."
    return Excerpt(blocks, f"{shown} The array computes in {percent(busy)} of the cycles from the first load on.{kept}")


def block_count(row: pd.Series) -> int:
    """Blocks of a product, all its repetitions together, from its ``blocking``: a letter and a size for each axis."""
    sizes = {word[0]: int(word[1:]) for word in row["blocking"].split()}
    return int(row["count"]) * prod(-(-int(row[axis]) // size) for axis, size in sizes.items())
