"""The gallery: committed as it is written, drawn as the hardware is, and nothing on top of anything else."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

import reports.gallery.page
from costmodel.area import NotMeasuredError
from costmodel.samples import SAMPLES
from hdl.pe import PES, pe_parts
from reports.gallery.drawing import draw
from reports.gallery.folding import folded
from reports.gallery.layout import Layout, Segment, layout
from reports.gallery.page import files
from reports.gallery.structure import Block, Structure, structures

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def drawn() -> dict[str, Structure]:
    return structures(part for design in SAMPLES.values() for part in pe_parts(design))


def test_every_kind_with_hardware_is_in_the_gallery() -> None:
    assert SAMPLES.keys() == PES.keys()


def test_the_committed_gallery_is_what_the_command_writes() -> None:
    written = files()
    assert {path.relative_to(DOCS).as_posix() for path in (DOCS / "gallery").iterdir()} == written.keys() - {"gallery.md"}
    for name, text in written.items():
        assert (DOCS / name).read_text() == text, f"docs/{name} is not of this hardware: make gallery"


def wire_bits(structure: Structure, source: str, sink: str) -> set[tuple[int, bool]]:
    blocks = structure.blocks
    return {
        (wire.bits, wire.control)
        for wire in structure.wires
        if blocks[wire.source].name == source and blocks[wire.sink].name == sink
    }


def test_blocks_of_the_shift_and_add_pe(drawn: dict[str, Structure]) -> None:
    """Four weight bits mask eight bits of activation, which are added in pairs and pairs of pairs.

    Signs are inverted, and the lowest bit of each pair's first row goes around the adder.
    """
    structure = drawn["shift_add_pe"]
    rows, pairs = "row_0 \N{HORIZONTAL ELLIPSIS} 3", "pair_1_0 \N{HORIZONTAL ELLIPSIS} 1"
    assert Block("mux", "mux", rows, 8, 4) in structure.blocks
    assert Block("add", "+ ~", pairs, 10, 2) in structure.blocks
    assert Block("register", "register", "sum", 19) in structure.blocks  # 12 bits of a product and 7 of 128 of them
    assert wire_bits(structure, "weight", rows) == {(4, True)}
    assert wire_bits(structure, "activation", rows) == {(8, False)}
    assert wire_bits(structure, rows, pairs) == {(4 * 8 - 2, False)}
    assert wire_bits(structure, "valid_out", "sum") == {(1, True)}
    assert wire_bits(structure, "sum", "before") == {(19, False)}


def test_registers_have_names(drawn: dict[str, Structure]) -> None:
    nameless = [name for name, structure in drawn.items() for b in structure.blocks if b.kind == "register" and not b.name]
    assert nameless == []


def test_what_nobody_takes_is_not_there(drawn: dict[str, Structure]) -> None:
    for name, structure in drawn.items():
        sources = {wire.source for wire in structure.wires}
        left = [b for index, b in enumerate(structure.blocks) if b.kind != "output" and index not in sources]
        assert left == [], name


def drawings(drawn: dict[str, Structure]) -> Iterator[tuple[str, Layout]]:
    for name, structure in drawn.items():
        kinds = {kind: {i for i, b in enumerate(structure.blocks) if b.kind == kind} for kind in ("input", "register")}
        edges = {(wire.source, wire.sink): wire.bits for wire in structure.wires}
        whole = layout([(60, 100)] * len(structure.blocks), edges, kinds["input"], kinds["register"])
        yield name, whole
        yield f"{name} folded", folded(whole, 700, 100, set())[0]


def lies_on(piece: Segment, other: Segment) -> bool:
    """Whether two pieces have more than a point in common."""
    if piece.y1 == piece.y2 == other.y1 == other.y2:
        return min(piece.x2, other.x2) > max(piece.x1, other.x1)
    return piece.x1 == piece.x2 == other.x1 == other.x2 and min(piece.y2, other.y2) > max(piece.y1, other.y1)


def test_nothing_lies_on_anything_else(drawn: dict[str, Structure]) -> None:
    for name, drawing in drawings(drawn):
        for a, b in combinations(drawing.boxes, 2):
            assert a.x + a.width < b.x or b.x + b.width < a.x or a.y + a.height < b.y or b.y + b.height < a.y, name
        for piece in drawing.segments:
            for box in drawing.boxes:
                beside = piece.x2 <= box.x or piece.x1 >= box.x + box.width
                assert beside or piece.y2 < box.y or piece.y1 > box.y + box.height, name
        pieces = [piece for piece in drawing.segments if piece.x1 < piece.x2 or piece.y1 < piece.y2]
        assert not [1 for a, b in combinations(pieces, 2) if a.net != b.net and lies_on(a, b)], name


def touch(piece: Segment, other: Segment) -> bool:
    """Whether one piece ends on the other."""
    return any(
        a.x1 <= x <= a.x2 and a.y1 <= y <= a.y2
        for a, b in ((piece, other), (other, piece))
        for x, y in ((b.x1, b.y1), (b.x2, b.y2))
    )


def test_every_wire_comes_from_its_source_and_arrives(drawn: dict[str, Structure]) -> None:
    """Pieces of a net hang together: from its box's right side one reaches the left side of each box that takes it."""
    for name, structure in drawn.items():
        edges = {(wire.source, wire.sink): wire.bits for wire in structure.wires}
        registers = {index for index, block in enumerate(structure.blocks) if block.kind == "register"}
        drawing = layout([(60, 100)] * len(structure.blocks), edges, set(), registers)
        for net, box in enumerate(drawing.boxes):
            left = [piece for piece in drawing.segments if piece.net == net]
            ahead = [piece for piece in left if (piece.x1, piece.y1) == (box.x + box.width, box.y + box.height // 2)]
            arrived = set()
            while ahead:
                piece = ahead.pop()
                arrived |= {piece.sink} if piece.sink is not None and piece.x2 == drawing.boxes[piece.sink].x else set()
                ahead += [other for other in left if touch(piece, other)]
                left = [other for other in left if other not in ahead]
            assert left == []
            assert arrived == {sink for source, sink in edges if source == net}, f"{name} {net}"


def test_a_drawing_is_the_same_in_every_run(drawn: dict[str, Structure]) -> None:
    assert all(draw(structure, "x") == draw(structure, "x") for structure in drawn.values())


def test_a_sample_that_was_not_measured_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports.gallery.page, "read_measured", tuple)
    monkeypatch.setattr(reports.gallery.page, "structures", lambda _: {})
    with pytest.raises(NotMeasuredError, match="the PE of the sample shift_add was not measured on .* for pe shift_add"):
        files()
