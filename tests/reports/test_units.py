import pytest

from reports.units import column_unit, engineering, percent, significant, square


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (60, "60 s"),
        (-0.0, "0 s"),
        (60.0, "60.0 s"),
        (1.234e-3, "1.23 ms"),
        (12.34, "12.3 s"),
        (123.4, "123 s"),
        (999.6, "1.00 ks"),
        (-2.5e-6, "-2.50 µs"),
        (3e-16, "0.300 fs"),
        (5e16, "50000 Ts"),
        (None, "n/a"),
        (float("nan"), "n/a"),
        (float("inf"), "n/a"),
    ],
)
def test_engineering(value, text):
    assert engineering(value, "s") == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (416250.3, "416,250"), (12.345, "12.3"), (0.01234, "0.0123"), (None, "n/a")]
)
def test_significant(value, text):
    assert significant(value) == text


def test_percent_and_square():
    assert (percent(0.8314), percent(0.0191, 2, "+"), percent(float("nan"))) == ("83.1 %", "+1.91 %", "n/a")
    assert (square(1234), square(1.5e6), square(None)) == ("1,234 µm²", "1.50 mm²", "n/a")


def test_a_column_has_one_unit_and_hides_nothing_that_is_not_zero():
    unit = column_unit([3.3e-4, 2e-9, 0, float("nan")])
    assert (unit.prefix, unit.text(3.3e-4), unit.text(2e-9), unit.text(0)) == ("µ", "330.0", "<0.1", "0.0")
    assert [column_unit([largest]).prefix for largest in (9_999, 10_000, 9_999_999, 10_000_000)] == ["", "k", "k", "M"]
    assert column_unit([]).text(0) == "0.0"
    assert (column_unit([320, 20]).text(20), column_unit([320, 0.5]).text(20)) == ("20", "20.0")
