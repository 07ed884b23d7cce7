import dataclasses
import json
import math

import pytest

import costmodel.area
from costmodel.components import components_of, fields_of
from costmodel.fpga.block_ram import BRAM36_SHAPES, EBR_SHAPES, Memory, blocks, memories
from costmodel.fpga.devices import DEVICES, DSPS, RESOURCES
from costmodel.fpga.utilization import fit
from costmodel.measured import Measured, Rows
from costmodel.synthesis.run import Area
from hdl.export import components
from hdl.ram import Ram
from sim.design import DesignPoint, load_design
from sim.errors import InputError

SMALL = DesignPoint(
    name="small", group_size=32, rows=4, columns=8, weight_buffer_kib=64, activation_buffer_kib=64, output_buffer_kib=64
)


# Block memories by hand


def test_a_scratchpad_of_128_kib_in_16_banks_of_64_bits():
    """A bank has 65,536 bits, 1024 words of 64: two blocks of 512 x 72, or of 1024 x 36, for each; an UltraRAM for each."""
    banks = Memory(width=64, depth=128 * 1024 * 8 // 16 // 64, count=16)
    assert (banks.bram36, banks.uram, banks.lut_sites) == (32, 16, 0)


@pytest.mark.parametrize(
    ("width", "depth", "bram36", "uram"),
    [
        (1, 1, 1, 1),
        (72, 512, 1, 1),
        (73, 512, 2, 2),  # a second block for one bit
        (72, 513, 2, 1),  # and for one word: two of 36 x 1024
        (9, 4096, 1, 1),
        (10, 4096, 2, 1),
        (1, 32_768, 1, 8),
        (1, 32_769, 2, 9),
        (128, 7592, 30, 4),  # 15 across of 4096 x 9, two deep: 30; 8192 x 4: 32; 1024 x 36: 32; 512 x 72: 30
        (144, 4096, 16, 2),
        (144, 4097, 18, 4),  # 512 x 72: two across, nine deep
    ],
)
def test_blocks_by_width_and_depth(width, depth, bram36, uram):
    assert Memory(width, depth).bram36 == bram36
    assert Memory(width, depth).uram == uram


def test_shapes_of_a_block_hold_what_it_has():
    assert all(32_768 <= words * bits <= 36_864 for words, bits in BRAM36_SHAPES)
    assert all(16_384 <= words * bits <= 18_432 for words, bits in EBR_SHAPES)


def test_blocks_of_an_ecp5_by_hand():
    assert Memory(64, 1024, 16).ebr == 16 * 4  # 1024 x 18, four across
    assert Memory(32, 512).ebr == 1


def test_distributed_memories_by_hand():
    """64 words of 7 bits are 8 LUT sites; 18 bits are three across, 286 words five deep."""
    totals = Memory(width=18, depth=286, count=2, distributed=True)
    assert (totals.bram36, totals.uram, totals.lut_sites) == (0, 0, 2 * 3 * 5 * 8)


def test_memories_go_where_there_is_room():
    found = {"deep": Memory(72, 4096), "wide": Memory(72, 512, 4)}  # 8 blocks or one UltraRAM; 4 blocks or four UltraRAMs
    assert blocks(found).bram36 == 12
    assert (blocks(found, bram36=100, uram=0).bram36, blocks(found, bram36=100, uram=0).uram) == (12, 0)
    # Deep: 8/16 of the blocks or 1/8 of the UltraRAMs. Wide: 4/16, or then 5/8.
    assert (blocks(found, bram36=16, uram=8).bram36, blocks(found, bram36=16, uram=8).uram) == (4, 1)
    assert (blocks(found, bram36=0, uram=8).bram36, blocks(found, bram36=0, uram=8).uram) == (0, 5)


@pytest.mark.parametrize("preset", ["mixpe-w4a8", "mixpe-w4a8-ws", "edge-w4a8"])
def test_memories_are_those_of_the_hardware(preset):
    design = load_design(preset)
    rams = {part.module_name.removesuffix("_ram"): part for part in components(design) if isinstance(part, Ram)}
    found = memories(design)
    assert {name: (ram.width, ram.depth, ram.asynchronous) for name, ram in rams.items()} == {
        name: (memory.width, memory.depth, memory.distributed) for name, memory in found.items()
    }


# Devices


def test_five_boards():
    assert set(DEVICES) == {"u280", "vck190", "zcu102", "kv260", "vhk158"}


@pytest.mark.parametrize("name", DEVICES)
def test_super_logic_regions_add_up(name):
    device = DEVICES[name]
    assert set(device.resources) == set(RESOURCES)
    assert device.source
    assert device.dsp in DSPS
    if device.slrs is not None:
        assert {r: sum(slr[r] for slr in device.slrs) for r in RESOURCES} == dict(device.resources)


def test_what_dsp_slices_multiply():
    int8, int4 = load_design("mixpe-study-int8"), load_design("mixpe-study-ant")
    assert DEVICES["u280"].dsp_macs_per_cycle(int8) == 2 * 9024  # WP486
    assert DEVICES["u280"].dsp_macs_per_cycle(int4) == 4 * 9024  # WP521
    assert DEVICES["vck190"].dsp_macs_per_cycle(int8) == 3 * 1968  # dot product of three
    assert DEVICES["zcu102"].dsp_macs_per_cycle(load_design("mixpe-w4a16")) == 2520
    assert DEVICES["zcu102"].dsp_macs_per_cycle(load_design("mixpe-study-fp16")) is None


def test_ports_limit_the_bandwidth_of_slow_designs():
    u280 = DEVICES["u280"]
    assert u280.dram_bits_per_second(225e6) == 32 * 32 * 8 * 225e6  # 32 ports of 32 byte: 230 GB/s
    assert u280.dram_bits_per_second(500e6) == 460e9 * 8
    assert DEVICES["kv260"].dram_bits_per_second(1e6) == 19.2e9 * 8


# Fitting


def measured(lut: float, ff: float = 0.0, dsp: float = 0.0, of: str = "pe") -> list[Measured]:
    """A component of that size, and nothing else."""
    rows = []
    for component in components_of(SMALL):
        numbers = {"lut_sites": lut, "flip_flops": ff, "dsps": dsp}
        numbers = numbers if component == of else dict.fromkeys(numbers, 0.0)
        area = Area("xcup", "lut_sites", numbers["lut_sites"], numbers, "tool", "1", "run")
        rows.append(Measured(component, fields_of(SMALL, component), area, "2026-01-01"))
    return rows


@pytest.fixture
def rows(monkeypatch):
    """Replaces what was measured."""

    def replace(*numbers: float, of: str = "pe") -> None:
        known = Rows.of(measured(*numbers, of=of))
        monkeypatch.setattr(costmodel.area, "known_rows", lambda: known)

    return replace


def test_a_fit_by_hand(rows):
    rows(1000.0, 2000.0, 1.0)
    found = fit(dataclasses.replace(SMALL, memory="ddr4", memory_channels=1), "zcu102")
    assert (found.used["lut"], found.used["ff"], found.used["dsp"]) == (32_000, 64_000, 32)
    assert found.used["uram"] == 0
    assert math.isclose(found.utilization["lut"], 32_000 / 274_080)
    assert found.utilization["uram"] == 0  # none there, and none used
    # One DDR4 channel of 3200 Mb/s and 64 bit is 25.6 GB/s, of which the board has 19.2.
    assert (found.used["bandwidth"], found.available["bandwidth"]) == (25.6e9, 19.2e9)
    assert (found.limit, found.fits, found.unknown, found.slrs) == ("bandwidth", False, (), 1)
    assert found.verdict.startswith("small does not fit zcu102: its memory has 133.3% of the bandwidth. ")
    assert json.loads(json.dumps(found.flat))["limit"] == "bandwidth"


def test_the_largest_array_by_hand(rows):
    """4 x 8 is 1 x 2 four times: 2 t**2 PEs of 10,000 LUTs in 274,080 make t = 3."""
    rows(10_000.0)
    found = fit(SMALL, "zcu102")
    assert (found.limit, found.largest, found.larger) == ("bandwidth", (3, 6), "too little lut")
    assert math.isclose(found.utilization["lut"], 320_000 / 274_080)


@pytest.mark.parametrize(
    ("part", "largest"),
    [
        ("array_edge", 29),  # 5000 LUTs at 4 x 8, and (t / 4)**2 as much at t x 2t: 274,080 at t = 29.6
        ("epilogue", 27),  # one for each of 2t columns: 54 of 5000
    ],
)
def test_what_is_around_the_array_grows_with_it(rows, part, largest):
    rows(5000.0, of=part)
    assert fit(SMALL, "zcu102").largest == (largest, 2 * largest)


def test_what_is_too_large_for_any_array(rows):
    rows(1e6)
    assert fit(SMALL, "kv260").largest == (0, 0)


def test_super_logic_regions_that_are_needed(rows):
    rows(13_000.0)  # 416,000 of 439,680 and 432,000
    assert fit(SMALL, "u280").slrs == 1
    rows(13_700.0)  # 438,400: the first one only
    assert fit(SMALL, "u280").slrs == 1
    rows(13_800.0)
    assert fit(SMALL, "u280").slrs == 2
    rows(40_800.0)  # 1,305,600 of 1,303,680
    found = fit(SMALL, "u280")
    assert (found.slrs, found.fits, found.limit) == (None, False, "lut")


def test_what_is_not_known_is_neither_zero_nor_enough(rows):
    rows(100.0, 100.0)
    found = fit(SMALL, "vhk158")
    assert found.utilization["ff"] is None
    assert set(found.unknown) == {"ff", "bram36"}
    assert found.verdict.startswith("small fits vhk158 as far as its figures are known: ")
    assert found.slrs is None


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("preset", ["mixpe-w4a8", "mixpe-w4a8-ws", "edge-w4a8"])
def test_presets_on_every_board(preset, device):
    found = fit(load_design(preset), device)
    assert found.used["lut"] > 0
    assert found.larger
    assert found.largest > (16, 16)


def test_an_unknown_device():
    with pytest.raises(InputError, match="unknown device 'u55c'; known are u280, vck190, zcu102, kv260, vhk158"):
        fit(load_design("mixpe-w4a8"), "u55c")
