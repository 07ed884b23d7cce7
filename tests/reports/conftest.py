"""A run small enough to add up by hand: two blocks of a norm, a projection, scores and softmax, between embedding and head."""

import pandas as pd
import pytest

DESIGN_FIELDS = {
    "name": "by-hand",
    "pe": "shift_add",
    "weight_format": "uint4",
    "activation_format": "int8",
    "kv_format": "as_weights",
    "accumulator": "exact",
    "group_size": 64,
    "rows": 10,
    "columns": 10,
    "dataflow": "output_stationary",
    "weight_buffer_kib": 128,
    "activation_buffer_kib": 256,
    "output_buffer_kib": 128,
    "bank_width": 64,
    "vector_latency": 16,
    "memory": "hbm2_peak",
    "memory_channels": 2,
    "clock_mhz": 500,
    "technology": "45nm",
}

VECTOR = {
    "unit": "vector",
    **dict.fromkeys(("m", "k", "n", "macs", "ideal_cycles", "edge_cycles", "fill_cycles", "port_cycles"), 0),
    **dict.fromkeys(("weight_buffer_bytes", "activation_buffer_bytes", "output_buffer_bytes"), 0),
    "count": 1,
    "wait_cycles": 0,
    "dram_wait_cycles": 0,
    "stall_cycles": 0,
    "utilization": 0.0,
    "blocking": "",
    "bound": "compute",
    "intensity": 0.0,
    "energy_pe_J": 0.0,
    "energy_sram_J": 0.0,
    "sqnr_dB": None,
}
ARRAY = {
    "unit": "array",
    "count": 1,
    "wait_cycles": 0,
    "dram_wait_cycles": 0,
    "lane_cycles": 0,
    "vector_operations": 0,
    "energy_vector_J": 0.0,
}

EMBED = VECTOR | {
    "name": "model.embed",
    "kind": "embedding",
    "bound": "memory",
    "cycles": 20,
    "lane_cycles": 12,
    "stall_cycles": 8,
    "dram_cycles": 20,
    "vector_operations": 0,
    "dram_bytes": 400,
    "energy_vector_J": 0.0,
    "energy_dram_J": 1e-9,
    "energy_J": 1e-9,
}
NORM = VECTOR | {
    "kind": "norm",
    "cycles": 30,
    "lane_cycles": 30,
    "dram_cycles": 2,
    "vector_operations": 50,
    "dram_bytes": 200,
    "energy_vector_J": 0.5e-9,
    "energy_dram_J": 1e-9,
    "energy_J": 1.5e-9,
}
SOFTMAX = VECTOR | {
    "kind": "softmax",
    "cycles": 50,
    "wait_cycles": 40,
    "lane_cycles": 50,
    "dram_cycles": 7,
    "vector_operations": 100,
    "dram_bytes": 800,
    "energy_vector_J": 1e-9,
    "energy_dram_J": 2e-9,
    "energy_J": 3e-9,
}
PROJECTION = ARRAY | {
    "kind": "linear",
    "m": 20,
    "k": 50,
    "n": 10,
    "macs": 10_000,
    "cycles": 160,
    "ideal_cycles": 100,
    "edge_cycles": 40,
    "fill_cycles": 10,
    "stall_cycles": 10,
    "port_cycles": 5,
    "dram_cycles": 8,
    "utilization": 0.625,
    "bound": "compute",
    "blocking": "m10 k25 n10",
    "dram_bytes": 1000,
    "weight_buffer_bytes": 500,
    "activation_buffer_bytes": 1000,
    "output_buffer_bytes": 800,
    "intensity": 10.0,
    "energy_pe_J": 1e-9,
    "energy_sram_J": 2e-9,
    "energy_dram_J": 5e-9,
    "energy_J": 8e-9,
}
SCORES = ARRAY | {
    "kind": "scores",
    "count": 2,
    "m": 20,
    "k": 10,
    "n": 20,
    "macs": 8000,
    "cycles": 100,
    "wait_cycles": 20,
    "dram_wait_cycles": 20,
    "ideal_cycles": 80,
    "edge_cycles": 0,
    "fill_cycles": 10,
    "stall_cycles": 10,
    "port_cycles": 5,
    "dram_cycles": 20,
    "utilization": 0.8,
    "bound": "compute",
    "blocking": "k10 m20 n20",
    "dram_bytes": 2500,
    "weight_buffer_bytes": 800,
    "activation_buffer_bytes": 400,
    "output_buffer_bytes": 1600,
    "intensity": 3.2,
    "energy_pe_J": 1e-9,
    "energy_sram_J": 1e-9,
    "energy_dram_J": 3e-9,
    "energy_J": 5e-9,
}
HEAD = ARRAY | {
    "name": "lm_head",
    "kind": "linear",
    "m": 1,
    "k": 50,
    "n": 40,
    "macs": 2000,
    "cycles": 320,
    "ideal_cycles": 20,
    "edge_cycles": 180,
    "fill_cycles": 20,
    "stall_cycles": 100,
    "port_cycles": 5,
    "dram_cycles": 300,
    "utilization": 0.0625,
    "bound": "memory",
    "blocking": "n12 m1 k25",
    "dram_bytes": 71_000,
    "weight_buffer_bytes": 2000,
    "activation_buffer_bytes": 1000,
    "output_buffer_bytes": 160,
    "intensity": 2 / 71,
    "energy_pe_J": 2e-9,
    "energy_sram_J": 4e-9,
    "energy_dram_J": 9e-9,
    "energy_J": 15e-9,
}
ROWS = [
    EMBED | {"start": 0, "end": 20},
    NORM | {"name": "model.layers.0.norm", "start": 20, "end": 50},
    PROJECTION | {"name": "model.layers.0.q_proj", "start": 50, "end": 210, "sqnr_dB": 22.5},
    SCORES | {"name": "model.layers.0.scores", "start": 210, "end": 330, "sqnr_dB": 0.1 + 0.2},
    SOFTMAX | {"name": "model.layers.0.softmax", "start": 260, "end": 350},
    NORM | {"name": "model.layers.1.norm", "start": 350, "end": 380},
    PROJECTION | {"name": "model.layers.1.q_proj", "start": 380, "end": 540, "sqnr_dB": 21.5},
    SCORES | {"name": "model.layers.1.scores", "start": 540, "end": 660, "sqnr_dB": 18.25},
    SOFTMAX | {"name": "model.layers.1.softmax", "start": 590, "end": 680},
    HEAD | {"start": 680, "end": 1000, "sqnr_dB": float("inf")},
]
"""38,000 MACs in 1000 cycles: 380 ideal, 260 edges, 60 fill, 180 stalls and waits; the array is idle in 50 + 50 + 20."""

