"""Banks and rows of a channel off the chip, and how long it takes to go through the rows of a transfer.

A channel here is what has a data bus of its own: a pseudo channel of HBM, a channel of DDR4. Its addresses are, from the
highest bit, row, bank, column, and below the column a bit of the bank group, so that bursts that follow one another come
from two bank groups in turn and are not held up by one. So a **page** of consecutive bytes is a row in each of two banks, a
**set**; the page behind it is in the next set. A transfer visits pages in the order of its addresses:

    open(v)  = max(open(v - 1) + spacing, open(u) + cycle, end(u) + closing)      u: the visit of the set before
    begin(v) = max(end(v - 1), open(v) + row_to_column)
    end(v)   = begin(v) + bytes / rate

A page that is still open is not opened again. So rows of other sets are opened while bytes of the visits before move, as a
controller does that looks ahead, and a set whose row changes holds the channel up. The first visit finds its row open: that is
part of the transfer's latency.

Addresses go round the channels, ``interleave`` bytes each, so that consecutive bytes of a transfer are consecutive in each.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Banks:
    """A channel of :data:`sim.memory.MEMORIES` is ``buses`` of the channels of this file, which have ``sets`` of
    ``interleaved`` banks with rows of ``row_bytes`` [byte]; times of a row are in [ns].

    ``row_to_column`` is tRCD, ``cycle`` tRC, from one opening of a bank to the next. A row is closed, tRP among it,
    ``after_read`` or ``after_write`` of its last burst. In ``four`` (tFAW) at most four rows are opened, in ``two`` (tRRD) one.
    ``turnaround`` is what the bus loses from reads to writes and back to reads, ``refresh`` the share of the time in which all
    banks are refreshed.
    """

    buses: int
    row_bytes: int
    interleaved: int
    sets: int
    row_to_column: float
    cycle: float
    after_read: float
    after_write: float
    two: float
    four: float
    turnaround: float
    refresh: Fraction
    source: str

    @property
    def page(self) -> int:
        """Bytes of a row of each bank of a set."""
        return self.row_bytes * self.interleaved

    @property
    def spacing(self) -> float:
        """From the opening of a set's rows to that of the next one's [ns]."""
        return self.interleaved * max(self.two, self.four / 4)


_HBM_TIMES = (
    "times of gem5's HBM_2000_4H_1x64 (gem5/gem5, src/python/gem5/components/memory/dram_interfaces/hbm.py): tRCD 12, tRAS 28, "
    "tRP 14, tRTP 5, tCWL 7, tWR 14, tRRD 4, four openings in 16, tRTW 18, tBURST 2, tWTR_L 9 ns; "
    "refresh tRFC 260 ns of 4 Gb a channel, tREFI 3.9 us (CMU-SAFARI/ramulator2, src/dram/impl/HBM2.cpp at 1fb94b8)"
)
_HBM: dict[str, Any] = {
    "buses": 2,
    "row_bytes": 1024,
    "interleaved": 2,
    "row_to_column": 12.0,
    "cycle": 28.0 + 14.0,
    "after_read": 5.0 + 14.0,
    "after_write": 7.0 + 14.0 + 14.0,
    "two": 4.0,
    "four": 16.0,
    "turnaround": 18.0 - 2.0 + 7.0 + 9.0,
    "refresh": Fraction(260, 3900),
}
_HBM2 = Banks(
    **_HBM,
    sets=8,
    source="AMD PG276: 16 banks of a pseudo channel, RA[13:0], CA[5:1] of 32 bytes, so rows of 1 KiB; default address map "
    "row-bank-column with bank groups interleaved, RA13..RA0 BG1 BA1 BA0 CA5..CA1 BG0 (the default of Shuhai's table II, "
    f"14R-1BG-2B-5C-1BG, too); {_HBM_TIMES}",
)
_HBM2E = Banks(
    **_HBM,
    sets=16,
    source=f"AMD PG313: 32 banks of a pseudo channel with its SID bit, the rest taken to be as of hbm2: {_HBM_TIMES}",
)
_DDR_MAP = (
    "R-2B-1BG-7C-1BG-3C, the map of AMD PG313 for linear reads; times and geometry of JESD79-4 as in CMU-SAFARI/ramulator2"
)

BANKS: dict[str, Banks] = {
    "hbm2": _HBM2,
    "hbm2_1800": _HBM2,
    "hbm2e": _HBM2E,
    "ddr4": Banks(
        buses=1,
        row_bytes=8192,
        interleaved=2,
        sets=8,
        row_to_column=13.75,
        cycle=46.25,
        after_read=7.5 + 13.75,
        after_write=10.0 + 15.0 + 13.75,
        two=2.5,
        four=21.25,
        turnaround=22.5,
        refresh=Fraction(360, 7800),
        source=f"devices of x8, four groups of four banks, 1024 columns of 64 bit; {_DDR_MAP}, src/dram/impl/DDR4.cpp at "
        "525d045, DDR4_3200AA: 0.625 ns x (nRCD 22, nRC 74, nRTP 12 + nRP 22, nCWL 16 + nWR 24 + nRP 22, nRRDS 4, nFAW 34, "
        "read to write nCL 22 + 2 - nCWL 16, write to read nCWL 16 + nWTRL 12)",
    ),
    "ddr4_2400": Banks(
        buses=1,
        row_bytes=8192,
        interleaved=2,
        sets=4,
        row_to_column=13.33,
        cycle=45.83,
        after_read=7.5 + 13.33,
        after_write=10.0 + 15.0 + 13.33,
        two=5.83,
        four=30.0,
        turnaround=22.5,
        refresh=Fraction(360, 7800),
        source=f"four devices of x16, two groups of four banks, 1024 columns of 64 bit; {_DDR_MAP}, DDR4_2400R: 0.833 ns x "
        "(nRCD 16, nRC 55, nRTP 9 + nRP 16, nCWL 12 + nWR 18 + nRP 16, nRRDS 7, nFAW 36, read to write nCL 16 + 2 - nCWL 12, "
        "write to read nCWL 12 + nWTRL 9)",
    ),
}
"""By memory of :data:`sim.memory.MEMORIES`."""

Cycles = NDArray[np.int64]


@numba.njit(cache=True)
def bytes_before(address, part, parts, interleave):  # type: ignore[no-untyped-def]
    """Of all bytes before ``address`` those that lie in one of ``parts``, round which addresses go."""
    whole, rest = divmod(address, interleave * parts)
    return whole * interleave + min(max(rest - part * interleave, 0), interleave)


@numba.njit(cache=True)
def busiest_part(memory, size, runs, pitch, parts, interleave):  # type: ignore[no-untyped-def]
    """Of each transfer what is moved by the one of ``parts`` that moves most [byte]."""
    found = np.zeros(len(memory), np.int64)
    moved = np.zeros(parts, np.int64)
    for i in range(len(memory)):
        moved[:] = 0
        for run in range(runs[i]):
            first = memory[i] + run * pitch[i]
            last = first + size[i]
            for piece in range(first // interleave, min(-(-last // interleave), first // interleave + parts)):
                part = piece % parts
                moved[part] += bytes_before(last, part, parts, interleave) - bytes_before(first, part, parts, interleave)
        found[i] = moved.max()
    return found


@numba.njit(cache=True)
def schedule(memory, size, runs, pitch, channels, interleave, page, sets, times, per_byte):  # type: ignore[no-untyped-def]
    """Of each transfer when the last channel has moved its bytes, and how many pages are opened in the busiest one.

    ``times`` are ``spacing``, ``cycle``, ``closing`` and ``row_to_column`` in units of which a byte takes ``per_byte``.
    """
    ends, pages = np.zeros(len(memory), np.int64), np.zeros(len(memory), np.int64)
    # The last transfer of a channel or a set, and what is left of it: end, opening, pages; row, end, opening.
    channel, bank = np.full((channels, 4), -1, np.int64), np.full((channels, sets, 4), -1, np.int64)
    for i in range(len(memory)):
        like = (-1, -1)
        for run in range(runs[i]):
            first = memory[i] + run * pitch[i]
            last = first + size[i]
            for piece in range(first // interleave, min(-(-last // interleave), first // interleave + channels)):
                c = piece % channels
                at = bytes_before(first, c, channels, interleave)
                until = bytes_before(last, c, channels, interleave)
                if runs[i] == 1 and (at, until) == like:
                    continue
                like = (at, until)
                if channel[c, 0] != i:
                    channel[c, 0], channel[c, 1], channel[c, 2], channel[c, 3] = i, 0, -times[3] - times[0], 0
                _visits(i, channel[c], bank[c], at, until, page, sets, times, per_byte)
                ends[i], pages[i] = max(ends[i], channel[c, 1]), max(pages[i], channel[c, 3])
    return ends, pages


@numba.njit(cache=True)
def _visits(i, channel, bank, at, until, page, sets, times, per_byte):  # type: ignore[no-untyped-def]
    """The pages of bytes ``at`` to ``until`` of a channel."""
    spacing, cycle, closing, row_to_column = times
    number = at // page
    row, s = number // sets, number % sets
    while at < until:
        behind = min(until, at - at % page + page)
        if bank[s, 0] != i or bank[s, 1] != row:
            opens = channel[2] + spacing
            if bank[s, 0] == i:
                opens = max(opens, bank[s, 3] + cycle, bank[s, 2] + closing)
            bank[s, 0], bank[s, 1], bank[s, 3] = i, row, opens
            channel[1], channel[2], channel[3] = max(channel[1], opens + row_to_column), opens, channel[3] + 1
        channel[1] += (behind - at) * per_byte
        bank[s, 2] = channel[1]
        at, s = behind, s + 1
        if s == sets:
            s, row = 0, row + 1
