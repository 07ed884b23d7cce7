import dataclasses
import math

import pytest

import costmodel.area
from costmodel.components import components_of, fields_of
from costmodel.energy import energy_per_action, memory_prices, priced
from costmodel.fpga.fabric import CLB_ENERGY, clb_energy
from costmodel.measured import Measured, Rows
from costmodel.sources import Source
from costmodel.synthesis.run import Area
from costmodel.technology import TECHNOLOGIES
from sim.design import DesignPoint, load_design
from sim.errors import InputError
from sim.memory import Scratchpad

HOROWITZ, JOUPPI, NODE_28, SKY130 = (TECHNOLOGIES[name] for name in ("45nm", "7nm", "28nm", "sky130"))
SMALL = DesignPoint(name="small", rows=2, columns=4)
CELLS = {"pe": (1000.0, 500.0, 100.0), "row_sum": (80.0, 200.0, 20.0), "epilogue": (800.0, 640.0, 50.0)}
"""LUT sites, flip-flops, leakage [nW]; all else of the array is as large as a PE."""


def close(value, expected):
    return math.isclose(value, expected, rel_tol=1e-9)


def pad(kib, banks=1, width=64):
    return Scratchpad(kib, banks, ports=2, width=width)


def row(component, target, **numbers):
    part = components_of(SMALL)[component].part
    lut, ff, leakage = CELLS.get(part, CELLS["pe"])
    found = {"lut_sites": lut, "flip_flops": ff, "leakage_nw": leakage, "area_um2": 10.0, **numbers}
    return Measured(component, fields_of(SMALL, component), Area(target, "unit", lut, found, "tool", "1", "run"), "2026-01-01")


@pytest.fixture
def measured(monkeypatch):
    """Replaces what was measured by components of :data:`CELLS`, a PE with these numbers beside them."""

    def replace(target, **of_pe):
        rows = [row(name, target, **(of_pe if name == "pe" else {})) for name in components_of(SMALL)]
        known = Rows.of(rows)
        monkeypatch.setattr(costmodel.area, "known_rows", lambda: known)

    return replace


def test_six_technologies():
    assert set(TECHNOLOGIES) == {"unit", "sky130", "45nm", "28nm", "7nm", "fpga"}


@pytest.mark.parametrize("name", TECHNOLOGIES)
def test_every_source_has_its_kind(name):
    table = TECHNOLOGIES[name]
    sources = [table.source, *(sram.source for sram in getattr(table, "sram", {}).values())]
    assert all(source.kind in ("measured", "fitted", "cited", "estimate") and source.text for source in sources)
    assert str(Source("cited", "a table")) == "cited: a table"


# Memories


@pytest.mark.parametrize(
    ("table", "kib", "access"),
    [(HOROWITZ, 8, 10), (HOROWITZ, 32, 20), (HOROWITZ, 1024, 100), (JOUPPI, 8, 7.5), (JOUPPI, 32, 8.5), (JOUPPI, 1024, 14)],
)
def test_published_memories_are_met(table, kib, access):
    read, write = table.sram[64].per_bit(pad(kib))
    assert close(read * 64, access)
    assert read == write


def test_between_published_memories():
    def access(kib):
        return HOROWITZ.sram[64].per_bit(pad(kib))[0] * 64

    assert close(access(16), math.sqrt(10 * 20))  # half way on both logarithmic axes
    assert close(access(4), 10 / math.sqrt(2))  # energy goes with the root of the size up to 32 KiB
    assert access(128) < access(256) < access(2048)


@pytest.mark.parametrize("kib", [3, 2049])
def test_memories_far_from_published_sizes_are_refused(kib):
    with pytest.raises(InputError, match=f"^energy of a scratchpad is known from 4 to 2048 KiB, not for {kib} KiB"):
        HOROWITZ.sram[64].per_bit(pad(kib))


def test_28_nm_is_of_banks():
    cacti = NODE_28.sram[512]
    assert cacti.per_bit(pad(64, banks=16)) == (0.033, 0.040)  # 4 KiB each
    assert cacti.per_bit(pad(128, banks=16)) == (0.035, 0.049)
    assert close(cacti.per_bit(pad(16))[0], 0.035**2 / 0.033)  # as far again as from 4 to 8 KiB
    with pytest.raises(InputError, match="^energy of a bank of the output buffer is known from 2 to 16 KiB, not for 1 KiB"):
        energy_per_action(load_design("edge-w4a8"), "28nm")


def test_the_nearest_port_is_taken():
    """Of 32 and 64 bit at 45 nm; but a bank of 64 KiB is in one table alone."""
    narrow, wide = HOROWITZ.sram[32], HOROWITZ.sram[64]
    assert [HOROWITZ.sram_of(pad(8, width=width)) is wide for width in (1, 32, 45, 46, 64, 512)] == [False] * 3 + [True] * 3
    assert HOROWITZ.sram_of(pad(64, width=32)) is wide
    assert HOROWITZ.sram_of(pad(64, width=32, banks=8)) is narrow


