"""What overlays take of their boards."""

from dataclasses import replace
from pathlib import Path

import pytest

from costmodel.area import NotMeasuredError
from costmodel.fpga.devices import RESOURCES
from costmodel.fpga.fabric import CLB_ENERGY
from costmodel.overlay.components import PARTS, key_of, parts_of
from costmodel.overlay.measured import NUMBERS, hardware_of, known_part, measure_part, measured_parts
from costmodel.overlay.resources import energy_per_pass, overlay_fit
from costmodel.synthesis.run import Area, Synthesis
from reports.characterize_overlay import designs
from sim.errors import InputError
from sim.overlay.design import load_overlay
from sim.overlay.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_totals_are_sums_of_blocks(preset: str) -> None:
    design = load_overlay(preset)
    found = overlay_fit(design)
    for name in RESOURCES:
        taken = [block.taken.get(name, 0.0) for block in found.blocks]
        assert found.used[name] == (None if None in taken else pytest.approx(sum(taken)))
    known = {name: used for name, used in found.used.items() if used is not None}
    assert found.fits == all(used <= (found.available[name] or used) for name, used in known.items())
    assert found.fits == (found.most >= found.vector_units)
    if not design.quantized:
        return
    units = design.units * design.vector_units
    beside = 2 * 2 + 1  # two slices scale each lane, and one finds places of weights
    assert found.used["dsp"] == design.engine.dsps + beside * units + 201 * design.special_lanes / 64


def test_dfx_is_as_it_was_published() -> None:
    """Of 1,303,680 LUTs (AMD UG1314) 39.93 % are 520,559, to which buffers add none; of 9,024 slices 39.15 % are 3,533.

    The matrix unit has 3 x 1,024 of these. Two cores take 79.9 % and 78.3 %, a third is too much; a board with fewer LUTs gives
    a greater share of them, and half the multipliers are half a core.
    """
    design = load_overlay("dfx-u280")
    found = overlay_fit(design)
    assert [round(found.used[name]) for name in ("lut", "dsp")] == [520_559, 3_533]
    assert found.used["dsp"] > design.engine.dsps == 3072
    assert (found.vector_units, found.most, found.fits) == (1, 2, True)
    assert found.used["ff"] is None
    assert overlay_fit(replace(design, vector_units=3)).limit == "lut"
    assert overlay_fit(replace(design, device="kv260")).shares["lut"] == pytest.approx(520_559 / 117_120, rel=1e-5)
    assert overlay_fit(replace(design, chain=256)).used["lut"] == pytest.approx(520_559 / 2, abs=1)


def test_another_vector_unit_is_what_no_longer_fits() -> None:
    for preset in ("dense-u280", "flightllm-u280", "dense-kv260"):
        design = load_overlay(preset)
        most = overlay_fit(design).most
        assert overlay_fit(replace(design, units=1, vector_units=most)).fits
        assert not overlay_fit(replace(design, units=1, vector_units=most + 1)).fits


@pytest.mark.parametrize("preset", [name for name in PRESETS if name.startswith("dense") or name.endswith("kv260")])
def test_our_own_designs_fit(preset: str) -> None:
    assert overlay_fit(load_overlay(preset)).fits


def test_a_memory_that_the_board_does_not_have_does_not_fit() -> None:
    """A KV260 has 19.2 GB/s; seven channels of 19.2 are 134.4."""
    found = overlay_fit(replace(load_overlay("dense-kv260"), channels=7))
    assert not found.fits
    assert found.shares["bandwidth"] == pytest.approx(7)
    end = "the most it takes is 700.0% of the bandwidth; fewer channels or a slower memory would do."
    assert found.verdict == f"dense-kv260 does not fit a kv260: {end}"


def test_the_verdict_names_what_limits_and_what_to_change() -> None:
    """All channels of a board are no limit; buffers of 4 x 16 MiB are beyond 64 UltraRAMs and 144 block RAMs, 2.9 MB in all."""
    found = overlay_fit(load_overlay("dense-u280"))
    assert found.shares["bandwidth"] == 1
    most = f"the most it takes is {found.shares['lut']:.1%} of the LUT"
    assert f"{most}; each of its 16 units has 5 vector units" in found.verdict
    assert found.verdict.endswith(f" and could have {found.most // 16}.")
    large = overlay_fit(replace(load_overlay("dense-kv260"), slot_kib=16_384))
    assert (large.most, large.limit) in ((0, "uram"), (0, "bram36"))
    assert large.verdict.endswith("would not do, but less of slots, slot_kib or activation_buffer_kib.")
    assert overlay_fit(load_overlay("dfx-u280")).verdict.endswith("of its 1 vector unit there could be 2.")


def test_energy_by_hand() -> None:
    """Blocks as high as so many CLBs, and HBM at 3.9 pJ/bit."""
    design = load_overlay("dense-u280")
    found = overlay_fit(design)
    clbs = found.used["lut"] / 8 + found.used["dsp"] * 60 / 24 + found.used["bram36"] * 60 / 12 + found.used["uram"] * 60 / 16
    energy = energy_per_pass(design, found, 1000, 4000)
    for end, each in CLB_ENERGY.items():
        assert energy[end] == pytest.approx((clbs * each * 1000 + 4000 * 8 * 3.9) * 1e-12)
    assert energy["low"] < energy["mid"] < energy["high"]


def test_a_row_is_found_again() -> None:
    design = load_overlay("flightllm-u280")
    row = measured_parts()["dequantizer", key_of("dequantizer", design)]
    again = measure_part("dequantizer", design)
    assert (again.lut_sites, again.flip_flops, again.dsps, again.verilog) == (*(getattr(row, n) for n in NUMBERS), row.verilog)


def test_rows_are_of_the_hardware_as_it_is() -> None:
    """If this fails: ``python -m reports.characterize_overlay`` measures anew."""
    found = {
        (component, key_of(component, design)): (component, design) for design in designs() for component in parts_of(design)
    }
    assert found.keys() == measured_parts().keys()
    assert {key: hardware_of(*of) for key, of in found.items()} == {key: row.verilog for key, row in measured_parts().items()}


def test_what_was_measured_is_known_until_the_hardware_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("costmodel.synthesis.cache.cache_folder", lambda: tmp_path)
    area = Area("xcup_dsp", "LUT sites", 7.0, {"lut_sites": 7.0, "flip_flops": 5.0, "dsps": 3.0}, "yosys", "0", "yosys")
    monkeypatch.setattr("costmodel.overlay.measured.synthesise", lambda *_: Synthesis(area, {}))
    design = replace(load_overlay("dense-u280"), weight_format="e2m1", formats=(), chain=4)
    assert known_part("dequantizer", design) is None
    row = measure_part("dequantizer", design)
    assert known_part("dequantizer", design) == row
    assert (row.lut_sites, row.flip_flops, row.dsps) == (7, 5, 3)
    assert known_part("dequantizer", replace(design, chain=2)) is None
    monkeypatch.setattr("costmodel.overlay.measured._hardware", lambda: "another")
    assert known_part("dequantizer", design) is None


def test_rows_are_of_parts() -> None:
    assert {component for component, _ in measured_parts()} == set(PARTS)


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(NotMeasuredError, match="the vector_unit of dense-u280, chain=2 element=dsp sparse=False sums=22, was"):
        overlay_fit(replace(load_overlay("dense-u280"), chain=2))
    with pytest.raises(InputError, match="unknown device 'u999'"):
        overlay_fit(replace(load_overlay("dense-u280"), device="u999"))
