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
"""What a tile of weights is: of a matrix with or without N:M sparsity, or of the KV cache."""

SPECIAL: Final = (
    "quantize",
    "fold_quantize",
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
    "cache",
)
"""Operations of the special-function unit by number (:mod:`sim.overlay.special`). ``fold_quantize`` multiplies by the scales
of cached values first, ``cache`` quantizes each head of keys or values by itself, as the KV cache keeps them."""

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
    Field("source", 28, "of the codes in the activation buffer, a scale of fp16 for each row behind them"),
    Field("target", 28, "of the results in the activation buffer, fp16"),
    Field("m", 14, "rows of activations"),
    Field("k", 20, "of the reduction"),
    Field("n", 18, "columns of the tile"),
    Field("pitch", 24, "from one row of results to the next"),
    Field("format", 6, "number of the weights' format in the design"),
    Field("layout", 2, "number of the layout"),
    Field("kept", 12, "of a sparse tile: sum of kept of 16 over columns of blocks, in mean times 256"),
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
            Field("rows", 16, "how many"),
            Field("length", 20, "numbers of a row"),
            Field("pitch", 24, "from one row of the source to the next"),
            Field("scalar", 16, "a number in fp16 bits: factor of scores, epsilon of a norm"),
            Field("valid", 20, "of a softmax: how many numbers of the first new token's row count, less its position"),
            Field("group", 12, "rows that share a token: heads of queries beside each other"),
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
