"""The size of generated MACs beside Yosys's own multipliers; the whole table is ``make bench``'s."""

from benchmarks.area import BOOTH, PLAIN, multiplier_ratios, multiplier_table


def test_w4a8_is_smaller_than_a_multiplier_in_its_place() -> None:
    """Specification: at most 45 logic cells with a 20-bit accumulator; 0.80 and 0.97 of a multiplier's cells and area."""
    table = multiplier_table("int", [(4, 8)])
    assert table.loc["int4 x int8", ("logic_cells", "shift_add")] <= 45
    ratios = multiplier_ratios(table).loc["int4 x int8"]
    assert max(ratios["logic_cells"][[PLAIN, BOOTH]]) <= 0.80
    assert max(ratios["area_um2"][[PLAIN, BOOTH]]) <= 0.97
