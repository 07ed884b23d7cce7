"""The overlay's instruction set as a table for its page."""

from itertools import accumulate

from reports.tables import markdown_table
from sim.overlay.isa import FIELDS, HEADER, OPCODES, UNIT_OF


def instruction_table() -> str:
    """A row for each field of each instruction: its bits and what it says."""
    rows = []
    for opcode, number in OPCODES.items():
        fields = HEADER + FIELDS[opcode]
        lows = accumulate((field.bits for field in fields), initial=0)
        for field, low in zip(fields, lows, strict=False):
            if field in HEADER and number:
                continue
            name = "all" if field in HEADER else opcode
            unit = "" if field in HEADER else UNIT_OF[opcode]
            rows.append([name, unit, f"`{field.name}`", f"{low} to {low + field.bits - 1}", field.meaning])
    return markdown_table(["instruction", "unit", "field", "bits", "what it says"], rows)
