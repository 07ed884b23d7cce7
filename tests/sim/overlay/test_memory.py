"""Transfers, by hand."""

from fractions import Fraction

import pytest

from sim.memory import MEMORIES
from sim.overlay.memory import LATENCIES, Channels

U280 = Channels("hbm2_1800", 16, 32, 256, 225_000_000)


def test_a_port_at_the_fabrics_clock_limits_a_channel_of_hbm() -> None:
    """32 bytes at 225 MHz are 7.2 GB/s, of 32 ports 230.4 GB/s; the pins have 14.4 GB/s each."""
    assert U280.rate == 32
    assert U280.rate * 32 * 225_000_000 == 230_400_000_000
    assert Channels("hbm2_1800", 16, 32, 256, 450_000_000).rate == Fraction(14_400_000_000 * 425, 460 * 450_000_000)
    assert U280.peak == Fraction(460_800_000_000, 225_000_000)


@pytest.mark.parametrize(
    ("size", "runs", "cycles"),
    [
        (1, 1, 1),
        (32, 1, 1),
        (33, 1, 2),
        (256, 1, 8),
        (257, 1, 8),
        (8192, 1, 8),
        (8193, 1, 9),
        (16384, 2, 2 * 16 + 7),
        (64, 3, 6 + 14),
    ],
)
def test_cycles_by_hand(size: int, runs: int, cycles: int) -> None:
    """A turn is 8192 bytes, 256 of each channel; a row is closed and another opened in 31.1 ns, 7 cycles."""
    assert U280.cycles(size, runs) == cycles
    assert U280.latency == 32


def test_short_runs_get_less_of_the_rate() -> None:
    found = [U280.efficiency(1 << bits) for bits in range(5, 24)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(1 / 8 / 32, rel=1e-4)  # a word of one channel, and a row
    assert found[8] == pytest.approx(8 / 15, rel=1e-4)  # one turn, and a row
    assert found[-1] > 0.99


@pytest.mark.parametrize("memory", LATENCIES)
def test_every_memory_has_its_rates(memory: str) -> None:
    found = Channels(memory, 2, 2, 512, 300_000_000)
    assert 0 < found.rate <= 64
    assert found.rate <= MEMORIES[memory].sustained_bits_per_second / 8 / 300_000_000
    assert found.latency > 0
