"""The overlay's instruction set: units, opcodes, and the fields of each instruction with their widths.

An instruction goes to one unit, whose queue is in order. ``wait`` names units from which it takes one token each before it
begins, ``signal`` those to which it gives one each when it has ended; tokens from one unit to another are taken in the
order in which they were given (the decoupled access-execute of VTA, Moreau et al., IEEE Micro 39(5), 2019). Addresses and
sizes are in bytes but where a field says otherwise. Numbers are unsigned and little-endian. A program is given two numbers
when it is started: the ``position`` of the first new token, and how many of its new tokens there are, ``tokens``; rows behind
them are computed and of no account.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

UNITS: Final = ("load", "store", "engine", "special", "system")
"""Units by number, which is also their bit in ``wait`` and ``signal``."""

MOST_TOKENS: Final = 255
"""Of one unit for another: a count of 8 bits in the dispatcher."""

INSTRUCTION_BITS: Final = 256
"""One word of an AXI port of HBM, so that an instruction a cycle can be fetched."""

BUFFERS: Final = ("weight", "activation")
"""Buffers on the chip by number."""

GOES_ON, LEAVES = 1, 2
"""Bits of ``part``: a tile adds to the fp32 sums that the engine holds, and leaves its own there instead of results."""

ADDRESS_BITS: Final = 27
"""[bit] In a buffer: 128 MiB are more than FPGAs have."""

LAYOUTS: Final = ("dense", "sparse", "keys", "values")
"""What a tile of weights is: cells ``[parts, columns / 16]`` of a matrix with or without N:M sparsity
(:mod:`sim.overlay.cells`), or heads of the KV cache in int8: ``keys [heads, n, k]`` and at the next word their scales
``[heads, n]`` in fp16, or ``values [heads, k, n]``, whose scales are in the activations already. Results are
``[tokens, heads, group, n]``, of ``keys`` ``[heads, tokens, group, n]``, with ``pitch`` from token to token. ``values`` are
multiplied by the powers of two that :data:`SPECIAL`'s ``quantize_folded`` left. A product's arithmetic is that of
:func:`sim.kernels.product.matrix_product`; a bias is added in fp32, and results are rounded to fp16."""

SPECIAL: Final = (
    "quantize",
    "quantize_heads",
    "quantize_folded",
    "rms_norm",
    "layer_norm",
    "softmax",
    "silu",
    "gelu",
    "gelu_tanh",
    "relu",
    "rotary",
    "add",
    "multiply",
)
"""Operations of the special-function unit by number (:mod:`sim.overlay.special`). Rows of ``length`` numbers of fp16 come
``pitch`` apart and leave one behind the other. What follows something, "behind" it, begins at the next word of 32 bytes.

| operation | rows | ``second`` |
|---|---|---|
| ``quantize`` | ``[rows]``; leave as codes, behind them fp16 scales | |
| ``quantize_heads`` | tokens ``[rows, heads, group]``; leave as ``[heads, rows, group]``, codes and behind them scales | |
| ``quantize_folded`` | ``[heads, rows, group]``; leave as codes, scales, powers of two in fp32 | factors ``[heads, length]`` |
| ``softmax`` | ``[heads, rows, group]``; token ``i`` sees the numbers up to its position, ``position + i`` | |
| ``rms_norm``, ``layer_norm`` | ``[rows]`` | weights, behind them biases of ``layer_norm`` |
| ``rotary`` | tokens ``[rows, heads]`` | cosines, then sines of each token ``[rows, length]`` |
| ``add``, ``multiply`` | ``[rows]`` | ``[rows, length]`` |
| others | ``[rows]`` | |
"""

SYSTEM: Final = ("end", "barrier")
"""``end``, the last one: everything before has ended and the program too. ``barrier``: nothing behind begins before."""


@dataclass(frozen=True)
class Field:
    """A number of an instruction: ``bits`` wide, and what it says."""

    name: str
    bits: int
    meaning: str


HEADER: Final = (
    Field("opcode", 4, "what is done, and so by which unit"),
    Field("wait", 5, "units of which a token is taken before"),
    Field("signal", 5, "units to which a token is given after"),
)

_TRANSFER = (
    Field("buffer", 2, "number of the buffer"),
    Field("address", ADDRESS_BITS, "in the buffer"),
    Field("memory", 40, "address of the first run in the memory"),
    Field("size", 28, "of a run"),
    Field("runs", 16, "how many, one after the other in the buffer"),
    Field("pitch", 32, "from one run to the next in the memory"),
    Field("indexed", 32, "times the position, added to the memory's address"),
)

_PRODUCT = (
    Field("weights", ADDRESS_BITS, "of the tile in the weight buffer"),
    Field("source", ADDRESS_BITS, "of the activations [heads, m, k] in the activation buffer, int8 codes or fp16"),
    Field("scales", ADDRESS_BITS, "of their rows in the activation buffer, fp16 [heads, m]"),
    Field("target", ADDRESS_BITS, "of the results in the activation buffer, fp16"),
    Field("m", 14, "rows of activations of a head"),
    Field("k", 18, "of the reduction"),
    Field("n", 18, "columns of the tile of a head"),
    Field("heads", 8, "products side by side, each with operands of its own"),
    Field("pitch", 24, "from the results of one token to those of the next"),
    Field("group", 8, "rows of a token, whose results lie one behind the other"),
    Field("format", 6, "number of the weights' format in the design"),
    Field("layout", 2, "number of the layout"),
    Field("cycles", 20, "of one pass of tokens through the tile, of the vector unit with most to do"),
    Field("part", 2, "bit 0: goes on with held sums; bit 1: leaves its sums"),
    Field("bias", 1, "whether cells have biases, which are added"),
    Field("cell", 13, "k of a cell, of which parts of the tile are made, in blocks of 16"),
)

FIELDS: Final = MappingProxyType(
    {
        "SYS": (Field("operation", 4, "number of what is done"),),
        "LD": _TRANSFER,
        "ST": _TRANSFER,
        "MM": _PRODUCT,
        "MV": _PRODUCT,
        "MISC": (
            Field("operation", 6, "number of the operation"),
            Field("source", ADDRESS_BITS, "first operand in the activation buffer"),
            Field("second", ADDRESS_BITS, "second operand, or the operation's table"),
            Field("target", ADDRESS_BITS, "of the results in the activation buffer"),
            Field("rows", 16, "how many; of what has heads, tokens"),
            Field("length", 20, "numbers of a row; of what has heads, of one of them"),
            Field("pitch", 24, "from one row or token of the source to the next"),
            Field("heads", 10, "of a token; of queries those of keys"),
            Field("group", 8, "rows of a token and head: queries that share a head of keys"),
            Field("last", 1, "whether the first row is that of the last new token that there is"),
            Field("scalar", 32, "a number in fp32 bits: factor of scores, epsilon of a norm"),
        ),
    }
)
"""Fields of each instruction behind :data:`HEADER`, in order from the lowest bit."""

OPCODES: Final = MappingProxyType({name: number for number, name in enumerate(FIELDS)})

UNIT_OF: Final = MappingProxyType(
    {"SYS": "system", "LD": "load", "ST": "store", "MM": "engine", "MV": "engine", "MISC": "special"}
)
"""The unit that an instruction goes to."""


COLUMNS: Final = len(HEADER) + max(map(len, FIELDS.values()))
"""Numbers of an instruction, those that it has not being zero."""
