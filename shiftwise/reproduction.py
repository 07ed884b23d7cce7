"""``reproduce``: a published study's figures, as published and as this simulator has them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console

from reports.flightllm import flightllm_markdown, flightllm_study, print_flightllm
from reports.mixpe_tables import mixpe_study, print_study, study_markdown
from sim.errors import choose
from sim.files import check_output, output_folder, write_whole


@dataclass(frozen=True)
class Study:
    """How a study is computed, printed and written."""

    table: Callable[[], pd.DataFrame]
    show: Callable[[Console], None]
    markdown: Callable[[], str]


STUDIES: dict[str, Study] = {
    "mixpe": Study(mixpe_study, print_study, study_markdown),
    "flightllm": Study(flightllm_study, print_flightllm, flightllm_markdown),
}


@dataclass(frozen=True)
class Reproduction:
    """A study's table, a row for each figure, and the file that it was written to."""

    table: pd.DataFrame
    csv: Path
    show: Callable[[Console], None]


def reproduce(study: str = "mixpe", out: str | Path = "build/reproduce") -> Reproduction:
    """Compute a study and write ``STUDY.csv`` and ``STUDY.md`` into ``out``.

    Raises ``InputError`` for an unknown study or a folder that cannot be written.
    """
    chosen = choose("study", study, STUDIES)
    check_output(out)
    table = chosen.table()
    folder = output_folder(out)
    write_whole(folder / f"{study}.csv", table.to_csv(index=False, lineterminator="\n"))
    write_whole(folder / f"{study}.md", chosen.markdown())
    return Reproduction(table, folder / f"{study}.csv", chosen.show)
