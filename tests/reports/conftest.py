"""A run small enough to add up by hand: two blocks of one projection, one attention product and a head."""

import pandas as pd
import pytest

DESIGN_FIELDS = {
    "name": "by-hand",
    "pe": "shift_add",
    "weight_format": "uint4",
    "activation_format": "int8",
    "accumulator": "exact",
    "group_size": 64,
    "rows": 10,
    "columns": 10,
    "dataflow": "output_stationary",
    "weight_buffer_kib": 128,
    "activation_buffer_kib": 256,
    "output_buffer_kib": 128,
    "memory": "hbm2",
    "memory_channels": 2,
    "clock_mhz": 500,
    "technology": "45nm",
}

LAYERS = {
    "name": ["model.layers.0.q_proj", "model.layers.0.scores", "model.layers.1.q_proj", "lm_head"],
    "kind": ["linear", "scores", "linear", "linear"],
    "count": [1, 2, 1, 1],
    "m": [20, 20, 20, 1],
    "k": [50, 10, 50, 50],
    "n": [10, 20, 10, 40],
    "macs": [10000, 8000, 10000, 2000],
    "cycles": [160, 100, 160, 580],
    "ideal_cycles": [100, 80, 100, 20],
    "compute_cycles": [150, 90, 150, 200],
    "stall_cycles": [10, 10, 10, 380],
    "dram_cycles": [8, 20, 8, 550],
    "utilization": [0.625, 0.8, 0.625, 20 / 580],
    "bound": ["compute", "compute", "compute", "memory"],
    "loop_order": ["columns_outer", "rows_outer", "columns_outer", "columns_outer"],
    "dram_bytes": [1000, 2500, 1000, 70400],
    "energy_pe_J": [1e-09, 1e-09, 1e-09, 2e-09],
    "energy_sram_J": [2e-09, 1e-09, 2e-09, 4e-09],
    "energy_dram_J": [5e-09, 3e-09, 5e-09, 9e-09],
    "energy_J": [8e-09, 5e-09, 8e-09, 1.5e-08],
    "sqnr_dB": [22.5, 0.1 + 0.2, 21.5, float("inf")],
}
"""Totals: 30,000 MACs in 1000 cycles, of which 300 ideal, 290 fill and edges, 410 stall."""

SILICON = {"pe": 3e5, "row_sum": 5e4, "epilogue": 1e5, "array_edge": 5e4, "sram": 5e5}
LOGIC = {"pe": 600, "row_sum": 50, "epilogue": 200, "array_edge": 50}


@pytest.fixture
def run():
    """The run's summary and layers."""
    layers = pd.DataFrame(LAYERS)
    summary = {
        "shiftwise": "0.1.0",
        "design": "by-hand",
        "design_fields": DESIGN_FIELDS,
        "model": "typed-in",
        "phase": "prefill",
        "batch": 1,
        "sequence": 20,
        "macs": 30000,
        "cycles": 1000,
        "ideal_cycles": 300,
        "compute_cycles": 590,
        "stall_cycles": 410,
        "dram_cycles": 586,
        "time_s": 2e-6,
        "utilization": 0.3,
        "tokens": 20,
        "tokens_per_s": 1e7,
        "bound": "compute",
        "dram_bytes": 74900,
        "bits_per_weight": 4.375,
        "energy_J": {"total": 36e-9, "pe": 5e-9, "sram": 9e-9, "dram": 22e-9, "static": 0.0},
        "energy_per_token_J": 1.8e-9,
        "dram_energy_sweep_J": {"4.0": 36e-9, "8.0": 58e-9, "19.0": 118.5e-9},
        "power_W": 0.018,
        "area": {"unit": "um2", "target": "sky130hd", "total": 1e6, **SILICON},
        "fpga": {"unit": "lut_sites", "target": "xcup", "total": 900, **LOGIC, "bram36": 115},
        "sources": {"pe": "a table", "dram": "a standard"},
        "accuracy": {"bytes": 8192, "float_bits_per_byte": 1.6, "hardware_bits_per_byte": 1.64},
    }
    return summary, layers
