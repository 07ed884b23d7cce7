"""The documentation: its Python blocks run as they are, its site builds without a warning, and what it names is there.

Lines of files that a page shows, which do not run by themselves, are blocks of ``py``.
"""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import shiftwise
from reports.bursts import burst_table
from reports.dfx import dfx_markdown
from reports.flightllm import flightllm_markdown
from reports.instructions import instruction_table
from reports.mixpe_tables import study_markdown
from reports.overlay_fields import fields_table

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
RUN = [page for page in PAGES if "\n```python\n" in page.read_text()]
WITHOUT_CODE = {"index.md", "limits.md"}

FOLDERS = "benchmarks|costmodel|docs|hdl|reports|shiftwise|sim|tests|workloads"
MADE_BY_THE_READER = {
    *("sim/pe/booth.py", "hdl/pe/booth.py"),
    "workloads/recipes/chosen.py",
}

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""What a browser fetches by itself, and the attribute that says from where."""


def test_every_page_of_what_is_computed_has_code() -> None:
    assert {page.name for page in DOCS.glob("*.md")} - {page.name for page in RUN} == WITHOUT_CODE


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_python_blocks_run(
    page: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other on each page, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE):
        exec(compile(block, page.name, "exec"), names)
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = set(re.findall(rf"`((?:{FOLDERS})/[\w./-]+\.\w+)`", page.read_text()))
    assert {path for path in named if not (ROOT / path).exists()} <= MADE_BY_THE_READER


def test_studies_are_shown_as_they_are_computed() -> None:
    page = (DOCS / "reproductions.md").read_text()
    assert study_markdown().strip() in page
    assert flightllm_markdown() in page
    assert dfx_markdown() in page


def test_instructions_bursts_and_fields_are_shown_as_they_are() -> None:
    page = (DOCS / "overlay.md").read_text()
    assert instruction_table() in page
    assert burst_table().strip() in page
    assert fields_table() in page


class Page(HTMLParser):
    """Anchors, links and what is loaded of a page."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.objects: list[str] = []
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids |= {found["id"]} if "id" in found else set()
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in LOADED and LOADED[tag] in found and found.get("rel") not in ("next", "prev", "canonical"):
            self.loaded.append(found[LOADED[tag]])
        if "doc-object" in found.get("class", ""):
            self.objects.append(found["class"])


Site = dict[Path, Page]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Every page of the site by its file; built as ``make docs`` does, where a warning is an error."""
    folder = tmp_path_factory.mktemp("site").resolve()
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return {file: Page(file) for file in folder.rglob("*.html") if file.name != "404.html"}


def test_links_lead_to_pages_and_anchors(site: Site) -> None:
    assert len(site) == len(PAGES)
    for file, page in site.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            assert target.is_file(), (file.name, link)
            if parts.fragment and target in site:
                assert unquote(parts.fragment) in site[target].ids | {"__skip"}, (file.name, link)


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    assert [source for page in site.values() for source in page.loaded if urlsplit(source).scheme not in ("", "data")] == []
    assert [source for page in site.values() for source in page.loaded if source.startswith("//")] == []


def test_the_reference_has_every_public_name(site: Site) -> None:
    pages = [page for file, page in site.items() if file.parent.name == "reference"]
    anchors = {anchor for page in pages for anchor in page.ids}
    assert set(shiftwise.__all__) <= {anchor.rpartition(".")[2] for anchor in anchors}
    assert not [kind for page in pages for kind in page.objects if "doc-module" in kind], "a module in the place of its name"
