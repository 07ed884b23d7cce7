"""Memories off the chip as an overlay sees them: channels behind ports of the fabric's clock, and what a transfer takes.

Addresses go round the ports, ``INTERLEAVE`` bytes each. A transfer is of runs of consecutive bytes. The ports work side by
side, each at the rate that its channel sustains or that it takes, whichever is less; a run lasts as long as its busiest
port. Between two runs of a transfer the row that the next one needs is opened, which no other run hides:

    cycles     = runs * ceil(busiest / rate) + (runs - 1) * ceil(opening * clock)
    efficiency = bytes / (cycles * rate * ports)

so that short runs get little of the rate: the efficiency as a function of the burst's length. The first row's opening is
part of the latency, which is there once a transfer and is hidden behind the transfer before.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sim.errors import choose
from sim.memory import MEMORIES

INTERLEAVE = 256
"""[byte] Eight bursts of 32: long enough for one address of an AXI4 burst of 256-bit words, short enough to spread a vector."""


@dataclass(frozen=True)
class Latency:
    """[ns] Of a read at an idle channel: in a row that is ``open``, and in one that is not while another is, ``missed``."""

    open: float
    missed: float
    source: str

    @property
    def opening(self) -> float:
        """[ns] To close a row and open another."""
        return self.missed - self.open


_SHUHAI = "Wang et al., Shuhai (FCCM 2020, arXiv 2005.04324), table IV, measured on a U280"
_HBM = Latency(106.7, 137.8, f"{_SHUHAI}: 48 and 62 cycles at 450 MHz")
_DDR = Latency(73.3, 106.6, f"{_SHUHAI}: 22 and 32 cycles at 300 MHz")

LATENCIES: dict[str, Latency] = {
    "hbm2": _HBM,
    "hbm2_1800": _HBM,
    "hbm2e": _HBM,
    "ddr4": _DDR,
    "ddr4_2400": _DDR,
}
"""By memory of :data:`sim.memory.MEMORIES`; later generations are taken to be as fast as the ones measured."""

Sizes = NDArray[np.int64]


@dataclass(frozen=True)
class Channels:
    """``channels`` of a memory behind ``ports`` of ``port_bits`` [bit/cycle] at ``clock_hz``, each with its share of them."""

    memory: str
    channels: int
    ports: int
    port_bits: int
    clock_hz: int

    @property
    def rate(self) -> Fraction:
        """What a port moves [byte/cycle]."""
        sustained = MEMORIES[self.memory].sustained_bits_per_second * self.channels / self.ports / self.clock_hz
        return min(sustained, Fraction(self.port_bits)) / 8

    @property
    def peak(self) -> Fraction:
        """What all channels have by their pins [byte/cycle]."""
        return Fraction(MEMORIES[self.memory].bits_per_second * self.channels, 8 * self.clock_hz)

    @property
    def latency(self) -> int:
        """From a transfer's beginning to its first bytes [cycle]."""
        return self._cycles(self._latencies.missed)

    def cycles(self, size: Sizes | int, runs: Sizes | int = 1) -> Sizes:
        """Of a transfer of so many runs of ``size`` [byte], behind its latency [cycle]."""
        opening = self._cycles(self._latencies.opening)
        one = self._run_cycles(np.asarray(size, np.int64))
        runs = np.asarray(runs, np.int64)
        return np.asarray(runs * one + np.maximum(runs - 1, 0) * opening, np.int64)

    def efficiency(self, size: int) -> float:
        """The share of the channels' rate that many runs of ``size`` [byte] get."""
        many = 1 << 16
        return float(many * size / (int(self.cycles(size, many)) * self.rate * self.ports))

    @property
    def _latencies(self) -> Latency:
        return choose("memory of an overlay", self.memory, LATENCIES)

    def _run_cycles(self, size: Sizes) -> Sizes:
        """A run lies at the beginning of a turn of the ports: so many turns are whole, and the rest goes to the first ports."""
        whole, rest = np.divmod(size, INTERLEAVE * self.ports)
        busiest: Sizes = whole * INTERLEAVE + np.minimum(rest, INTERLEAVE)
        numerator, denominator = self.rate.as_integer_ratio()
        return np.asarray(-(-busiest * denominator // numerator), np.int64)

    def _cycles(self, nanoseconds: float) -> int:
        return math.ceil(nanoseconds * 1e-9 * self.clock_hz)
