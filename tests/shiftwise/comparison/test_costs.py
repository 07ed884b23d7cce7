"""Costs of a point against the rows that were measured and a schedule of its own."""

from dataclasses import replace

import pandas as pd
import pytest

from costmodel.area import array_area
from costmodel.components import components_of
from costmodel.measured import read_measured
from shiftwise.comparison.costs import Priced, costs_of, largest_side
from shiftwise.comparison.points import BASE, points
from sim.design import DesignPoint
from workloads.shapes import shapes


def row_of(design: DesignPoint, component: str, target: str) -> dict[str, float]:
    """The one row of the file whose fields are the design's."""
    rows = [
        row
        for row in read_measured()
        if (row.component, row.area.target) == (component, target)
        and all(str(getattr(design, name)) == value for name, value in row.fields.items())
    ]
    assert len(rows) == 1
    return dict(rows[0].area.numbers)


def test_figures_of_a_mac_are_the_measured_rows() -> None:
    point = next(point for point in points(BASE, ["equal"]) if point.name == "e2m1 x e2m1")
    found = costs_of(Priced(point.design, BASE, "xcup", "tiny-stdlib", 64))
    assert found["luts_per_mac"] == row_of(point.design, "pe", "xcup")["lut_sites"]
    of_silicon = row_of(point.design, "pe", "sky130")
    assert (found["um2_per_mac"], found["energy_per_mac_fj"]) == (of_silicon["area_um2"], of_silicon["energy_traced_fj"])
    # 4 x 128 bits of codes and 16 of a scale; products up to 12 x 12 in steps of 1/4: 128 of them need 16 bits with the sign
    assert (found["bits_per_weight"], found["accumulator_bits"]) == (4 + 16 / 128, 16)
    assert found["unknown"] == ""


def test_the_base_itself_has_the_base_s_side() -> None:
    unknown: list[str] = []
    assert largest_side(BASE, array_area(BASE, "xcup"), "xcup", unknown) == 16
    assert largest_side(BASE, array_area(BASE, "xcup") - 1, "xcup", unknown) == 15
    assert unknown == []
    assert largest_side(BASE, 10.0, "xcup", unknown) is None
    assert unknown


def test_an_array_s_area_is_the_sum_of_its_parts() -> None:
    """All of the base's parts but its control, which is there once."""
    parts = {name: part.instances(BASE) for name, part in components_of(BASE).items()}
    assert parts == {
        "pe": 256,
        "row_sum": 16,
        "epilogue": 16,
        "array_edge": 1,
        "controller": 1,
        "result_buffer": 1,
        "scratchpads": 1,
    }
    del parts["controller"], parts["result_buffer"], parts["scratchpads"]
    measured = replace(BASE, group_size=64)  # a preset's, each part of which has a row
    total = sum(count * row_of(measured, name, "sky130")["area_um2"] for name, count in parts.items())
    assert array_area(measured, "sky130") == pytest.approx(total, rel=1e-12)


def test_blocks_cost_the_epilogue_of_fp16_scales_and_move_their_own() -> None:
    mx, fp16 = (
        replace(BASE, pe="minifloat", weight_format="e2m3", activation_format="e2m3", group_size=32, scaling=s)
        for s in ("mx", "fp16")
    )
    one, other = (costs_of(Priced(design, BASE, "xcup", "tiny-stdlib", 64)) for design in (mx, fp16))
    assert (one["side"], one["luts_per_mac"]) == (other["side"], other["luts_per_mac"])
    assert (one["bits_per_weight"], other["bits_per_weight"]) == (6 + 8 / 32, 6 + 16 / 32)


def test_passes_are_what_the_costs_come_from() -> None:
    """Rows of operators add up to the pass, passes to the point's figures, and MACs are those of the model."""
    found = costs_of(Priced(BASE, BASE, "xcup", "tiny-stdlib", 64))
    alike, prefill, decode = found["passes"]
    for told, tokens, column in ((prefill, 64, "prefill_tokens_per_s"), (decode, 1, "decode_tokens_per_s")):
        assert (told["tokens"], told["array"]) == (tokens, [16, 16])
        assert found[column] == tokens * 5e8 / told["cycles"]
    assert found["energy_per_token_j"] == alike["energy_J"] == pytest.approx(sum(alike["components"].values()))
    for told in (prefill, decode, alike):
        rows = pd.DataFrame(told["rows"])
        assert sum(told["losses"].values()) == told["cycles"]
        assert (rows["ideal_cycles"].sum(), rows["edge_cycles"].sum()) == (told["losses"]["ideal"], told["losses"]["edges"])
        macs = (rows["operators"] * rows["count"] * rows["m"] * rows["k"] * rows["n"]).sum()
        work = shapes("tiny-stdlib", "prefill" if told is prefill else "decode", 1, 64)
        assert macs == sum(product.macs for product in work.products)
        parts = rows[[name for name in rows if name.startswith("energy_")]].to_numpy().sum()
        always = told["components"]["pe_clock"] + told["components"]["leakage"]  # of no operator alone
        assert parts + always == pytest.approx(told["energy_J"], rel=1e-3)  # rows have four digits


def test_keys_tell_what_a_figure_depends_on() -> None:
    asked = Priced(BASE, BASE, "xcup", "tiny-stdlib", 64)
    others = [replace(asked, target="sky130"), replace(asked, sequence=65), replace(asked, design=replace(BASE, rows=8))]
    assert len({asked.key, *(other.key for other in others)}) == 4
    assert replace(asked).key == asked.key
