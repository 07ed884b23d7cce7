"""Code of a decoder's layer, and of what comes before and behind all layers."""

import numpy as np

from sim.overlay.cells import FP16_BYTES, aligned
from sim.overlay.compiler.code import Code
from sim.overlay.compiler.regions import PAIRS
from sim.overlay.engine import BLOCK
from sim.overlay.isa.instructions import GOES_ON, LEAVES, SYSTEM


def bits_of(number: float) -> int:
    """Of fp32."""
    return int(np.float32(number).view(np.uint32))


def begin(code: Code) -> None:
    """The rows of the new tokens, which the host has written, and their positions."""
    code.load("inputs", "stream", code.map.inputs, code.new * code.map.row_bytes)
    if code.decoder.rotary:
        size = code.map.position_bytes
        code.load("positions", "positions", code.map.positions, code.new * size, indexed=size)


def whole_layer(code: Code, number: int) -> None:
    """Norm, attention, residual, norm, feed-forward network, residual."""
    attention(code, number, norm(code, number, "attention_norm"))
    network(code, number, norm(code, number, "network_norm"))


def head(code: Code) -> None:
    """The last token's norm and logits, which are stored."""
    d = code.decoder
    product(code, d.layers, "head", norm(code, d.layers, "last_norm", rows=1, last=1), "logits", rows=1)
    code.store("logits", "logits", code.map.logits, d.vocabulary * FP16_BYTES)


def finish(code: Code) -> None:
    """The end, when all is done."""
    code.emitter.emit("end", "SYS", operation=SYSTEM.index("end"), reads=("stream", "logits", "stored"))


def norm(code: Code, layer: int, name: str, rows: int = 0, last: int = 0) -> str:
    """A norm of the stream and the codes of what it makes; returns where those are."""
    d, rows = code.decoder, rows or code.new
    code.load(name, "norm", code.map.norm(layer, name), code.map.norm_bytes)
    scalar = bits_of(d.epsilon)
    code.special(name, d.norm, "stream", "normed", rows, d.hidden, second="norm", scalar=scalar, last=last)
    code.spill(name, "normed", rows * d.hidden * FP16_BYTES)
    return code.coded(name, "quantize", "normed", "codes", rows, d.hidden)


def attention(code: Code, layer: int, source: str) -> None:
    """Keys and values first, so that they are in the cache when queries come."""
    d, queries = code.decoder, ""
    for name in ("key", "value", "query"):
        product(code, layer, name, source, name)
        of = d.heads if name == "query" else d.kv_heads
        if d.rotary and name != "value":
            code.special(name, "rotary", name, name, code.new, d.head_dim, second="positions", heads=of)
        code.spill(name, name, code.new * of * d.head_dim * FP16_BYTES)
        group = d.queries if name == "query" else 1
        pitch = of * d.head_dim * FP16_BYTES
        queries = code.coded(
            name, "quantize_heads", name, f"{name}_codes", code.new, d.head_dim, heads=d.kv_heads, group=group, pitch=pitch
        )
        if name != "query":
            append(code, layer, name, queries)
    for pair, head in enumerate(range(0, d.kv_heads, code.heads)):
        heads_of(code, layer, head, min(code.heads, d.kv_heads - head), str(pair % PAIRS), queries)
    code.spill("values", "mixed", code.new * d.heads * d.head_dim * FP16_BYTES)
    mixed = code.coded("output", "quantize", "mixed", "mixed_codes", code.new, d.heads * d.head_dim)
    product(code, layer, "output", mixed, "branch")
    residual(code, "output")


def append(code: Code, layer: int, name: str, source: str) -> None:
    """New keys or values go behind those of the cache."""
    d, values = code.decoder, name == "value"
    row = d.head_dim * code.design.operand_bytes
    behind = aligned(code.new * d.kv_heads * row)
    code.store(
        name, source, code.map.cache(layer, values), code.new * row,
        runs=d.kv_heads, pitch=code.map.head_bytes, indexed=row, cache=f"{name}s",
    )  # fmt: skip
    if code.design.quantized:
        code.store(
            name, source, code.map.cache_scales(layer, values), code.new * FP16_BYTES, skip=behind,
            runs=d.kv_heads, pitch=code.map.head_scale_bytes, indexed=FP16_BYTES, cache=f"{name}s",
        )  # fmt: skip