BLOCKS = {
    "product": ["lm_head"] * 6,
    "lane": ["load", "compute", "load", "compute", "load", "store"],
    "block": [0, 0, 1, 1, 2, 0],
    "start": [0, 75, 75, 150, 150, 225],
    "end": [75, 130, 150, 205, 225, 230],
}

SILICON = {"pe": 3e5, "row_sum": 5e4, "epilogue": 1e5, "array_edge": 5e4, "sram": 5e5}
LOGIC = {"pe": 600, "row_sum": 50, "epilogue": 200, "array_edge": 50}

SUMMARY = {
    "shiftwise": "0.1.0",
    "design": "by-hand",
    "design_fields": DESIGN_FIELDS,
    "model": "typed-in",
    "phase": "prefill",
    "batch": 1,
    "sequence": 20,
    "parameters": 4000,
    "macs": 38_000,
    "cycles": 1000,
    "cycle_losses": {"ideal": 380, "edges": 260, "fill": 60, "memory": 180, "vector": 120},
    "ideal_cycles": 380,
    "compute_cycles": 700,
    "stall_cycles": 180,
    "vector_cycles": 260,
    "dram_cycles": 394,
    "time_s": 2e-6,
    "utilization": 0.38,
    "tokens": 20,
    "tokens_per_s": 1e7,
    "passes_per_s": 5e5,
    "bound": "compute",
    "dram_bytes": 80_400,
    "dram_bytes_by_tensor": {
        "vector_reads": 1500,
        "vector_writes": 900,
        "weights": 70_000,
        "activations": 3000,
        "totals": 0,
        "results": 2000,
        "keys": 3000,
    },
    "buffer_bytes": {"weight": 4600, "activation": 3800, "output": 4960},
    "intensity": 380 / 804,
    "bits_per_weight": 4.375,
    "energy_J": {"total": 51e-9, "pe": 6e-9, "vector": 3e-9, "sram": 10e-9, "dram": 32e-9, "static": 0.0},
    "energy_per_token_J": 2.55e-9,
    "dram_energy_sweep_J": {"4.0": 51e-9, "8.0": 83e-9, "19.0": 171e-9},
    "power_W": 0.0255,
    "area": {"unit": "um2", "target": "sky130", "total": 1e6, **SILICON},
    "fpga": {"unit": "lut_sites", "target": "xcup", "total": 900, **LOGIC, "bram36": 115},
    "uncounted_operations": [],
    "sources": {"pe": "a table", "dram": "a standard"},
    "accuracy": {"bytes": 8192, "float_bits_per_byte": 1.6, "hardware_bits_per_byte": 1.64},
}


@pytest.fixture
def run():
    """The run's summary, layers and blocks."""
    return dict(SUMMARY), pd.DataFrame(ROWS), pd.DataFrame(BLOCKS)


@pytest.fixture
def shapes_run(run):
    """The same run of shapes alone, of whose model nobody said the size."""
    summary, layers, blocks = run
    return summary | {"accuracy": None, "parameters": None}, layers.assign(sqnr_dB=None), blocks
