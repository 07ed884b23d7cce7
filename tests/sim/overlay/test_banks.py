"""Rows of transfers, beside a channel that takes burst after burst of a physical address, and the address map by its bits."""

import math
from fractions import Fraction

import numpy as np
import pytest

from sim.overlay.banks import BANKS
from sim.overlay.memory import INTERLEAVE, Channels

MAPS = {
    "hbm2": "R14 G1 B2 C5 G1 32",
    "hbm2e": "R14 G1 B3 C5 G1 32",
    "ddr4": "R16 B2 G1 C7 G1 64",
    "ddr4_2400": "R16 B2 C7 G1 64",
}
"""From the highest bit: row, bank group, bank (with a stack's half), column, bank group, bytes of a burst."""


def physical(address: int, of: str) -> tuple[int, int]:
    """Row and bank of a channel's address, bit by bit."""
    *fields, burst = of.split()
    address //= int(burst)
    row = bank = 0
    width = 0
    for field in reversed(fields):
        kind, bits = field[0], int(field[1:])
        value = address % (1 << bits)
        address >>= bits
        if kind == "R":
            row = value
        elif kind in "GB":
            bank |= value << width
            width += bits
    return row, bank


def reference(channels: Channels, of: str, memory: int, size: int, runs: int, pitch: int, write: bool) -> int:
    """Cycles of a transfer, burst by burst; two rows of a page are opened together."""
    banks, burst = channels.banks, int(of.split()[-1])
    rate = channels.rate * channels.ports / channels.buses
    unit = 1000 * rate.numerator

    def cycles(nanoseconds: float) -> Fraction:
        return Fraction(math.ceil(Fraction(str(nanoseconds)) * channels.clock_hz * unit / 10**9), unit)

    closing = cycles(banks.after_write if write else banks.after_read)
    ends = []
    for channel in range(channels.buses):
        now, opening, open_row, opened, left = Fraction(0), None, {}, {}, {}
        for run in range(runs):
            start = memory + run * pitch
            at = start
            while at < start + size:
                behind = min(start + size, (at // burst + 1) * burst)
                piece = at // INTERLEAVE
                if piece % channels.buses == channel:
                    local = piece // channels.buses * INTERLEAVE + at % INTERLEAVE
                    row, bank = physical(local, of)
                    pair = bank >> 1  # the lowest bit is that of the interleaved bank group
                    if open_row.get(pair) != row:
                        opens = -cycles(banks.row_to_column) if opening is None else opening + cycles(banks.spacing)
                        if pair in opened:
                            opens = max(opens, opened[pair] + cycles(banks.cycle), left[pair] + closing)
                        open_row[pair], opened[pair], opening = row, opens, opens
                        now = max(now, opens + cycles(banks.row_to_column))
                    now += (behind - at) / rate
                    left[pair] = now
                at = behind
        ends.append(now)
    return math.ceil(max(ends))


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("write", [False, True])
def test_a_schedule_is_that_of_burst_after_burst(name: str, write: bool, rng: np.random.Generator) -> None:
    channels = Channels(name, 2, 2 * BANKS[name].buses, 256, 225_000_000)
    for case in range(60):
        page = BANKS[name].page
        size = int(rng.integers(1, (64, 700, 20_000)[case % 3]))
        runs = int(rng.integers(1, 8))
        turn = channels.buses * page
        pitch = int(
            rng.choice([size, 256, turn, BANKS[name].sets * turn, 3 * BANKS[name].sets * turn + 256, rng.integers(1 << 20)])
        )
        memory = int(rng.integers(1 << 22))
        expected = reference(channels, MAPS[name], memory, size, runs, pitch, write)
        assert channels.cycles(memory, size, runs, pitch, write) == expected, (memory, size, runs, pitch)


@pytest.mark.parametrize("name", MAPS)
def test_pages_are_those_of_the_address_map(name: str) -> None:
    banks = BANKS[name]
    *fields, burst = MAPS[name].split()
    columns = sum(int(field[1:]) for field in fields if field[0] == "C")
    in_banks = sum(int(field[1:]) for field in fields if field[0] in "GB")
    assert banks.row_bytes == int(burst) << columns
    assert banks.sets * banks.interleaved == 1 << in_banks
    assert {physical(address, MAPS[name]) for address in range(0, banks.page, int(burst))} == {(0, 0), (0, 1)}
    assert physical(banks.page * banks.sets, MAPS[name]) == (1, 0)


@pytest.mark.parametrize("name", BANKS)
def test_times_are_those_of_a_dram(name: str) -> None:
    """A measured row miss costs 31 to 33 ns more than a hit (Shuhai): closing and opening a row, tRP and tRCD, are of that
    order; a row is open longer than it takes to open it; four openings take longer than one."""
    banks = BANKS[name]
    assert 25 <= banks.row_to_column + banks.after_read - 5 <= 33
    assert banks.cycle > banks.row_to_column + 13
    assert banks.after_write > banks.after_read
    assert banks.four >= 4 * banks.two or banks.four / 4 >= banks.two
