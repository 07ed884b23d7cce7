"""What the fabric of an UltraScale+ device spends: an estimate from the power of one published board, with its spread.

Nobody publishes the energy of a LUT, a DSP slice or a block RAM. FlightLLM (Zeng et al., FPGA 2024, arXiv 2401.03868) states
what its design takes of a U280, its clock and that it runs LLaMA2-7B at 45 W, using 65.9 % of the HBM's bandwidth. So

    energy = (1 - idle) * (power - HBM traffic * its energy per bit) / clock / CLBs

is what a configurable logic block (CLB: 8 LUTs, 16 flip-flops) spends in a cycle, on the average of a design at work. Other
blocks count as the CLBs beside which they stand: a column of a clock region has 60 CLBs, or 24 DSP slices, 12 block RAMs of
36 Kbit or 16 UltraRAMs, and is taken to spend the same whatever is in it. ``idle`` is the share of the rest that is spent
without any work (leakage, board, fans), which is not published: a quarter, and none and a half for the spread.

A look from the other side: at 1.1 pJ, the DPU B3136 on a KV260 (43,366 LUTs, 548 DSP slices, 67 block RAMs and 44 UltraRAMs at
300 MHz) comes to 2.4 W; its documentation estimates 7.9 W for the whole board, processors and DRAM included.
"""

from costmodel.sources import Source

POWER_W, CLOCK_HZ = 45.0, 225e6
HBM_BITS_PER_SECOND = 0.659 * 460e9 * 8
FLIGHTLLM = {"lut": 574_000, "dsp": 6345, "bram36": 1252, "uram": 792}

CLBS: dict[str, float] = {"lut": 1 / 8, "ff": 1 / 16, "dsp": 60 / 24, "bram36": 60 / 12, "uram": 60 / 16}
"""Configurable logic blocks beside which each stands (AMD UG574, UG579, UG573; UltraRAMs: AutoBridge's class DeviceU280)."""

BRAM_PORT_BITS = 72

PICOJOULE = 1e-12  # [J]


def clb_energy(idle: float, hbm_per_bit: float) -> float:
    """Energy [pJ] of a CLB in a cycle, for a share of idle power and an energy of the HBM [pJ/bit]."""
    fabric_w = (1 - idle) * (POWER_W - HBM_BITS_PER_SECOND * hbm_per_bit * PICOJOULE)
    clbs = sum(count * CLBS[name] for name, count in FLIGHTLLM.items())
    return fabric_w / CLOCK_HZ / clbs / PICOJOULE


CLB_ENERGY = {"low": clb_energy(0.5, 7.0), "mid": clb_energy(0.25, 5.45), "high": clb_energy(0.0, 3.9)}
"""[pJ] HBM2 of 3.9 to 7 pJ/bit, as published, and the mean of both."""

FABRIC_SOURCE = Source(
    "estimate",
    f"UltraScale+: {CLB_ENERGY['mid']:.2f} pJ for each CLB and cycle, {CLB_ENERGY['low']:.2f} to {CLB_ENERGY['high']:.2f}, "
    "from the power of FlightLLM on a U280 (Zeng et al., FPGA 2024) less its HBM's and an assumed share of idle power, "
    "spread over what the design takes by height in the device's columns",
)
