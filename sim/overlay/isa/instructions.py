"""The overlay's instruction set: units, opcodes, and the fields of each instruction with their widths.

An instruction goes to one unit, whose queue is in order. ``wait`` names units from which it takes one token each before it
begins, ``signal`` those to which it gives one each when it has ended; tokens from one unit to another are taken in the
order in which they were given (the decoupled access-execute of VTA, Moreau et al., IEEE Micro 39(5), 2019). Addresses and
sizes are in bytes but where a field says otherwise. Numbers are unsigned.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

UNITS: Final = ("load", "store", "engine", "special", "system")
"""Units by number, which is also their bit in ``wait`` and ``signal``."""

INSTRUCTION_BITS: Final = 256
"""One word of an AXI port of HBM, so that an instruction a cycle can be fetched."""

BUFFERS: Final = ("weight", "activation")
"""Buffers on the chip by number."""

LAYOUTS: Final = ("dense", "sparse", "keys", "values")
"""What a tile of weights is: cells of a matrix with or without N:M sparsity, or heads of the KV cache. Results with ``keys``
are ``[heads, tokens, group, n]``, others ``[tokens, heads, group, n]`` with ``pitch`` from token to token."""

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
"""Operations of the special-function unit by number (:mod:`sim.overlay.special`). ``quantize`` makes codes ``[rows, length]``
and behind them a scale for each row. ``quantize_heads`` takes ``[tokens, heads, group, length]`` and makes codes
``[heads, tokens, group, length]`` and so many scales. ``quantize_folded`` multiplies probabilities by the scales of cached
values first, and leaves powers of two in fp32 behind the scales. A softmax counts the numbers up to its token's position."""

SYSTEM: Final = ("end", "barrier")
"""``end``: everything before has ended and the program too. ``barrier``: nothing behind begins before."""


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
    Field("address", 28, "in the buffer"),
    Field("memory", 40, "address of the first run in the memory"),
    Field("size", 28, "of a run"),
    Field("runs", 16, "how many, one after the other in the buffer"),
    Field("pitch", 32, "from one run to the next in the memory"),
    Field("indexed", 32, "times the position of the first new token, added to the memory's address"),
)

_PRODUCT = (
    Field("weights", 28, "of the tile in the weight buffer"),
    Field("source", 28, "of the codes [heads, m, k] in the activation buffer"),
    Field("scales", 28, "of their rows in the activation buffer, fp16 [heads, m]"),
    Field("target", 28, "of the results in the activation buffer, fp16"),
    Field("m", 14, "rows of activations of a head"),
    Field("k", 20, "of the reduction"),
    Field("n", 18, "columns of the tile of a head"),
    Field("heads", 10, "products side by side, each with operands of its own"),
    Field("pitch", 24, "from the results of one token to those of the next"),
    Field("group", 8, "rows of a token, whose results lie one behind the other"),
    Field("format", 6, "number of the weights' format in the design"),
    Field("layout", 2, "number of the layout"),
    Field("cycles", 20, "of one pass of tokens through the tile, of the vector unit with most to do"),
    Field("part", 2, "bit 0: goes on with the sums that the engine holds; bit 1: leaves its sums in the engine"),
    Field("bias", 1, "whether fp16 biases of the columns lie behind the tile"),
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
            Field("source", 28, "first operand in the activation buffer"),
            Field("second", 28, "second operand, or the operation's table"),
            Field("target", 28, "of the results in the activation buffer"),
            Field("rows", 16, "how many; of quantize_heads, rotary and softmax tokens"),
            Field("length", 20, "numbers of a row; of quantize_heads and rotary those of a head"),
            Field("pitch", 24, "from one row of the source to the next"),
            Field("heads", 10, "of a token in quantize_heads and rotary; of a softmax those of keys"),
            Field("group", 8, "rows of a token and head: queries that share a head of keys"),
            Field("last", 1, "whether the first row is that of the last new token"),
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
