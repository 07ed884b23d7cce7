"""What a page opens of a point: names are text, what is the same stands once, bars add up."""

import json
from typing import Any

from reports.passes import packed

NAME = "</script><script>alert(1)</script>"


def told(cycles: int = 100) -> dict[str, Any]:
    """A pass typed in by hand: a projection of 8 x 4 x 2 twice, and a norm."""
    return {
        "title": NAME,
        "array": [4, 2],
        "clock_hz": 5e8,
        "tokens": 2,
        "cycles": cycles,
        "losses": {"ideal": 50, "edges": 0, "fill": 0, "memory": cycles - 60, "vector": 10},
        "energy_J": 4e-9,
        "components": {"pe": 1e-9, "dram": 3e-9},
        "unknown": "",
        "areas": [{"unit": "um2", "target": "sky130", "total": 4e6, "pe": 1e6, "sram": 3e6}],
        "peaks": [8.0],
        "dram_bytes_per_cycle": 2.5,
        "rows": {
            "name": [NAME, "norm"],
            "operators": [2, 1],
            "unit": ["array", "vector"],
            "kind": ["linear", "norm"],
            "count": [1, 1],
            "m": [8, 0],
            "k": [4, 0],
            "n": [2, 0],
            "bound": ["compute", "memory"],
            "blocking": ["m8 k4 n2", ""],
            "ideal_cycles": [50, 0],
            "edge_cycles": [0, 0],
            "fill_cycles": [0, 0],
            "stalled_cycles": [cycles - 60, 0],
            "lane_cycles": [0, 10],
            "dram_bytes": [16, 8],
            "energy_pe_J": [1e-9, 0.0],
            "energy_vector_J": [0.0, 0.0],
            "energy_sram_J": [0.0, 0.0],
            "energy_dram_J": [2e-9, 1e-9],
        },
        "layer": {"caption": NAME, "names": [NAME], "unit": ["array"], "start": [0], "end": [cycles - 10]},
    }


def test_names_are_text() -> None:
    text = packed([[told()]])
    assert "<" not in text
    pages = json.loads(text)
    assert pages["once"][pages["points"][0][0]["rows"]["name"]] == [NAME, "norm"]


def test_bars_and_the_sentence() -> None:
    [one] = json.loads(packed([[told()]]))["points"][0]
    assert (
        one["told"]
        == "Array of 4 \N{MULTIPLICATION SIGN} 2 at 500 MHz: 200 ns, 10,000,000 tokens/s, utilization 50.0 %, 2.00 nJ a token."
    )
    (_, cycles, of_cycles), (_, energy, of_energy) = one["bars"]
    assert (cycles, energy) == ("100 cycles", "4.00 nJ")
    assert [(name, text, share) for name, text, share, _ in of_cycles][3:] == [
        ("memory stall", "40 cycles", 40.0),
        ("vector unit", "10 cycles", 10.0),
    ]
    assert [(name, round(share, 9)) for name, _, share, _ in of_energy] == [("DRAM", 75.0), ("PE", 25.0)]


def test_what_is_the_same_stands_once() -> None:
    once, many = packed([[told()]]), packed([[told()] * 9, []])
    assert json.loads(many)["once"] == json.loads(once)["once"]
    assert json.loads(many)["points"][1] == []
    other = json.loads(packed([[told()], [told(70)]]))
    assert len(other["once"]) == len(json.loads(once)["once"]) + 2  # stalls, and the end of the layer


def test_energies_that_are_not_known_have_no_bar() -> None:
    [one] = json.loads(packed([[told() | {"energy_J": None, "components": {}, "unknown": "of that"}]]))["points"][0]
    assert len(one["bars"]) == 1 and "J a token" not in one["told"] and one["unknown"] == "Energies are not known: of that"
