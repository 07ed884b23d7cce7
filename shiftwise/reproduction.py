"""``reproduce``: a published study's figures, as published and as this simulator has them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console

from reports.dfx import dfx_markdown, dfx_study, print_dfx
from reports.flightllm import flightllm_markdown, flightllm_study, print_flightllm
from reports.fpl2024 import fpl_markdown, fpl_study, print_fpl, read_comparison
from reports.mixpe_tables import mixpe_study, print_study, study_markdown
from sim.errors import choose
from sim.files import check_output, output_folder, write_whole


@dataclass(frozen=True)
class Study:
    """How a study is computed, printed and written."""

    table: Callable[[], pd.DataFrame]
    show: Callable[[Console], None]
    markdown: Callable[[], str]


def _of_comparison(folder: Path) -> Study:
    comparison = read_comparison(folder)
    return Study(partial(fpl_study, comparison), partial(print_fpl, comparison=comparison), partial(fpl_markdown, comparison))


STUDIES: dict[str, Callable[[Path], Study]] = {
    "mixpe": lambda _: Study(mixpe_study, print_study, study_markdown),
    "flightllm": lambda _: Study(flightllm_study, print_flightllm, flightllm_markdown),
    "dfx": lambda _: Study(dfx_study, print_dfx, dfx_markdown),
    "fpl2024": _of_comparison,
}
"""From the folder of a comparison, which some studies need, to the study."""


@dataclass(frozen=True)
class Reproduction:
    """A study's table, a row for each figure, and the file that it was written to."""

    table: pd.DataFrame
    csv: Path
    show: Callable[[Console], None]


def reproduce(
    study: str = "mixpe", out: str | Path = "build/reproduce", comparison: str | Path = "build/compare"
) -> Reproduction:
    """Compute a study and write ``STUDY.csv`` and ``STUDY.md`` into ``out``.

    ``comparison`` is the folder of :func:`shiftwise.compare` whose table ``fpl2024`` is about. Raises ``InputError`` for an
    unknown study, a folder that cannot be written, or no such table.
    """
    chosen = choose("study", study, STUDIES)(Path(comparison))
    check_output(out)
    table = chosen.table()
    folder = output_folder(out)
    write_whole(folder / f"{study}.csv", table.to_csv(index=False, lineterminator="\n"))
    write_whole(folder / f"{study}.md", chosen.markdown())
    return Reproduction(table, folder / f"{study}.csv", chosen.show)
