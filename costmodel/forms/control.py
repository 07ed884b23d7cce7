"""Forms of what is around an array: the tile controller, the buffer of results, and what fills and reads the scratchpads."""

from collections.abc import Mapping

from costmodel.forms.form import Form, Term, bits_of
from sim.accelerator.blocks import largest_counts
from sim.accelerator.depths import OPERANDS, depths, tile_rows
from sim.design import DesignPoint


def _address_bits(*names: str) -> Term:
    """Bits of a half's addresses."""
    return lambda design: sum(bits_of(getattr(depths(design), name)) for name in names)


def _half_bits(*names: str) -> Term:
    """Bits of the adders that find a word in the second half: none where halves are powers of two."""

    def bits(design: DesignPoint) -> float:
        return sum(_adder_bits(getattr(depths(design), name)) for name in names)

    return bits


def _adder_bits(depth: int) -> int:
    low = (depth & -depth).bit_length() - 1
    return 0 if depth == 1 << low else bits_of(2 * depth) - low


def _count_bits(design: DesignPoint) -> float:
    """Counts of a command, and the counters up to them."""
    return sum(bits_of(most) for most in largest_counts(design).values())


_SIZES: Mapping[str, Term] = {
    "rows": lambda design: design.rows,
    "columns": lambda design: design.columns,
    "weight address bits": _address_bits("weight"),
    "activation address bits": _address_bits("activation"),
    "result address bits": _address_bits("result"),
}

CONTROLLER = Form(
    alike=lambda design: design.dataflow,
    terms={
        "count bits": _count_bits,
        "operand address bits": _address_bits("weight", "activation"),
        "scale address bits": _address_bits("scale", "token_scale"),
        "group bits": lambda design: bits_of(design.group_size),
        "side bits": lambda design: bits_of(design.rows) + bits_of(design.columns),
        "skew": lambda design: 0 if design.double_buffered else bits_of(design.rows + design.columns),
        "cycles of delay": lambda design: design.pe_latency,
        "rows of delay": lambda design: design.rows if design.dataflow == "weight_stationary" else 0,
    },
    axes={**_SIZES, "group size": lambda design: design.group_size, "latency": lambda design: design.pe_latency},
)

RESULT_BUFFER = Form(
    alike=lambda _: "",
    terms={
        "column bits": lambda design: (design.columns - 1) * (bits_of(2 * depths(design).result) + 1),
        "address bits": _address_bits("result"),
        "half bits": _half_bits("result"),
        "row bits": lambda design: bits_of(tile_rows(design)),
        "columns": lambda design: design.columns,
    },
    axes=_SIZES,
)

SCRATCHPADS = Form(
    alike=lambda _: "",
    terms={"address bits": _address_bits(*OPERANDS), "half bits": _half_bits(*OPERANDS)},
    axes=_SIZES,
)
