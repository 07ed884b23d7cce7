"""What overlays take of their boards."""

from dataclasses import replace
from pathlib import Path

import pytest

from costmodel.fpga.devices import DEVICES
from costmodel.fpga.fabric import CLB_ENERGY
from costmodel.overlay.components import PARTS, key_of
from costmodel.overlay.measured import known_part, measure_part, measured_parts
from costmodel.overlay.resources import NotSynthesisedError, energy_per_pass, overlay_fit
from sim.errors import InputError
from sim.overlay.design import load_overlay
from sim.overlay.presets import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_totals_are_sums_of_blocks(preset: str) -> None:
    design = load_overlay(preset)
    found = overlay_fit(design)
    for name, used in found.used.items():
        assert used == pytest.approx(sum(block.taken.get(name, 0.0) for block in found.blocks))
    units = design.units * design.vector_units
    assert found.used["dsp"] == design.engine.dsps + 2 * units * 2 + 201 * design.special_lanes / 64  # 2 slices scale a lane
    assert found.fits == all(used <= (DEVICES[design.device].resources[n] or used) for n, used in found.used.items())
    assert found.fits == (found.vector_units >= design.units * design.vector_units) or found.limit in ("bram36", "uram")


def test_another_vector_unit_is_what_no_longer_fits() -> None:
    design = load_overlay("dense-u280")
    most = overlay_fit(design).vector_units
    lut = DEVICES["u280"].resources["lut"]
    assert lut is not None
    per_unit = {units: overlay_fit(replace(design, units=1, vector_units=units)).used["lut"] for units in (most - 8, most)}
    assert per_unit[most] <= lut * 1.01  # memories in LUTs come in steps


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
    assert (again.lut_sites, again.flip_flops, again.dsps) == (row.lut_sites, row.flip_flops, row.dsps)


def test_what_was_measured_is_known_until_the_hardware_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    design = replace(load_overlay("dense-u280"), weight_format="e2m1", formats=(), chain=4)
    assert known_part("dequantizer", design) is None
    row = measure_part("dequantizer", design)
    assert known_part("dequantizer", design) == row
    assert row.lut_sites > 0


def test_rows_are_of_parts() -> None:
    assert {component for component, _ in measured_parts()} == set(PARTS)


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(NotSynthesisedError, match="the vector_unit of dense-u280, chain=2 element=dsp sparse=False, was not"):
        overlay_fit(replace(load_overlay("dense-u280"), chain=2))
    with pytest.raises(InputError, match="unknown device 'u999'"):
        overlay_fit(replace(load_overlay("dense-u280"), device="u999"))
