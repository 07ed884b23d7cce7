"""A drawing that is too wide, cut between ranks into rows below each other; wires go on where the same name stands."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from reports.gallery.layout import Layout

BETWEEN, NEAR, NAMELESS = 44, 0.2, 5  # [px] between rows; how far from equal rows a cut may be; wires worth one


@dataclass(frozen=True)
class Flag:
    """Where the wire of box ``net`` ends at a row's right end, or begins at the next one's left [px]."""

    x: int
    y: int
    net: int
    leaves: bool


def folded(drawing: Layout, widest: int, room: int, named: set[int]) -> tuple[Layout, tuple[Flag, ...]]:
    """Rows of about ``widest`` [px] at the most, with ``room`` [px] for names at both ends; and the flags there.

    ``named`` are the boxes whose wires have a name to be found by.
    """
    cuts = _cuts(drawing, widest, named)
    flags = [(cut, y, net) for cut in cuts for net, y in sorted(_crossing(drawing, cut))]
    pieces = [
        replace(piece, x1=begin, x2=end, sink=piece.sink if end == piece.x2 else None)
        for piece in drawing.segments
        for begin, end in _between(piece.x1, piece.x2, cuts)
    ]
    heights: list[list[int]] = [[] for _ in range(len(cuts) + 1)]
    for box in drawing.boxes:
        heights[bisect_right(cuts, box.x)] += [box.y, box.y + box.height]
    for piece in pieces:
        heights[bisect_right(cuts, piece.x1)] += [piece.y1, piece.y2]
    below, moves = 0, []
    for row, here in enumerate(heights):
        moves.append((room - cuts[row - 1] if row else 0, below - min(here)))
        below += max(here) - min(here) + BETWEEN

    def moved(x: int) -> tuple[int, int]:
        return moves[bisect_right(cuts, x)]

    boxes = []
    for box in drawing.boxes:
        right, down = moved(box.x)
        boxes.append(replace(box, x=box.x + right, y=box.y + down, pins={net: y + down for net, y in box.pins.items()}))
    segments = []
    for piece in pieces:
        right, down = moved(piece.x1)
        segments.append(replace(piece, x1=piece.x1 + right, x2=piece.x2 + right, y1=piece.y1 + down, y2=piece.y2 + down))
    joints = tuple((x + moved(x)[0], y + moved(x)[1]) for x, y in drawing.joints)
    ends = tuple(end + moved(end - 1)[0] for end in drawing.ends)
    ending = [Flag(cut + moved(cut - 1)[0], y + moved(cut - 1)[1], net, leaves=True) for cut, y, net in flags]
    beginning = [Flag(cut + moved(cut)[0], y + moved(cut)[1], net, leaves=False) for cut, y, net in flags]
    return Layout(tuple(boxes), tuple(segments), joints, ends), (*ending, *beginning)


def _cuts(drawing: Layout, widest: int, named: set[int]) -> list[int]:
    """Ends of ranks at which rows end: near to where they would be of one length, and where few wires cross."""
    width = drawing.ends[-1]
    rows = -(-width // widest)
    cost = {end: sum(1 if net in named else NAMELESS for net, _ in _crossing(drawing, end)) for end in drawing.ends}
    cuts = []
    for row in range(1, rows):
        away = {end: abs(end - width * row / rows) for end in drawing.ends}
        near = [end for end in drawing.ends if away[end] <= NEAR * width / rows] or [min(away, key=away.__getitem__)]
        cuts.append(min(near, key=lambda end: (cost[end], away[end])))
    return cuts


def _crossing(drawing: Layout, cut: int) -> set[tuple[int, int]]:
    return {(piece.net, piece.y1) for piece in drawing.segments if piece.x1 <= cut < piece.x2}


def _between(begin: int, end: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    stops = [begin, *(cut for cut in cuts if begin < cut < end), end]
    return list(pairwise(stops))
