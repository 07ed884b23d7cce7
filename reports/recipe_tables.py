"""What was found of recipes: a file that grows with it, and tables in a page of the documentation."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.files import write_whole

MISSING = "-"

HEADER = ("recipe", "format", "bits_per_byte", "bits")


@dataclass(frozen=True)
class Found:
    """Bits per byte, and the storage [bit] of a weight or a cached number; ``None`` where recipe and format do not go."""

    bits_per_byte: float | None
    bits: float | None


Findings = Mapping[tuple[str, str], Found]
"""By recipe and format; ``("float", "")`` is the float model."""


def found_so_far(file: Path) -> dict[tuple[str, str], Found]:
    """What is in a file, nothing if there is none."""
    if not file.is_file():
        return {}
    with file.open() as lines:
        rows = list(csv.DictReader(lines))
    numbers = ((float(row[name]) if row[name] else None for name in HEADER[2:]) for row in rows)
    return {(row["recipe"], row["format"]): Found(*found) for row, found in zip(rows, numbers, strict=True)}


def keep(file: Path, findings: Findings) -> None:
    """Write all of it."""
    rows = [
        ",".join([*key, *("" if number is None else str(number) for number in (found.bits_per_byte, found.bits))])
        for key, found in findings.items()
    ]
    write_whole(file, "\n".join([",".join(HEADER), *rows]) + "\n")


def table(found: Findings, recipes: Sequence[str], columns: Sequence[str]) -> str:
    """A Markdown table: the loss against float [%], and the storage of the first recipe."""
    exact = found["float", ""].bits_per_byte
    assert exact is not None
    lines = [["recipe", *columns], ["---"] * (len(columns) + 1)]
    for recipe in recipes:
        values = (found[recipe, column].bits_per_byte for column in columns)
        lines.append([f"`{recipe}`", *(MISSING if v is None else f"{100 * (v / exact - 1):+.2f}" for v in values)])
    bits = [found[recipes[0], column].bits for column in columns]
    lines.append([f"bits, `{recipes[0]}`", *("" if b is None else f"{b:.2f}" for b in bits)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(page: str, texts: Mapping[str, str]) -> str:
    """The page with each text between the two comments of its name."""
    for name, text in texts.items():
        before, _, rest = page.partition(f"<!-- {name} -->")
        _, _, after = rest.partition(f"<!-- /{name} -->")
        space = "\n\n" if text.startswith("|") else ""
        page = f"{before}<!-- {name} -->{space}{text}{space}<!-- /{name} -->{after}"
    return page
