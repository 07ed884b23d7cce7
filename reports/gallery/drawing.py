"""A structure as an SVG: shapes and colours by kind, readable on light and on dark ground."""

from collections import Counter
from html import escape

from reports.gallery.folding import Flag, folded
from reports.gallery.layout import Box, Segment, layout
from reports.gallery.placement import APART, PIN
from reports.gallery.structure import Block, Structure

CHARACTER, LEAST_WIDTH, PAGE, WIDEST = 6.7, 44, 16, 1400  # [px] of a name's letter; of a box; around; of a row
PARTS = ("input", "output", "register")

STYLE = """
svg { background: var(--ground); --ground: #ffffff; --ink: #1f2328; --wire: #59636e; --pale: #6e7781;
  --port: #eef0f3; --register: #d8e8fb; --add: #d9f2e1; --multiply: #f7dede; --shift: #efe3fa; --mux: #fdf0cf; --table: #fbe3cd;
  --logic: #f4f5f7; --module: #d4eef2; }
@media (prefers-color-scheme: dark) { svg { --ground: #0d1117; --ink: #e6edf3; --wire: #9198a1; --pale: #9198a1;
  --port: #262c36; --register: #17375e; --add: #12402a; --multiply: #592226; --shift: #3d2560; --mux: #4d3a09; --table: #5a3312;
  --logic: #1c2129; --module: #0f4450; } }
text { font: 11px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: var(--ink); }
.symbol, .name { text-anchor: middle; }
.symbol { font-weight: bold; font-size: 12px; }
.flag { fill: var(--pale); font-style: italic; }
.bits { fill: var(--pale); font-size: 10px; text-anchor: end; }
.box { stroke: var(--ink); stroke-width: 1; }
.wire { stroke: var(--wire); stroke-width: 1.2; fill: none; }
.control { stroke-dasharray: 4 3; }
.joint, .tip { fill: var(--wire); }
.clock { fill: none; stroke: var(--ink); }
"""


def draw(structure: Structure, title: str) -> str:
    """The SVG of a structure."""
    blocks = structure.blocks
    wires = {(wire.source, wire.sink): wire for wire in structure.wires}
    inputs = Counter(wire.sink for wire in structure.wires)
    sizes = [_size(block, inputs[index]) for index, block in enumerate(blocks)]
    edges = {ends: wire.bits for ends, wire in wires.items()}
    of_kind = {kind: {index for index, block in enumerate(blocks) if block.kind == kind} for kind in PARTS}
    drawing = layout(sizes, edges, of_kind["input"], of_kind["register"])
    names = [block.name or _taken_by(index, structure) for index, block in enumerate(blocks)]
    named = {index for index, block in enumerate(blocks) if block.name}
    drawing, flags = folded(drawing, WIDEST, round(max(map(len, names)) * CHARACTER) + 12, named)
    tips = [piece for piece in drawing.segments if piece.sink is not None]
    elements = [
        *(_line(piece, piece.sink is not None and wires[piece.net, piece.sink].control) for piece in drawing.segments),
        *(f'<circle class="joint" cx="{x}" cy="{y}" r="2.4"/>' for x, y in drawing.joints),
        *(f'<path class="tip" d="M{tip.x2} {tip.y2}l-7 -3v6z"/>' for tip in tips),
        *(
            _bits(tip, wires[tip.net, tip.sink].bits)
            for tip in tips
            if tip.sink is not None and wires[tip.net, tip.sink].bits > 1
        ),
        *(_flag(flag, names[flag.net]) for flag in flags),
        *(_shape(block, box) for block, box in zip(blocks, drawing.boxes, strict=True)),
    ]
    xs = [x for box in drawing.boxes for x in (box.x, box.x + box.width)] + [_end(flag, names[flag.net]) for flag in flags]
    ys = [y for box in drawing.boxes for y in (box.y, box.y + box.height)] + [piece.y2 for piece in drawing.segments]
    left, top = min(xs) - PAGE, min(ys) - PAGE
    width, height = max(xs) + PAGE - left, max(ys) + PAGE - top
    head = f'width="{width}" height="{height}" viewBox="{left} {top} {width} {height}" role="img"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {head}>',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            *elements,
            "</svg>\n",
        ]
    )


def _taken_by(index: int, structure: Structure) -> str:
    """What a wire without a name is called: by what it goes to."""
    sinks = [structure.blocks[wire.sink].name for wire in structure.wires if wire.source == index]
    return f"to {next(filter(None, sinks), structure.blocks[index].symbol)}"


def _bits(tip: Segment, bits: int) -> str:
    return f'<text class="bits" x="{tip.x2 - 9}" y="{tip.y2 - 3}">{bits}</text>'


def _end(flag: Flag, name: str) -> int:
    reach = round(len(name) * CHARACTER) + 8
    return flag.x + (reach if flag.leaves else -reach)


def _flag(flag: Flag, name: str) -> str:
    side, x = ("start", flag.x + 5) if flag.leaves else ("end", flag.x - 5)
    return f'<text class="flag" text-anchor="{side}" x="{x}" y="{flag.y + 4}">{escape(name)}</text>'


def _texts(block: Block) -> tuple[str, str]:
    """The upper and the lower line of a block."""
    if block.kind in ("input", "output"):
        return "", f"{block.name} {block.bits}" if block.bits > 1 else block.name
    many = f"{block.count} \N{MULTIPLICATION SIGN} " if block.count > 1 else ""
    if block.kind == "register":
        return (f"{many}reg" if block.count > 1 else ""), block.name or "reg"
    return f"{many}{block.symbol}", block.name


def _size(block: Block, pins: int) -> tuple[int, int]:
    upper, lower = _texts(block)
    letters = max(len(upper) * 1.1, len(lower))
    room = 26 if block.kind in (*PARTS, "mux") else 16
    lines = bool(upper) + bool(lower)
    height = max(14 * lines + (16 if block.kind == "mux" else 10), 2 * PIN // 2 + max(0, pins - 1) * APART)
    return max(LEAST_WIDTH, round(letters * CHARACTER) + room), height + height % 2


def _shape(block: Block, box: Box) -> str:
    x, y, w, h = box.x, box.y, box.width, box.height
    kind = "port" if block.kind in ("input", "output") else block.kind
    fill = f'class="box" style="fill:var(--{kind})"'
    if kind == "port":
        shape = f'<path {fill} d="M{x} {y}h{w - 10}l10 {h // 2}l-10 {h - h // 2}h{10 - w}z"/>'
    elif kind == "mux":
        shape = f'<path {fill} d="M{x} {y}l{w} 6v{h - 12}l{-w} 6z"/>'
    else:
        shape = f'<rect {fill} x="{x}" y="{y}" width="{w}" height="{h}" rx="{2 if kind in ("register", "module") else 8}"/>'
    if kind == "register":
        shape += f'<path class="clock" d="M{x} {y + h - 11}l6 4l-6 4"/>'
    upper, lower = _texts(block)
    middle, centre = x + w // 2 + (3 if kind == "register" else 0), y + h // 2
    if upper and lower:
        return f"{shape}{_text('symbol', middle, centre - 3, upper)}{_text('name', middle, centre + 11, lower)}"
    return shape + _text("symbol" if upper else "name", middle, centre + 4, upper or lower)


def _text(kind: str, x: int, y: int, text: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def _line(piece: Segment, control: bool) -> str:
    dashed = " control" if control else ""
    return f'<path class="wire{dashed}" d="M{piece.x1} {piece.y1}L{piece.x2} {piece.y2}"/>'
