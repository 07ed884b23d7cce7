"""Boxes in ranks from left to right and wires at right angles between them: a layered layout.

The steps are those of Sugiyama, Tagawa and Toda (1981): ranks by the longest path, an order in each rank by barycentres,
coordinates; then wires as in a channel router, each net a vertical trunk between two ranks, on a track of its own.
All sinks of a box are one net. A net that goes back to an earlier rank passes between the boxes like one that goes on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from reports.gallery.placement import Gap, Item, gaps_of, ordered, pins_of, placed, rounded
from reports.gallery.ranks import ranks

TRACK, MARGIN = 10, 26  # [px] between trunks; beside boxes


@dataclass(frozen=True)
class Box:
    """A box with its upper left corner at ``(x, y)``, and where its inputs come in [px]."""

    x: int
    y: int
    width: int
    height: int
    pins: Mapping[int, int]


@dataclass(frozen=True)
class Segment:
    """A straight piece of the net of box ``net``; ``sink`` is the box that it ends at."""

    net: int
    x1: int
    y1: int
    x2: int
    y2: int
    sink: int | None = None


@dataclass(frozen=True)
class Layout:
    """Boxes, pieces of wire, where three of them meet, and where each rank ends, before the first track [px]."""

    boxes: tuple[Box, ...]
    segments: tuple[Segment, ...]
    joints: tuple[tuple[int, int], ...]
    ends: tuple[int, ...]


def layout(
    sizes: Sequence[tuple[int, int]],
    edges: Mapping[tuple[int, int], int],
    first: set[int],
    registers: set[int],
) -> Layout:
    """Place boxes of these sizes (width, height) [px] and route edges of so many bits from sources to sinks."""
    rank = ranks(len(sizes), edges, first, registers)
    gaps = gaps_of(rank, list(edges))
    columns = ordered(rank, gaps)
    height = {(box, -1): size[1] for box, size in enumerate(sizes)}
    middle = rounded(columns, gaps, placed(columns, gaps, height))
    return _routed(sizes, columns, gaps, middle, pins_of(sizes, gaps, middle))


@dataclass(frozen=True)
class Trunk:
    """The vertical piece of a net in a gap, and the heights at which it is joined from the left and to the right."""

    left: tuple[int, ...]
    right: tuple[int, ...]

    @property
    def top(self) -> int:
        return min(self.left + self.right)

    @property
    def bottom(self) -> int:
        return max(self.left + self.right)


def tracks(trunks: Mapping[int, Trunk]) -> dict[int, int]:
    """The track of each net: those that overlap have different ones, and no stub runs into another net's at its height."""
    before = {
        net: {other for other, there in trunks.items() if other != net and _meet(there.left, trunk.right)}
        for net, trunk in trunks.items()
    }
    found: dict[int, int] = {}
    left = sorted(trunks, key=lambda net: (trunks[net].top, net))
    while left:
        ready = [net for net in left if not before[net] & set(left)]
        net = (ready or left)[0]
        track = max((found[other] + 1 for other in before[net] if other in found), default=0)
        while any(found[other] == track and _overlap(trunks[other], trunks[net]) for other in found):
            track += 1
        found[net] = track
        left.remove(net)
    return found


def _meet(left: Iterable[int], right: Iterable[int]) -> bool:
    return any(abs(a - b) < TRACK for a, b in product(left, right))


def _overlap(a: Trunk, b: Trunk) -> bool:
    return a.top < b.bottom + TRACK and b.top < a.bottom + TRACK


def _routed(
    sizes: Sequence[tuple[int, int]],
    columns: Sequence[Sequence[Item]],
    gaps: Mapping[tuple[int, int], Gap],
    middle: Mapping[Item, int],
    pins: Sequence[Mapping[int, int]],
) -> Layout:
    """Wires on tracks; columns as far apart as their tracks need."""
    boxes: dict[int, Box] = {}
    segments: list[Segment] = []
    joints: list[tuple[int, int]] = []
    ends: list[int] = []
    start = 0
    for at, column in enumerate(columns):
        here = [box for box, passed in column if passed < 0]
        end = start + max((sizes[box][0] for box in here), default=0)
        for box in here:
            width, height = sizes[box]
            boxes[box] = Box((start + end - width) // 2, middle[box, -1] - height // 2, width, height, pins[box])
        segments += [Segment(net, start, middle[net, at], end, middle[net, at]) for net, passed in column if passed >= 0]
        nets = {net: gap for (net, gap_at), gap in gaps.items() if gap_at == at}
        right = {
            (net, item): middle[item] if item[1] >= 0 else pins[item[0]][net] for net, gap in nets.items() for item in gap.right
        }
        trunks = {
            net: Trunk(tuple(middle[item] for item in gap.left), tuple(right[net, item] for item in gap.right))
            for net, gap in nets.items()
        }
        track = tracks({net: trunk for net, trunk in trunks.items() if trunk.top < trunk.bottom})
        following = end + 2 * MARGIN + max(track.values(), default=0) * TRACK
        widths = {box: sizes[box][0] for box, passed in (columns[at + 1] if at + 1 < len(columns) else []) if passed < 0}
        for net, gap in nets.items():
            x = end + MARGIN // 2 + track.get(net, 0) * TRACK
            for item in gap.left:
                begin = boxes[item[0]].x + boxes[item[0]].width if item[1] < 0 else end
                segments.append(Segment(net, begin, middle[item], x, middle[item]))
            for item in gap.right:
                y, is_box = right[net, item], item[1] < 0
                stop = following + (max(widths.values()) - widths[item[0]]) // 2 if is_box else following
                segments.append(Segment(net, x, y, stop, y, item[0] if is_box else None))
            trunk = trunks[net]
            if trunk.top < trunk.bottom:
                segments.append(Segment(net, x, trunk.top, x, trunk.bottom))
                met = trunk.left + trunk.right
                joints += [(x, y) for y in sorted(set(met)) if trunk.top < y < trunk.bottom or met.count(y) > 1]
        ends.append(end + MARGIN // 4)
        start = following
    return Layout(tuple(boxes[box] for box in range(len(sizes))), tuple(segments), tuple(joints), tuple(ends))