def test_a_port_of_32_bit():
    """CACTI: 6.39163 pJ for reading 32 bit of 8 KiB, 5.56268 pJ for writing them."""
    read, write = HOROWITZ.sram[32].per_bit(pad(32, width=32, banks=4))
    assert close(read * 32, 6.39163)
    assert close(write * 32, 5.56268)


def test_prices_of_buffers_are_the_mean_of_both_ways():
    prices = memory_prices(dataclasses.replace(load_design("mixpe-w4a8"), technology="28nm"))
    assert close(prices.weight_buffer, (0.035 + 0.049) / 2)  # 128 KiB in 16 banks
    assert prices.dram == 3.9


# Scaling


def test_28_nm_is_45_nm_scaled():
    """At the same supply, energy goes with length: 28/45."""
    assert close(NODE_28.add_int32, 0.1 * 28 / 45)
    assert close(NODE_28.multiply(8, 8), 0.2 * 28 / 45)
    assert NODE_28.source.kind == "estimate"
    assert "Baccarani" in NODE_28.source.text
    assert "Horowitz" in NODE_28.source.text


def test_sky130_beside_the_pe_is_45_nm_scaled():
    assert close(SKY130.add_fp32, 0.9 * 130 / 45 * (1.8 / 0.9) ** 2)
    assert close(SKY130.sram[64].per_bit(pad(8))[0] * 64, 10 * 130 / 45 * 4)
    assert SKY130.sram[64].source.kind == "estimate"


# PEs that others synthesised


def test_the_published_multiply_add_stands_for_that_pe_alone():
    fp16 = DesignPoint(name="x", pe="multiplier", weight_format="fp16", activation_format="fp16", accumulator="fp16")
    found = priced(fp16, "28nm")["mac"]
    assert (found.energy, found.source.kind) == (0.77, "cited")  # 0.77 mW at 1 GHz
    assert "BitMoD" in found.source.text
    other = priced(dataclasses.replace(fp16, accumulator="fp32"), "28nm")["mac"]
    assert other.source.kind == "estimate"
    # ten rows of 11 bits and an exponent's 6; the fp32 sum
    in_45nm = energy_per_action(dataclasses.replace(fp16, accumulator="fp32"), "45nm")["mac"]
    assert close(other.energy, in_45nm * 28 / 45)


# Measured rows


def test_sky130_takes_what_toggles_cost(measured):
    measured("sky130", energy_traced_fj=2500.0, energy_clock_fj=700.0, leakage_fj=100.0)
    found = priced(SMALL, "sky130")
    assert close(found["mac"].energy, 1.7)  # clock and leakage are static energy
    assert found["mac"].source.kind == "measured"
    assert found["row_sum"].source.kind == found["weight_buffer_read"].source.kind == "estimate"
    assert found["dram_read"].source.kind == "cited"


def test_sky130_without_a_measured_energy_says_what_to_do(measured):
    measured("sky130")
    with pytest.raises(
        InputError,
        match="^the energy of a MAC on sky130 was not measured for pe shift_add, uint4 x int8, pipeline 1; "
        "run `shiftwise synth --design FILE.toml --target sky130`$",
    ):
        priced(SMALL, "sky130")


def test_an_fpga_takes_what_its_components_hold(measured):
    """A PE of 1000 LUTs is 125 CLBs and a slice 2.5 more."""
    measured("xcup", dsps=1.0)
    found = {action: price.energy for action, price in priced(SMALL, "fpga").items()}
    clb = CLB_ENERGY["mid"]
    assert close(found["mac"], clb * (125 + 2.5))
    assert close(found["row_sum"], clb * 200 / 16)  # flip-flops fill more CLBs than LUTs do
    assert close(found["group_epilogue"], clb * 100)
    assert close(found["vector_operation"], clb * 5)
    assert close(found["weight_buffer_read"], clb * 5 / 72)
    assert {price.source.kind for action, price in priced(SMALL, "fpga").items() if "dram" not in action} == {"estimate"}


def test_energy_of_a_logic_block_by_hand():
    """FlightLLM: 574,000/8 + 6345 x 2.5 + 1252 x 5 + 792 x 3.75 = 96,842.5 CLBs at 225 MHz, 45 W; HBM 303.14 GB/s."""
    assert close(clb_energy(0.0, 0.0), 45 / 225e6 / 96_842.5 * 1e12)
    assert close(clb_energy(0.5, 0.0), clb_energy(0.0, 0.0) / 2)
    hbm_w = 0.659 * 460e9 * 8 * 3.9e-12
    assert close(clb_energy(0.0, 3.9) / clb_energy(0.0, 0.0), 1 - hbm_w / 45)
    assert CLB_ENERGY["low"] < CLB_ENERGY["mid"] < CLB_ENERGY["high"]
