"""An allocation as a user asks for one: what it gains, what its file does, what is refused."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import shiftwise
from shiftwise.allocation.allocate import FILE
from shiftwise.cli import main
from sim.errors import InputError
from workloads.allocation.allocation import load_allocation

DESIGN = shiftwise.DesignPoint("small", weight_format="uint8", kv_format="uint8", group_size=16, rows=8, columns=8)
SERIAL = replace(DESIGN, name="serial", pe="bit_serial")
ASK: dict[str, Any] = {"sequence": 16, "accuracy_bytes": 200, "formats": ("uint3", "uint4", "uint5", "uint8")}


@pytest.fixture(scope="module", name="found", params=["layer", "row", "block"])
def allocated(request: pytest.FixtureRequest, small: str, tmp_path_factory: pytest.TempPathFactory) -> shiftwise.Allocated:
    out = tmp_path_factory.mktemp("allocate")
    return shiftwise.allocate(DESIGN, small, bits=3.5, per=request.param, out=out, **ASK)


def test_it_keeps_within_its_budget_and_is_expected_to_lose_less(found: shiftwise.Allocated) -> None:
    rows = found.table.set_index("name")
    assert list(rows.index) == ["uint3", "uint4", "even", "allocated"]
    assert rows.loc["even", "bits"] <= 3.5 and 3.3 < rows.loc["allocated", "bits"] <= 3.5
    assert rows.loc["allocated", "expected"] < rows.loc["even", "expected"] < rows.loc["uint3", "expected"]
    assert rows["loss"].notna().all()
    # Groups of 16 have a scale of 16 bits and a zero point as wide as a code.
    assert rows.loc["uint4", "stored_bits"] == 4 + 20 / 16
    assert rows.loc["allocated", "stored_bits"] == pytest.approx(rows.loc["allocated", "bits"] * 17 / 16 + 1)


def test_layers_add_up(found: shiftwise.Allocated) -> None:
    layers, rows = found.layers, found.table.set_index("name")
    weights = layers["k"] * layers["n"] * layers["count"]
    assert (layers["bits"] * weights).sum() / weights.sum() == pytest.approx(rows.loc["allocated", "bits"])
    assert layers["expected"].sum() == pytest.approx(rows.loc["allocated", "expected"])
    assert layers.filter(like="share_").sum(axis=1).to_numpy() == pytest.approx(1)


def test_simulate_takes_its_file(found: shiftwise.Allocated, small: str, tmp_path: Path) -> None:
    """Cycles, traffic and energy are those that were told; without the file, those of the design's own format."""
    file = found.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {FILE, "allocations.csv", "layers.csv"}
    assert load_allocation(file) == found.allocation
    ask = {"phase": "decode", "sequence": 16, "accuracy_bytes": 6}
    run = shiftwise.simulate(DESIGN, small, allocation=file, **ask)
    own = found.table.set_index("name").loc["allocated"]
    assert run.summary["cycles"] == own["cycles"]
    assert run.summary["energy_per_token_J"] == pytest.approx(own["energy"])
    assert run.summary["dram_bytes"] == own["dram_bytes"]
    assert run.summary["bits_per_weight"] == pytest.approx(own["stored_bits"])
    weights = run.summary["weights_by_format"]
    assert set(run.layers["weight_format"]) - {""} == set(weights) <= set(ASK["formats"])
    assert sum(int(name[4:]) * number for name, number in weights.items()) / sum(weights.values()) == pytest.approx(own["bits"])
    plain = shiftwise.simulate(DESIGN, small, **ask)
    assert plain.summary["dram_bytes"] > own["dram_bytes"] and plain.summary["bits_per_weight"] == 8 + 24 / 16
    assert plain.summary["weights_by_format"] == {"uint8": sum(weights.values())}
    assert plain.summary["accuracy"]["hardware_bits_per_byte"] != run.summary["accuracy"]["hardware_bits_per_byte"]


def test_accuracy_is_that_of_one_format_where_all_have_it(small: str, tmp_path: Path) -> None:
    """All layers in 4 bits on an array for 8: the bits of an array that is built for 4."""
    allocation = shiftwise.Allocation("layer", 16, dict.fromkeys(_layers(small), ("uint4",)))
    ask = {"model": small, "sequence": 16, "accuracy_bytes": 200}
    narrow = shiftwise.simulate(replace(DESIGN, weight_format="uint4"), **ask).summary
    wide = shiftwise.simulate(DESIGN, allocation=allocation, **ask).summary
    assert wide["accuracy"] == narrow["accuracy"] | {"group_sums": wide["accuracy"]["group_sums"]}
    assert wide["dram_bytes_by_tensor"] == narrow["dram_bytes_by_tensor"]
    assert tmp_path.exists()


