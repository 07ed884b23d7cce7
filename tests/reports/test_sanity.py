import pytest

import reports.sanity
from reports.sanity import Published, sanity_table


def test_areas_are_scaled_by_both_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """One bit plus one bit, without carry, is a cell xor2_1 of 8.7584 um2; 45 nm is (45/130)**2 of 130 nm, or 0.053/0.34."""
    adder = "module operator(input a, input b, output y); assign y = a + b; endmodule"
    known = tuple(Published("adder", adder, 8.7584 / 4, node, "a table") for node in (45, 28))
    monkeypatch.setattr(reports.sanity, "PUBLISHED", known)
    table = sanity_table()
    assert table["sky130_um2"].tolist() == [8.7584, 8.7584]
    assert table["ratio_generalized"].tolist() == pytest.approx([4 * 2025 / 16900, 4 * 784 / 16900])
    assert table["ratio_stillmaker"][0] == pytest.approx(4 * 0.053 / 0.34)
    assert table["ratio_stillmaker"].isna().tolist() == [False, True]  # the source has no 28 nm
