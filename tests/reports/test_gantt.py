import pytest

from reports.excerpts import block_count, first_blocks, one_layer
from reports.gantt import blocks_in_time, operators_in_time
from reports.layers import TIMES


def intervals(figure):
    """By lane, (start, end) of each bar."""
    return {bar.name: [(s, s + x) for s, x in zip(bar.base, bar.x, strict=True)] for bar in figure.data}


def test_bars_of_blocks_are_the_frame(run):
    figure = blocks_in_time(run[2])
    assert intervals(figure) == {
        "load": [(0, 75), (75, 150), (150, 225)],
        "compute": [(75, 130), (150, 205)],
        "store": [(225, 230)],
    }
    assert list(figure.layout.yaxis.ticktext) == ["load", "compute", "store"]
    assert list(figure.layout.xaxis.range) == [0, 230]
    load, compute, _ = figure.data
    assert list(load.text) == ["0", "1", "2"]
    assert compute.customdata[1] == "<b>compute of block 1</b><br>from 150 to 205"
    assert len(set(load.marker.color[:2])) == 2


def test_bars_of_operators_are_the_rows_of_the_second_block(run):
    layer = one_layer(run[1])
    assert layer.caption == "model.layers.1, the second of 2 repeated blocks."
    figure = operators_in_time(layer.rows)
    assert intervals(figure) == {"array": [(380, 540), (540, 660)], "vector unit": [(350, 380), (590, 680)]}
    array, vector = figure.data
    assert (list(array.text), list(vector.text)) == (["q_proj", "scores"], ["norm", "softmax"])
    assert (
        vector.customdata[1] == "<b>model.layers.1.softmax</b><br>softmax<br>90 cycles, of which 40 waiting<br>from 590 to 680"
    )
    assert array.customdata[0] == f"<b>model.layers.1.q_proj</b><br>20{TIMES}50{TIMES}10<br>160 cycles<br>from 380 to 540"


def test_names_in_bars_are_escaped(run):
    for name in ("a<b>", "model.layers.<b>"):
        for bar in operators_in_time(run[1].head(6).assign(name=name)).data:
            assert "<b>" not in "".join(bar.text)
            assert all(hover.count("<b>") == 1 and "&lt;b&gt;" in hover for hover in bar.customdata)


def test_without_repeated_blocks_the_first_operators_are_drawn(run):
    layers = run[1].head(5)
    assert one_layer(layers).rows.equals(layers)
    assert one_layer(layers).caption == "All operators."
    many = layers.loc[layers.index.repeat(20)].assign(name="a")
    assert (len(one_layer(many).rows), one_layer(many).caption) == (40, "The first 40 of 100 operators.")


@pytest.mark.parametrize("name", ["model.layers.0.experts.1.up", "h1.up", "x.11.up", "model.1x.up"])
def test_other_numbers_in_a_name_are_not_the_blocks(run, name):
    assert one_layer(run[1].head(5).assign(name=name)).caption == "All operators."


def test_the_caption_counts_blocks_and_the_arrays_work(run):
    _, layers, blocks = run
    assert [block_count(row) for _, row in layers.iloc[[2, 3, 9]].iterrows()] == [2 * 2 * 1, 2, 4 * 1 * 2]
    assert first_blocks(blocks, layers).caption == (
        "lm_head, the product that takes longest: the first 2 of its 8 blocks of n12 m1 k25 (loops from the outermost). "
        "The array computes in 53.7 % of the cycles from the first load on."
    )
    without = first_blocks(blocks[blocks["lane"] != "store"], layers).caption
    assert without.endswith(" No store among them takes a cycle of its own.")
