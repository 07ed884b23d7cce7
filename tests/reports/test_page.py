import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from reports.layers import TIMES
from reports.page import render
from reports.words import counted, sentence

EVIL = "<script>alert(1)</script>"
PLACES = [
    "area",
    "blocks-in-time",
    "cycles-per-layer",
    "dram-sweep",
    "energy-per-layer",
    "fpga",
    "layer-in-time",
    "roofline",
]


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

    @property
    def places(self):
        return sorted(attributes["id"] for _, attributes in self.tags if attributes.get("class") == "plot")

    @property
    def words(self):
        return " ".join("".join(self.text).split())


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
    assert document.places == sorted(document.figures) == PLACES


def test_what_has_nothing_to_show_has_no_place(run):
    summary, layers, blocks = run
    vector = layers[layers["unit"] == "vector"]
    document = Document(render(summary | {"macs": 0, "area": None}, vector, blocks.head(0)))
    absent = ("area", "blocks-in-time", "roofline")
    assert document.places == sorted(document.figures) == [place for place in PLACES if place not in absent]


def test_names_from_a_user_are_escaped(run):
    summary, layers, blocks = run
    layers["name"] = layers["name"].str.replace("layers", EVIL).replace("lm_head", EVIL)
    evil = {
        "design": EVIL,
        "model": EVIL,
        "area": None,
        "fpga": None,
        "sources": {EVIL: EVIL},
        "uncounted_operations": [EVIL],
    }
    fields = summary["design_fields"] | {"name": EVIL}
    page = render(summary | evil | {"design_fields": fields}, layers, blocks.assign(product=EVIL))
    document = Document(page)
    assert "alert(1)</script>" not in page
    assert len(document.scripts) == 3
    labels = {place: json.dumps(figure) for place, figure in document.figures.items()}
    assert not any(EVIL in text for text in labels.values())
    named = [place for place, text in labels.items() if "&lt;script&gt;alert(1)&lt;/script&gt;" in text]
    assert sorted(named) == ["cycles-per-layer", "energy-per-layer", "layer-in-time", "roofline"]
    for words in (
        f"{EVIL}, the product that takes longest",
        f"model.{EVIL}.1, the second of 2 repeated blocks.",
        f"taken as one for each number: {EVIL}.",
        f"model.{EVIL}.0.q_proj",
    ):
        assert words in document.words


def test_an_area_that_is_not_there_says_how_to_get_it(run):
    summary, *frames = run
    sources = {"area on sky130": "run `shiftwise synth`", "area on xcup": "PE kinds with hardware are shift_add, not mixed"}
    text = Document(render(summary | {"area": None, "fpga": None, "sources": sources}, *frames)).words
    assert "not measured: run `shiftwise synth`" in text
    assert "not measured: PE kinds with hardware are shift_add, not mixed" in text


def test_an_estimate_shows_its_spread(run):
    summary, *frames = run
    assert "estimate's spread" not in Document(render(*run)).words
    text = Document(render(summary | {"energy_range_J": [40e-9, 70e-9]}, *frames)).words
    assert "40.0 nJ to 70.0 nJ with the estimate's spread." in text


def test_a_density_that_is_not_known(run):
    summary, *frames = run
    assert "n/a TOPS/mm²" in Document(render(summary | {"tops_per_mm2": None, "area_mm2": None}, *frames)).words


def test_the_sentence_says_what_ran_and_what_came_out(run, shapes_run):
    summary = run[0]
    assert sentence(summary) == (
        "by-hand runs typed-in, prefill of 20 tokens, in 2.00 µs at 10,000,000 tokens/s; "
        "bits per byte 1.60\N{NO-BREAK SPACE}\N{RIGHTWARDS ARROW}\N{NO-BREAK SPACE}1.64."
    )
    decode = summary | {"phase": "decode", "batch": 8}
    assert ", the decode step that completes 8 sequences of 20 tokens, in " in sentence(decode)
    assert sentence(shapes_run[0]).endswith(" in 2.00 µs at 10,000,000 tokens/s.")
    assert "prefill of 1 token, " in sentence(summary | {"sequence": 1})


def test_a_topology_is_told_in_passes(run):
    summary, layers, blocks = run
    bare = summary | {"accuracy": None, "parameters": None, "tokens": None, "tokens_per_s": None, "energy_per_token_J": None}
    assert sentence(bare) == "by-hand runs typed-in, one pass of its layers, in 2.00 µs at 500,000 passes/s."
    shown = tiles(render(bare, layers, blocks))
    assert (shown["Throughput"], shown["Energy per pass"]) == ("500,000 passes/s", "51.0 nJ")


TILES = {
    "Throughput": "10,000,000 tokens/s",
    "Time": "2.00 µs",
    "Utilization": "38.0 %",
    "Energy per token": "2.55 nJ",
    "Power": "25.5 mW",
    "Efficiency": "1.49 TOPS/W",
    "Density": "0.0380 TOPS/mm²",
    "DRAM traffic": "80.4 kB",
    "Area": "1.00 mm²",
}