def heads_of(code: Code, layer: int, head: int, heads: int, pair: str, queries: str) -> None:
    """Scores, softmax and values of some heads of keys."""
    d, scores = code.decoder, f"scores{pair}"
    rows = code.new * d.queries
    slot = cached(code, layer, head, heads, values=False)
    first, pitch = head * rows, d.queries * code.length * FP16_BYTES
    code.engine(
        "scores", slot, queries, scores, m=rows, k=d.head_dim, n=code.length, heads=heads, layout="keys",
        skip=first * d.head_dim * code.design.operand_bytes, pitch=pitch, group=d.queries,
        scales=code.scales(queries, code.new * d.heads * d.head_dim) + first * code.design.scale_bytes,
    )  # fmt: skip
    code.spill("scores", scores, heads * rows * code.length * FP16_BYTES)
    factor = bits_of(d.head_dim**-0.5)
    code.special(
        "softmax", "softmax", scores, scores, code.new, code.length,
        pitch=pitch, heads=heads, group=d.queries, scalar=factor,
    )  # fmt: skip
    code.spill("softmax", scores, heads * rows * code.length * FP16_BYTES)
    if code.design.quantized:
        code.load(
            "values", f"value_scales{pair}", code.map.cache_scales(layer, True, head), code.length * FP16_BYTES,
            runs=heads, pitch=code.map.head_scale_bytes, cache="values",
        )  # fmt: skip
    chances = code.coded(
        "softmax", "quantize_folded", scores, f"score_codes{pair}", code.new, code.length,
        second=f"value_scales{pair}", pitch=pitch, heads=heads, group=d.queries,
    )  # fmt: skip
    slot = cached(code, layer, head, heads, values=True)
    code.engine(
        "values", slot, chances, "mixed", m=rows, k=code.length, n=d.head_dim, heads=heads, layout="values",
        target_skip=head * d.queries * d.head_dim * FP16_BYTES, scales=code.scales(chances, heads * rows * code.length),
        pitch=d.heads * d.head_dim * FP16_BYTES, group=d.queries,
    )  # fmt: skip


def network(code: Code, layer: int, source: str) -> None:
    """The feed-forward network."""
    d = code.decoder
    size = code.new * d.intermediate * FP16_BYTES
    names = ("gate", "up") if d.gated else ("up",)
    for name in names:
        product(code, layer, name, source, name)
        code.spill(name, name, size)
    code.special("activation", d.activation, names[0], names[0], code.new, d.intermediate)
    if d.gated:
        code.special("activation", "multiply", "gate", "up", code.new, d.intermediate, second="up")
    code.spill("activation", "up", size)
    product(code, layer, "down", code.coded("down", "quantize", "up", "up_codes", code.new, d.intermediate), "branch")
    residual(code, "down")


def residual(code: Code, step: str) -> None:
    """The stream and the branch that has been computed."""
    d = code.decoder
    size = code.new * d.hidden * FP16_BYTES
    code.spill(step, "branch", size)
    code.special(step, "add", "stream", "stream", code.new, d.hidden, second="branch")
    code.spill(step, "stream", size)


def product(code: Code, layer: int, name: str, source: str, target: str, rows: int = 0) -> None:
    """A product with stored weights, tile by tile."""
    cells = code.map.cells[name]
    multiply = code.multiply if rows != 1 else "MV"
    layout = "sparse" if code.design.is_sparse else "dense"
    number = code.design.engine.weight_formats.index(code.design.format_of(name))
    scales = code.scales(source, (rows or code.new) * cells.k)
    for parts, blocks in cells.tiles(multiply):
        slot = code.slot()
        address = code.map.weights(0 if name == "head" else layer, name, parts[0], blocks[0])
        code.fill(name, slot, address, len(blocks) * cells.size, len(parts), cells.row_bytes)
        k = min(cells.k, parts.stop * cells.part) - parts[0] * cells.part
        n = min(cells.n, blocks.stop * BLOCK) - blocks[0] * BLOCK
        code.engine(
            name, slot, source, target, m=rows or code.new, k=k, n=n, layout=layout, multiply=multiply, scales=scales,
            skip=parts[0] * cells.part * code.design.operand_bytes,
            target_skip=blocks[0] * BLOCK * FP16_BYTES, pitch=cells.n * FP16_BYTES,
            format=number, bias=int(name in code.decoder.biases),
            part=GOES_ON * (parts[0] > 0) + LEAVES * (parts.stop < cells.parts), cell=cells.part // BLOCK,
        )  # fmt: skip


def cached(code: Code, layer: int, head: int, heads: int, values: bool) -> int:
    """Keys or values of some heads in a slot, behind the keys their scales, if they have any."""
    d, name = code.decoder, "values" if values else "keys"
    slot = code.slot()
    size = code.length * d.head_dim * code.design.operand_bytes
    code.fill(name, slot, code.map.cache(layer, values, head), size, heads, code.map.head_bytes, cache=name)
    if code.design.quantized and not values:
        address = code.map.cache_scales(layer, values, head)
        behind, pitch = aligned(heads * size), code.map.head_scale_bytes
        code.fill(name, slot, address, code.length * FP16_BYTES, heads, pitch, behind, cache=name)
    return slot
