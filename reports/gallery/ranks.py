"""Which boxes stand to the left of which others."""

from collections import defaultdict
from collections.abc import Iterable, Mapping


def ranks(count: int, edges: Mapping[tuple[int, int], int], first: set[int], registers: set[int]) -> list[int]:
    """The rank of each box: right of all that it takes, but for registers that it feeds back into itself.

    What gives more bits than it takes goes as far to the right as it can.
    """
    after: dict[int, set[int]] = defaultdict(set)
    for source, sink in edges:
        after[source].add(sink)
    reached = {box: _reached(box, after) for box in range(count)}
    forward = [(a, b) for a, b in edges if a not in registers or a not in reached[b]]
    order = _forward_order(count, forward)
    place = {box: index for index, box in enumerate(order)}
    forward = [(a, b) for a, b in forward if place[a] < place[b]]
    before, after = defaultdict(set), defaultdict(set)
    taken, given = [0] * count, [0] * count
    for source, sink in forward:
        before[sink].add(source)
        after[source].add(sink)
        taken[sink] += edges[source, sink]
        given[source] = max(given[source], edges[source, sink])
    rank = [0] * count
    for box in order:
        rank[box] = max((rank[source] + 1 for source in before[box]), default=int(box not in first))
    for box in reversed(order):
        if box not in first and after[box] and taken[box] < given[box]:
            rank[box] = max(rank[box], min(rank[sink] for sink in after[box]) - 1)
    return rank


def _reached(box: int, after: Mapping[int, set[int]]) -> set[int]:
    found: set[int] = set()
    ahead = [box]
    while ahead:
        new = after.get(ahead.pop(), set()) - found
        found |= new
        ahead += sorted(new)
    return found


def _forward_order(count: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """Boxes, sources first; where boxes of several operations make a circle, it begins at the first of them."""
    before: dict[int, set[int]] = defaultdict(set)
    for source, sink in edges:
        if source != sink:
            before[sink].add(source)
    reaching = {box: _reached(box, before) for box in range(count)}
    order: list[int] = []
    left = list(range(count))
    while left:
        there = set(left)
        ready = [box for box in left if not before[box] & there]
        order += ready or [next(box for box in left if all(box in reaching[other] for other in reaching[box] & there))]
        left = [box for box in left if box not in set(order)]
    return order
