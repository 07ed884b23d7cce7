"""Memories off the chip as an overlay sees them: channels behind ports of the fabric's clock, and what a transfer takes.

Addresses go round the ports, ``INTERLEAVE`` bytes each, and in the same way round the channels: where there are as many of
one as of the other, each port has a channel of its own, as the ports of AMD's HBM have, and needs no switch. A transfer is of
runs of consecutive bytes, ``pitch`` apart. Ports and channels work side by side, each through its bytes in order:

    cycles = max over ports     of  bytes / what a port takes a cycle
             max over channels  of  the schedule of its rows (:mod:`sim.overlay.banks`), at the rate that it sustains or that
                                    its ports take, whichever is less

A port with one channel waits while that is refreshed, for nobody states what it has in store; one with several goes on.
So a stride that lands on few ports uses these alone, runs that change the row of a bank wait for it, and rows of other banks
are opened meanwhile. The efficiency as a function of the burst's length follows. A transfer's latency, from its beginning to
its first bytes, has the first rows' opening in it, and is hidden behind the transfer before.

Reads and writes have lines of their own in a port and share a channel's bus. What the bus lacks while a store lasts, if a load
wants to move as many bytes, holds the load up (:meth:`Channels.hold`): the turnarounds, one for each page that is written, and
what is more than the channel sustains.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sim.errors import choose
from sim.memory import MEMORIES
from sim.overlay.banks import BANKS, Banks, busiest_part, schedule

INTERLEAVE = 256
"""[byte] Eight bursts of 32: long enough for one address of an AXI4 burst of 256-bit words, short enough to spread a vector."""


FINE = 1000
"""Of the rational rate's denominator: times of a row are rounded up to so fine a part of a cycle."""


@dataclass(frozen=True)
class Latency:
    """[ns] Of a read at an idle channel, in a row that is not open while another is."""

    missed: float
    source: str


_SHUHAI = "Wang et al., Shuhai (FCCM 2020, arXiv 2005.04324), table IV, measured on a U280"
_HBM = Latency(137.8, f"{_SHUHAI}: 62 cycles at 450 MHz")
_DDR = Latency(106.6, f"{_SHUHAI}: 32 cycles at 300 MHz")

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
    """``channels`` of a memory behind ``ports`` of ``port_bits`` [bit/cycle] at ``clock_hz``."""

    memory: str
    channels: int
    ports: int
    port_bits: int
    clock_hz: int

    @property
    def banks(self) -> Banks:
        """Of each bus."""
        return BANKS[self.memory]

    @property
    def buses(self) -> int:
        """Channels that have a data bus of their own."""
        return self.channels * self.banks.buses

    @property
    def rate(self) -> Fraction:
        """What a port moves, if all do [byte/cycle]."""
        return min(self._sustained * self.buses / self.ports, self._port * (1 - self._refresh))

    @property
    def peak(self) -> Fraction:
        """What all channels have by their pins [byte/cycle]."""
        return Fraction(MEMORIES[self.memory].bits_per_second * self.channels, 8 * self.clock_hz)

    @property
    def latency(self) -> int:
        """From a transfer's beginning to its first bytes [cycle]."""
        return self._cycles(choose("memory of an overlay", self.memory, LATENCIES).missed)

    def cycles(
        self, memory: Sizes | int, size: Sizes | int, runs: Sizes | int = 1, pitch: Sizes | int = 0, write: bool = False
    ) -> Sizes:
        """Of transfers of so many runs of ``size`` [byte], the first at address ``memory``, behind their latency [cycle]."""
        return self._transfer(memory, size, runs, pitch, write)[0]

    def hold(self, memory: Sizes | int, size: Sizes | int, runs: Sizes | int = 1, pitch: Sizes | int = 0) -> Sizes:
        """For how long such stores hold up a load that moves meanwhile [cycle].

        None where ports share the channels' work so that each has less than half of it, for the bus is idle then.
        """
        busy, visits = self._transfer(memory, size, runs, pitch, True)
        if self.ports < self.buses:
            return np.zeros_like(busy)
        short = 2 * self._channel / self._sustained - 1
        turnarounds = visits * self._cycles(self.banks.turnaround)
        lacks = -(-busy * short.numerator // short.denominator)
        return np.asarray(np.maximum(lacks + turnarounds, 0), np.int64)

    def efficiency(self, size: int, where: str) -> float:
        """The share of all ports' rate that bursts of ``size`` [byte] get which begin at the same place in a turn of channels.

        ``where`` is ``banks``, each in a row of the bank behind that of the one before, or ``bank``, each in another row of the
        same bank. Raises ``InputError`` for anything else.
        """
        sets = choose("place of bursts", where, {"banks": 1, "bank": self.banks.sets})
        apart, many = self.buses * self.banks.page * sets, 1 << 10
        cycles = int(self.cycles(0, size, many, -(-size // apart) * apart))
        return float(many * size / (cycles * self.rate * self.ports))

    @property
    def _sustained(self) -> Fraction:
        """Of a bus [byte/cycle]."""
        return MEMORIES[self.memory].sustained_bits_per_second / self.banks.buses / 8 / self.clock_hz

    @property
    def _port(self) -> Fraction:
        """What a port takes [byte/cycle]."""
        return Fraction(self.port_bits, 8)

    @property
    def _channel(self) -> Fraction:
        """What a bus moves to its ports [byte/cycle]."""
        return min(self._sustained, self._port * (1 - self._refresh) * max(Fraction(1), Fraction(self.ports, self.buses)))

    @property
    def _refresh(self) -> Fraction:
        """The share of the time in which a port waits for a channel that is refreshed."""
        return self.banks.refresh if self.ports >= self.buses else Fraction(0)

    def _transfer(
        self, memory: Sizes | int, size: Sizes | int, runs: Sizes | int, pitch: Sizes | int, write: bool
    ) -> tuple[Sizes, Sizes]:
        """Cycles of each transfer, and pages that its busiest channel visits."""
        given = np.broadcast_arrays(*(np.asarray(one, np.int64) for one in (memory, size, runs, pitch)))
        flat = tuple(np.ascontiguousarray(one).reshape(-1) for one in given)
        unit, per_byte = (part * FINE for part in self._channel.as_integer_ratio())
        banks = self.banks
        closing = banks.after_write if write else banks.after_read
        times = tuple(
            math.ceil(Fraction(str(time)) * self.clock_hz * unit / 10**9)
            for time in (banks.spacing, banks.cycle, closing, banks.row_to_column)
        )
        ends, visits = schedule(*flat, self.buses, INTERLEAVE, banks.page, banks.sets, times, per_byte)
        cycles = -(-ends // unit)
        if self.ports != self.buses:
            width, denominator = self._port.as_integer_ratio()
            cycles = np.maximum(cycles, -(-busiest_part(*flat, self.ports, INTERLEAVE) * denominator // width))
        return cycles.reshape(given[0].shape), visits.reshape(given[0].shape)

    def _cycles(self, nanoseconds: float) -> int:
        return math.ceil(nanoseconds * 1e-9 * self.clock_hz)