def _layers(model: str) -> list[str]:
    return [p.name for p in shiftwise.shapes(model, "prefill", 1, 16).products if p.kind == "linear"]


@pytest.mark.parametrize("budget", ["cycles", "energy"])
@pytest.mark.parametrize("per", ["layer", "row", "block"])
def test_the_hardware_is_a_budget(budget: str, per: str, small: str, tmp_path: Path) -> None:
    """Half way between the figures of 3 and of 8 bits on a bit-serial array; to add parts of so small layers costs as much."""
    ask = ASK | {"phase": "prefill", "formats": ("uint3", "uint8"), "out": tmp_path}
    ends = shiftwise.allocate(SERIAL, small, bits=4, **ask).table.set_index("name")[budget]
    limit = float(ends["uint3"] + ends["uint8"]) / 2
    found = shiftwise.allocate(SERIAL, small, per=per, **{budget: limit}, **ask)
    own = found.table.set_index("name").loc["allocated"]
    assert 0.8 * limit < own[budget] <= limit
    assert 3 <= own["bits"] < 8
    assert own["bits"] > 3 or (per, budget) == ("block", "energy")


def test_the_search_by_evolution_loses_no_more_than_the_greedy_one(
    small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import workloads.allocation.evolution as evolution
    from workloads.accuracy import calibration_tokens
    from workloads.allocation.divergence import divergence_from
    from workloads.checkpoint import load_model
    from workloads.embedded import HELD_OUT_TEXT

    monkeypatch.setattr(evolution, "GENERATIONS", 2)
    model = load_model(small)
    loss = divergence_from(model, calibration_tokens(model, HELD_OUT_TEXT.read_bytes()[200:], 4), DESIGN)
    found = {
        search: shiftwise.allocate(DESIGN, small, bits=3.7, search=search, out=tmp_path, **ASK)
        for search in ("greedy", "evolutionary")
    }
    assert loss(found["evolutionary"].allocation) <= loss(found["greedy"].allocation)
    assert found["evolutionary"].table.set_index("name").loc["allocated", "bits"] <= 3.7


def test_experts_share_their_layer(mixture: str, tmp_path: Path) -> None:
    found = shiftwise.allocate(DESIGN, mixture, bits=4, out=tmp_path, **ASK)
    experts = found.layers[found.layers["count"] > 1]
    assert len(experts) and experts["name"].str.contains("experts").all()
    assert found.table["loss"].notna().all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"one budget is given, bits \(mean width .*\) or cycles .* or energy .*, not none$"),
        ({"bits": 4, "cycles": 5}, "not bits 4, cycles 5$"),
        ({"bits": 0}, "a budget of bits is above 0 and finite, not 0$"),
        ({"bits": 2.5}, "bits of at most 2.5|mean width of the codes of weights .bit. of at most 2.5 is not possible .* is 3$"),
        ({"energy": 1e-30}, r"energy of a token \[J\] of at most 1e-30 is not possible on design 'small' .* possible is "),
        ({"bits": 4, "per": "head"}, "unknown unit of an allocation 'head'; known are layer, row, block$"),
        ({"bits": 4, "search": "luck"}, "unknown search 'luck'; known are greedy, evolutionary$"),
        ({"bits": 4, "formats": ("int4",)}, "have formats whose numbers are all ones of uint8, not int4$"),
        ({"bits": 4, "model": "llama-2-7b"}, "bits are allocated in a model that has weights, not in 'llama-2-7b'$"),
        ({"bits": 4, "accuracy_bytes": 1}, "accuracy_bytes is at least 2, not 1$"),
        ({"bits": 4, "accuracy_bytes": 10**7}, "calibrates on the text behind"),
        ({"bits": 4, "recipe": "none"}, "unknown recipe 'none'; known are"),
    ],
)
def test_refusals(given: dict[str, Any], message: str, small: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        shiftwise.allocate(DESIGN, **({"model": small, "out": tmp_path} | ASK | given))


def test_the_command(small: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    design = tmp_path / "small.toml"
    design.write_text('weight_format = "uint4"\ngroup_size = 16\nrows = 8\ncolumns = 8\n')
    command = ["allocate", "--design", str(design), "--model", small, "--sequence", "16", "--accuracy-bytes", "200"]
    monkeypatch.setattr(sys, "argv", ["shiftwise", *command, "--bits", "3", "--out", str(tmp_path / "out")])
    main()
    told = capsys.readouterr().out
    assert "Bits per byte against the float model's: uint3 (3 bit) " in told and str(tmp_path / "out" / FILE) in told
    assert len(pd.read_csv(tmp_path / "out" / "allocations.csv")) == 2
    monkeypatch.setattr(sys, "argv", ["shiftwise", *command, "--bits", "1", "--out", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2 and "the nearest that is possible is 2\n" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
