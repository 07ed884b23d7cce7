import json
import re
from html.parser import HTMLParser

import pytest

from reports.page import render, sentence

EVIL = "<script>alert(1)</script>"


class Document(HTMLParser):
    """Start tags with their attributes, text outside scripts, and each script's text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.scripts = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        else:
            self.text.append(data)

    @property
    def figures(self):
        return json.loads(self.scripts[[dict(a).get("id") for t, a in self.tags if t == "script"].index("figures")])


@pytest.fixture
def page(run):
    return render(*run)


def test_nothing_is_loaded_from_elsewhere(page):
    document = Document(page)
    loaded = [
        value for _, attributes in document.tags for name, value in attributes.items() if name in ("src", "href", "srcset")
    ]
    assert loaded == ["data:,"]
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL)[:1])
    assert "url(" not in styles and "@import" not in styles


def test_every_figure_has_its_place(page):
    document = Document(page)
    places = [attributes["id"] for _, attributes in document.tags if attributes.get("class") == "plot"]
    assert sorted(places) == sorted(document.figures)
    assert sorted(places) == ["area", "cycles-per-layer", "dram-sweep", "energy-per-layer", "fpga", "roofline"]


def test_names_from_a_user_are_escaped(run):
    summary, layers = run
    layers.loc[0, "name"] = layers.loc[2, "name"] = EVIL
    evil = {"design": EVIL, "model": EVIL, "area": None, "fpga": None, "sources": {EVIL: EVIL}}
    fields = summary["design_fields"] | {"name": EVIL}
    page = render(summary | evil | {"design_fields": fields}, layers)
    document = Document(page)
    assert "alert(1)</script>" not in page
    assert len(document.scripts) == len(Document(render(*run)).scripts) == 3
    labels = json.dumps(document.figures)
    assert EVIL not in labels and "&lt;script&gt;alert(1)&lt;/script&gt;" in labels
    assert EVIL in "".join(document.text)


def test_an_area_that_is_not_there_says_how_to_get_it(run):
    summary, layers = run
    sources = {"area on sky130hd": "run `shiftwise synth`", "area on xcup": "PE kinds with hardware are shift_add, not mixed"}
    text = "".join(Document(render(summary | {"area": None, "fpga": None, "sources": sources}, layers)).text)
    assert "not measured: run `shiftwise synth`" in text
    assert "not measured: PE kinds with hardware are shift_add, not mixed" in text


def test_the_sentence_says_what_ran_and_what_came_out(run):
    summary, _ = run
    assert sentence(summary) == (
        "by-hand runs typed-in, prefill of 20 tokens, in 2.00 µs at 10,000,000 tokens/s; "
        "bits per byte 1.60\N{NO-BREAK SPACE}\N{RIGHTWARDS ARROW}\N{NO-BREAK SPACE}1.64."
    )
    decode = summary | {"phase": "decode", "batch": 8}
    assert ", the decode step that completes 8 sequences of 20 tokens, in " in sentence(decode)


def test_tiles_show_the_key_figures(page):
    tiles = re.findall(r'<dt>(.*?)</dt><dd class="figure">(.*?)</dd>', page)
    assert dict(tiles) == {
        "Throughput": "10,000,000 tokens/s",
        "Time": "2.00 µs",
        "Utilization": "30.0 %",
        "Energy per token": "1.80 nJ",
        "Power": "18.0 mW",
        "DRAM traffic": "74.9 kB",
        "Area": "1.00 mm²",
        "Bits per byte": "1.64",
    }
