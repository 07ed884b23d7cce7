import pandas as pd
import pytest

from reports.layers import BLOCK_INDEX, TIMES, folded, grouped, shape_text, short_names, single, titles, told_kinds
from reports.splits import cycle_parts, largest_loss, row_cycle_parts, traffic_parts

NAMES = [
    "model.embed",
    "model.layers.*.norm",
    "model.layers.*.q_proj",
    "model.layers.*.scores",
    "model.layers.*.softmax",
    "lm_head",
]


def test_repeated_blocks_are_one_row_with_their_sums(run):
    rows = grouped(run[1])
    assert rows["name"].tolist() == NAMES
    assert rows["operators"].tolist() == [1, 2, 2, 2, 2, 1]
    assert rows["taken_cycles"].tolist() == [20, 60, 320, 240, 100, 320]  # with the waits of the array, 20 of each scores
    assert rows["stalled_cycles"].tolist() == [8, 0, 20, 60, 0, 100]
    assert rows["utilization"].tolist() == [0, 0, 0.625, pytest.approx(2 / 3), 0, 0.0625]
    assert rows["intensity"].tolist() == [0, 0, 10, 3.2, 0, pytest.approx(2 / 71)]
    assert rows["sqnr_dB"].fillna(-1).tolist() == [-1, -1, 21.5, pytest.approx(0.3), -1, float("inf")]


def test_blocks_of_other_sizes_are_rows_of_their_own(run):
    layers = run[1]
    layers.loc[layers["name"] == "model.layers.1.softmax", "vector_operations"] = 60
    layers.loc[layers["name"] == "model.layers.1.q_proj", "n"] = 12
    assert grouped(layers)["operators"].tolist() == [1, 2, 1, 2, 1, 1, 1, 1]


def test_repetitions_that_a_topology_numbers_are_one_row(run):
    """``scores_0`` and ``scores_1`` of each block, as ``write_topology`` names them; of other sizes, they stay apart."""
    array = run[1][run[1]["unit"] == "array"]
    scores = array[array["name"].str.endswith("scores")]
    twice = pd.concat([scores.assign(name=scores["name"] + f"_{i}") for i in range(2)], ignore_index=True)
    assert grouped(twice)[["name", "operators"]].to_numpy().tolist() == [["model.layers.*.scores_*", 4]]
    twice.loc[0, "n"] += 1
    assert grouped(twice)["operators"].tolist() == [1, 3]
    names = pd.DataFrame({"name": ["Conv1", "Conv2", "2_fc"]})
    assert names["name"].str.replace(BLOCK_INDEX, "*", regex=True).tolist() == ["Conv1", "Conv2", "2_fc"]


def test_every_row_and_the_whole_run_add_up(run):
    summary, layers, _ = run
    assert sum(cycle_parts(summary).values()) == summary["cycles"]
    for rows in (single(layers), grouped(layers), folded(grouped(layers), 3)):
        parts = row_cycle_parts(rows)
        assert [sum(row) for row in zip(*parts.values(), strict=True)] == rows["taken_cycles"].tolist()
    array = row_cycle_parts(single(layers[layers["unit"] == "array"]))
    sums = {part: sum(cycles) for part, cycles in array.items()}
    assert sums | {"vector unit": 120} == cycle_parts(summary)


def test_what_is_not_among_the_longest_is_one_row(run):
    rows = folded(grouped(run[1]), 4)
    assert rows["name"].tolist() == [*(NAMES[i] for i in (2, 3, 5)), "3 others"]
    assert rows["taken_cycles"].tolist() == [320, 240, 320, 180]
    assert rows["operators"].tolist() == [2, 2, 1, 5]
    assert rows["energy_J"].sum() == pytest.approx(51e-9)
    assert titles(rows, list(rows["name"]))[2:] == ["lm_head", "3 others"]
    assert len(folded(grouped(run[1]), 6)) == 6


def test_names_kinds_and_sizes(run):
    rows = grouped(run[1])
    short = short_names(list(rows["name"]))
    assert short == ["embed", "norm", "q_proj", "scores", "softmax", "lm_head"]
    assert told_kinds(rows, short)[0] == "embed (embedding)"
    assert titles(rows, short)[1] == f"norm {TIMES}2"
    texts = [shape_text(row).replace(TIMES, "x") for _, row in rows.iterrows()]
    assert texts == ["embedding", "norm", "20x50x10", "20x10x20 x2", "softmax", "1x50x40"]


def test_short_names_tell_every_name_from_the_others():
    names = ["a.*.self_attn.q_proj", "a.*.cross.q_proj", "a.*.mlp.up", "lm_head", "up", "a.*", "h.1", "a.*"]
    assert short_names(names) == ["self_attn.q_proj", "cross.q_proj", "mlp.up", "lm_head", "up", "a.*", "h.1", "a.*"]


def test_the_largest_loss_and_traffic_without_zeros(run):
    assert largest_loss(run[0]) == ("edges", 0.26)
    parts = traffic_parts(run[0]["dram_bytes_by_tensor"])
    assert list(parts) == ["weights", "activations", "keys", "results", "vector reads", "vector writes"]
    assert sum(parts.values()) == 80_400