def tiles(page):
    return dict(re.findall(r'<dt>(.*?)</dt><dd class="figure">(.*?)</dd>', page))


def test_tiles_show_the_key_figures(page):
    assert tiles(page) == TILES | {"Bits per byte": "1.64"}
    assert f"10 {TIMES} 10 PEs; largest loss: edges 26.0\N{NO-BREAK SPACE}%" in page
    assert "0.473 MAC per byte" in page
    assert "-bound" not in page.partition("<script>")[0]


def test_shapes_alone_have_no_accuracy_anywhere(shapes_run):
    page = render(*shapes_run)
    assert tiles(page) == TILES
    text = Document(page).words
    assert not any(word in text for word in ("SQNR", "Accuracy", "its per byte", "nan", "None"))
    sized = shapes_run[0] | {"parameters": 6_740_000_000}
    assert tiles(render(sized, *shapes_run[1:])) == TILES | {"Parameters": "6.74 billion"}
    assert [counted(n) for n in (999_999, 3_754_752, 10**12)] == ["999,999", "3.75 million", "1.00 trillion"]


def test_layers_that_are_not_calibrated_are_told(run):
    summary, layers, blocks = run
    assert "recipe gptq KV cache" in Document(render(summary, layers, blocks)).words
    left_out = summary["accuracy"] | {"uncalibrated": ["a.experts.down_proj.3", "a.experts.gate_up_proj.3"]}
    text = Document(render(summary | {"accuracy": left_out}, layers, blocks)).words
    assert "recipe gptq; 2 layers that no calibration token reached are rounded to nearest KV cache" in text


def test_parts_of_cycles_and_bytes_are_written_out(page):
    text = Document(page).words
    for words in (
        "ideal 38.0 % 380 cycles edges 26.0 % 260 cycles array fill 6.0 % 60 cycles memory stall 18.0 % 180 cycles",
        "vector unit 12.0 % 120 cycles",
        "PE 11.8 % 6.00 nJ vector unit 5.9 % 3.00 nJ",
        "weights 87.1 % 70.0 kB activations 3.7 % 3.00 kB keys 3.7 % 3.00 kB results 2.5 % 2.00 kB vector reads 1.9 %",
        "output 37.1 % 4.96 kB weight 34.4 % 4.60 kB activation 28.4 % 3.80 kB",
        "0.473 MAC for each byte of DRAM traffic; the DRAM is busy in 39.4 % of the cycles.",
    ):
        assert words in text


def table_rows(page):
    """Cells of each table of operators' rows, by table."""
    tables = re.findall(r'<table class="sortable">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    return [[re.findall(r"<td.*?>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body)] for body in tables]


def test_the_table_of_operators(page):
    page = page.replace(TIMES, "x")
    heads = re.findall(r'<button type="button">(.*?)</button>', page)
    assert heads[:15] == [
        *("operator", "mxkxn", "cycles", "util.", "edges", "fill", "stall", "bound"),
        *("logic [nJ]", "SRAM", "DRAM", "traffic [kB]", "MAC/B", "SQNR", "blocking"),
    ]
    grouped, single = table_rows(page)
    assert grouped[2] == [
        *("q_proj x2", "20x50x10", "320", "62.5", "25.0", "6.2", "6.2", "compute"),
        *("2.0", "4.0", "10.0", "2.0", "10.0", "21.5", "m10 k25 n10"),
    ]
    assert grouped[4] == [
        *("softmax x2", "softmax", "100", "", "", "", "0.0", "compute", "2.0", "0.0", "4.0", "1.6", "", "", ""),
    ]
    assert [row[0] for row in single[:3]] == ["model.embed", "model.layers.0.norm", "model.layers.0.q_proj"]
    assert len(single) == 10


def test_overflows_have_a_column_where_there_are_any(run):
    summary, layers, blocks = run
    overflows = layers["name"].map({"model.layers.0.q_proj": 1200, "model.layers.1.q_proj": 34})
    page = render(summary, layers.assign(overflows=overflows), blocks)
    assert re.findall(r'<button type="button">(.*?)</button>', page)[13:16] == ["SQNR", "overflows", "blocking"]
    grouped, single = table_rows(page)
    assert [row[-2] for row in grouped if row[-2]] == ["1,234"]
    assert [row[-2] for row in single if row[-2]] == ["1,200", "34"]


def test_a_run_of_2000_operators_is_a_small_page(run):
    summary, layers, blocks = run
    many = pd.concat([layers] * 200, ignore_index=True)
    many["name"] = [f"model.part{index}.with_a_long_name.proj" for index in range(2000)]
    page = render(summary, many, blocks)
    assert len(page.encode()) < 8e6
    grouped, *single = table_rows(page)
    assert (len(grouped), single) == (400, [])
    assert grouped[-1][0] == "1,601 others"
    text = Document(page).words
    assert "The 2,000 operators one by one are in layers.csv alone." in text
    bars = Document(page).figures["cycles-per-layer"]["layout"]["yaxis"]["ticktext"]
    assert (len(bars), bars[-1]) == (40, "1,961 others")
