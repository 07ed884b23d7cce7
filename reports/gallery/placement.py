"""Where boxes stand in their ranks, and where nets pass between them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import fsum

APART, PIN, STRAIGHT = 16, 20, 4
"""[px] Between boxes, wires and pins; of a box above and below its pins; what is no step."""
ORDER_SWEEPS, PLACE_SWEEPS = 24, 60

Item = tuple[int, int]
"""A box and -1, or what a net passes a rank through: its box, and the rank."""


@dataclass(frozen=True)
class Gap:
    """What a net joins between a rank and the next one: items on the left, and on the right."""

    left: tuple[Item, ...]
    right: tuple[Item, ...]


def gaps_of(rank: Sequence[int], edges: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Gap]:
    """What each net joins in each gap, by net and gap; gap ``g`` is right of rank ``g``."""
    left: dict[tuple[int, int], dict[Item, None]] = defaultdict(dict)
    right: dict[tuple[int, int], dict[Item, None]] = defaultdict(dict)
    for net, sink in edges:
        start, end = rank[net], rank[sink]
        left[net, start][net, -1] = None
        right[net, end - 1][sink, -1] = None
        for passed in range(start + 1, end):  # on
            right[net, passed - 1][net, passed] = None
            left[net, passed][net, passed] = None
        for passed in range(start, end - 1, -1):  # back
            left[net, passed][net, passed] = None
            right[net, passed - 1][net, passed] = None
    return {key: Gap(tuple(left[key]), tuple(right[key])) for key in sorted(left.keys() | right.keys())}


def _neighbours(gaps: Mapping[tuple[int, int], Gap]) -> tuple[dict[Item, list[Item]], dict[Item, list[Item]]]:
    """Items that an item is joined with, on its left and on its right."""
    on_left: dict[Item, list[Item]] = defaultdict(list)
    on_right: dict[Item, list[Item]] = defaultdict(list)
    for gap in gaps.values():
        for a, b in product(gap.left, gap.right):
            on_right[a].append(b)
            on_left[b].append(a)
    return on_left, on_right


def ordered(rank: Sequence[int], gaps: Mapping[tuple[int, int], Gap]) -> list[list[Item]]:
    """Items of each rank from top to bottom, with few crossings."""
    columns: list[list[Item]] = [[] for _ in range(max(rank) + 1)]
    for box, at in enumerate(rank):
        columns[at].append((box, -1))
    for item in dict.fromkeys(item for gap in gaps.values() for item in (*gap.left, *gap.right) if item[1] >= 0):
        columns[item[1]].append(item)
    on_left, on_right = _neighbours(gaps)
    best, fewest = [list(column) for column in columns], _crossings(columns, on_right)
    for sweep in range(ORDER_SWEEPS):
        forth = sweep % 2 == 0
        for at in range(1, len(columns)) if forth else range(len(columns) - 2, -1, -1):
            towards = columns[at - 1 if forth else at + 1]
            place = {item: index / len(towards) for index, item in enumerate(towards)}
            own = {item: index / len(columns[at]) for index, item in enumerate(columns[at])}
            beside = on_left if forth else on_right
            columns[at].sort(
                key=lambda item: fsum(place[n] for n in beside[item]) / len(beside[item]) if beside[item] else own[item]
            )
        crossings = _crossings(columns, on_right)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    return best


def _crossings(columns: Sequence[Sequence[Item]], on_right: Mapping[Item, Sequence[Item]]) -> int:
    total = 0
    for column, beside in pairwise(columns):
        place = {item: index for index, item in enumerate(beside)}
        ends = [place[other] for item in column for other in sorted(on_right[item], key=place.__getitem__)]
        total += sum(a > b for index, a in enumerate(ends) for b in ends[index + 1 :])
    return total


def placed(
    columns: Sequence[Sequence[Item]], gaps: Mapping[tuple[int, int], Gap], height: Mapping[Item, int]
) -> dict[Item, float]:
    """The middle of each item: near those it is joined with, in the order of its rank and apart from the next."""
    on_left, on_right = _neighbours(gaps)
    middle: dict[Item, float] = {}
    for column in columns:
        _spread(column, [index * 2.0 * APART for index in range(len(column))], [1.0] * len(column), height, middle)
    for sweep in range(PLACE_SWEEPS + 1):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            wanted, weights = [], []
            for item in column:
                # In the last sweep wires from the left go straight on.
                beside = on_left[item] if sweep == PLACE_SWEEPS and on_left[item] else [*on_left[item], *on_right[item]]
                pull = [8.0 if item[1] >= 0 and other[1] >= 0 else 1.0 for other in beside]
                total = fsum(pull) or 0.1
                goal = fsum(p * middle[other] for p, other in zip(pull, beside, strict=True)) / total
                wanted.append(goal if beside else middle[item])
                weights.append(total)
            _spread(column, wanted, weights, height, middle)
    return middle


def _spread(
    column: Sequence[Item],
    wanted: Sequence[float],
    weights: Sequence[float],
    height: Mapping[Item, int],
    middle: dict[Item, float],
) -> None:
    """Middles nearest to those wanted that keep the order and the distances: pools of items that push each other."""
    offsets = [0.0] if column else []
    for above, below in pairwise(column):
        offsets.append(offsets[-1] + (height.get(above, 0) + height.get(below, 0)) / 2 + APART)
    pools: list[tuple[float, float, int]] = []
    for goal, weight, offset in zip(wanted, weights, offsets, strict=True):
        pool = (goal - offset, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, total, size = pools.pop()
            pool = ((mean * total + pool[0] * pool[1]) / (total + pool[1]), total + pool[1], size + pool[2])
        pools.append(pool)
    starts = [mean for mean, _, size in pools for _ in range(size)]
    middle.update({item: start + offset for item, start, offset in zip(column, starts, offsets, strict=True)})


def rounded(
    columns: Sequence[Sequence[Item]], gaps: Mapping[tuple[int, int], Gap], middle: Mapping[Item, float]
) -> dict[Item, int]:
    """Whole pixels from 0 on; a wire that would step aside by a few goes straight on."""
    top = min(middle.values())
    found = {item: round(y - top) for item, y in middle.items()}
    came: dict[Item, list[Item]] = defaultdict(list)
    for gap in gaps.values():
        for item in gap.right:
            came[item] += gap.left
    for column in columns:
        for item in column:
            if len(came[item]) == 1 and abs(found[item] - found[came[item][0]]) <= STRAIGHT:
                found[item] = found[came[item][0]]
    return found


def pins_of(
    sizes: Sequence[tuple[int, int]], gaps: Mapping[tuple[int, int], Gap], middle: Mapping[Item, int]
) -> list[dict[int, int]]:
    """Where the nets come into each box, by net: as straight from the left as the box and the other nets allow."""
    pins: list[dict[int, int]] = []
    for box, (_, height) in enumerate(sizes):
        coming = {
            net: min(middle[item] for item in gap.left or [(net, at + 1)])
            for (net, at), gap in gaps.items()
            if (box, -1) in gap.right
        }
        nets = sorted(coming, key=lambda net: (coming[net], net))
        found: dict[Item, float] = {}
        _spread([(net, 0) for net in nets], [coming[net] for net in nets], [1.0] * len(nets), {}, found)
        room = height - PIN - (len(nets) - 1) * APART
        top = middle[box, -1] - height // 2 + PIN // 2
        pins.append(
            {net: round(min(max(found[net, 0], top + i * APART), top + i * APART + room)) for i, net in enumerate(nets)}
        )
    return pins
