"""Which points no other one beats, and what that says of integers, minifloats and blocks, in words."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shiftwise.axes import Axis
from shiftwise.comparison.points import BLOCK, FAMILIES, INTEGER, MINIFLOAT

LOSS = "loss"
"""Column: bits per byte above the float model's, as a share of them."""

LOSSES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Losses within which the cheapest of each family are compared."""


AXES: dict[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("luts_per_mac", "LUTs of a PE", "LUT sites per MAC"),
        Axis("um2_per_mac", "area of a PE", "um2 per MAC"),
        Axis("energy_per_mac_fj", "energy of a MAC", "fJ"),
        Axis("energy_per_token_j", "energy of a token in decode", "J"),
        Axis("bits_per_weight", "storage of a weight", "bit"),
        Axis("prefill_tokens_per_s", "prefill at equal area", "tokens/s", less=False),
        Axis("decode_tokens_per_s", "decode at equal area", "tokens/s", less=False),
    )
}
"""Costs by column."""


def front(table: pd.DataFrame, axis: Axis) -> NDArray[np.bool_]:
    """Which rows lose least for their cost: no row is at least as good in both and better in one. Unknown ones are none."""
    cost = table[axis.name].to_numpy(float) * (1 if axis.less else -1)
    loss = table[LOSS].to_numpy(float)
    known = np.flatnonzero(np.isfinite(cost) & np.isfinite(loss))
    found = np.zeros(len(table), bool)
    found[known[unbeaten(np.stack([cost[known], loss[known]], axis=1))]] = True
    return found


def unbeaten(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Places of rows ``[rows, objectives]``, the smaller the better, that no other row beats; of equal ones the first."""
    order = np.lexsort(values.T[::-1])
    kept = np.empty_like(values)
    places: list[int] = []
    for place in order:
        # A row that beats another one comes before it in this order.
        if not (kept[: len(places)] <= values[place]).all(axis=1).any():
            kept[len(places)] = values[place]
            places.append(int(place))
    return np.array(sorted(places), dtype=np.intp)


def verdict(table: pd.DataFrame, axis: Axis) -> Iterator[str]:
    """Sentences: at each loss the cheapest of each family, who wins there and by how much; where it is others than before."""
    before: dict[str, str] = {}
    for limit in LOSSES:
        cheapest = {family: _cheapest(table, family, limit, axis) for family in FAMILIES}
        there = {family: row for family, row in cheapest.items() if row is not None}
        if (names := {family: row["name"] for family, row in there.items()}) != before:
            yield _sentence(there, limit, axis)
        before = names


def _cheapest(table: pd.DataFrame, family: str, limit: float, axis: Axis) -> pd.Series | None:
    rows = table[(table["family"] == family) & (table[LOSS] <= limit)].dropna(subset=[axis.name])
    if rows.empty:
        return None
    place = rows[axis.name].idxmin() if axis.less else rows[axis.name].idxmax()
    return rows.loc[place]


def _sentence(there: dict[str, pd.Series], limit: float, axis: Axis) -> str:
    ranked = sorted(there.items(), key=lambda item: item[1][axis.name], reverse=not axis.less)
    (winner, first), *others = ranked
    told = f"Within {100 * limit:g} % of float, {_named(winner)} win in {axis.title}: {_figure(first, axis)}"
    told += "".join(f"; {_named(family)} {_figure(row, axis)}, {_behind(row, first, axis)}" for family, row in others)
    missing = [_named(family) for family in FAMILIES if family not in there]
    return told + (f"; no {' or '.join(missing)} of the table get there" if missing else "") + "."


def _named(family: str) -> str:
    return {INTEGER: "integers", MINIFLOAT: "minifloats", BLOCK: "blocks"}[family]


def _figure(row: pd.Series, axis: Axis) -> str:
    return f"{row['name']} ({row['recipe']}, {100 * row[LOSS]:+.2f} %) {row[axis.name]:.4g} {axis.unit}"


def _behind(row: pd.Series, first: pd.Series, axis: Axis) -> str:
    one, other = float(row[axis.name]), float(first[axis.name])
    ratio = one / other if axis.less else other / one
    return "as much" if ratio < 1.005 else f"{ratio:.2f} times {'as much' if axis.less else 'less'}"


def widths(table: pd.DataFrame) -> Iterator[str]:
    """Sentences: among points with both operands of one width, which family loses least."""
    for bits in sorted(set(table["weight_bits"]) & set(table["activation_bits"])):
        rows = table[(table["weight_bits"] == bits) & (table["activation_bits"] == bits)].dropna(subset=[LOSS])
        best = {family: of.loc[of[LOSS].idxmin()] for family, of in rows.groupby("family", sort=False)}
        if len(best) > 1:
            told = (
                f"{_named(family)} {100 * row[LOSS]:+.2f} % ({row['name']}, {row['recipe']})" for family, row in best.items()
            )
            yield f"With {bits} bits for both operands: {', '.join(told)}."
