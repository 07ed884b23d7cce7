"""The page of a comparison: names that a user gave are text wherever they stand, and what is not known is an empty cell."""

import json
import math

import pandas as pd

from reports.comparison import COLUMNS, front_figure, render
from shiftwise.comparison.fronts import AXES, front

NAME = "<b>int4</b> & </script><script>alert(1)</script>"


def table() -> pd.DataFrame:
    known = dict.fromkeys(COLUMNS, 2.0) | {"name": NAME, "family": "integer", "recipe": "nearest", "loss": 0.01}
    known |= {"weight_bits": 4, "activation_bits": 4}
    unknown = known | {"name": "int3 x int3", "luts_per_mac": math.nan, "loss": 0.5}
    rows = pd.DataFrame([known, unknown])
    for column, axis in AXES.items():
        rows[f"front_{column}"] = front(rows, axis)
    return rows


def page() -> str:
    asked = {"model": NAME, "base": NAME, "target": "xcup", "recipes": ["nearest"], "kv_cache": "per_token"}
    asked |= {"bytes": 4096, "float_bits_per_byte": 1.2}
    return render(
        table(), [f"width of {NAME}"], dict.fromkeys(AXES, (f"verdict on {NAME}",)), list(AXES.values()), asked, [[], []]
    )


def test_names_are_text_wherever_they_stand() -> None:
    found = page()
    assert NAME not in found
    assert "alert(1)</script>" not in found
    assert found.count("&lt;b&gt;int4&lt;/b&gt;") >= 5  # title, head, base, verdicts, table
    details = found.partition('id="details">')[2].partition("</script>")[0]
    assert json.loads(details)[0]["name"] == NAME


def test_what_is_not_known_is_an_empty_cell_and_on_no_figure() -> None:
    row = page().partition('data-point="1"')[2].partition("</tr>")[0]
    assert row.count('data-value=""></td>') == 1
    points = next(trace for trace in front_figure(table(), AXES["luts_per_mac"]).data if trace.name == "integer")
    assert [place for place, *_ in points.customdata] == [0]
