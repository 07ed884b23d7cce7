"""The fields of an overlay's design file as a table for its page."""

from dataclasses import MISSING, fields

from reports.tables import markdown_table
from sim.overlay.design import OverlayDesign

MEANINGS = {
    "device": "board, a device of `shiftwise list`",
    "clock_mhz": "clock [MHz]",
    "units": "units of the matrix engine",
    "vector_units": "vector units of each unit",
    "chain": "groups of two multipliers of each vector unit",
    "element": "`dsp`, `shift_add` or `fp16_tree`",
    "sparse": "whether multiplexers select activations for the weights that are kept",
    "weight_format": "format of the weights",
    "formats": "table of products whose weights have another format",
    "kept": "of 16 weights; with `per_block` the mean, 1 to 8",
    "per_block": "whether each 16 x 16 block has its own N",
    "group_size": "numbers along `k` that share a scale",
    "slots": "tiles of the weight buffer",
    "slot_kib": "of a tile [KiB]",
    "activation_buffer_kib": "activation buffer [KiB]",
    "special_lanes": "numbers a cycle of the special-function unit",
    "memory": "kind of memory off the chip",
    "channels": "its channels",
    "ports": "ports to it",
    "port_bits": "of each port [bit/cycle]",
    "memory_gib": "its capacity [GiB]",
    "queue": "instructions that wait before each unit",
    "on_chip": "whether results between products stay in the activation buffer",
    "decode_step": "lengths that share code in decode [token]",
    "prefill_step": "tokens of a pass in prefill, whose multiples share code",
}
"""By the name of a field; a file's ``name`` is that of the file where it has none."""


def fields_table() -> str:
    """A row for each field with a default."""
    known = {field.name: field.default for field in fields(OverlayDesign) if field.default is not MISSING}
    return markdown_table(
        ["field", "default", "what it says"],
        [[f"`{name}`", _written(default), MEANINGS[name]] for name, default in known.items()],
    )


def _written(default: object) -> str:
    """As a TOML file has it."""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return "`{}`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"
