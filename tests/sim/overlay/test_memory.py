"""Transfers, by hand."""

from fractions import Fraction

import numpy as np
import pytest

from sim.errors import InputError
from sim.memory import MEMORIES
from sim.overlay.memory import LATENCIES, Channels

U280 = Channels("hbm2_1800", 16, 32, 256, 225_000_000)
KV260 = Channels("ddr4_2400", 1, 6, 128, 225_000_000)
ONE_PORT = Channels("hbm2_1800", 16, 1, 256, 225_000_000)

TURN = 32 * 256
"""Bytes after which it is the first port's turn again."""
PAGE, SETS = 2048, 8
"""Of a pseudo channel: a row of 1 KiB in each of two banks, 16 banks."""
NEXT_SET, SAME_SET = TURN * PAGE // 256, TURN * PAGE // 256 * SETS


def test_a_port_at_the_fabrics_clock_limits_a_channel_of_hbm() -> None:
    """32 bytes at 225 MHz are 7.2 GB/s, of 32 ports 230.4 GB/s; the pins have 14.4 GB/s each; refresh takes 260 of 3900 ns."""
    assert U280.rate == 32 * Fraction(14, 15)
    assert U280.rate * 32 * 225_000_000 == 230_400_000_000 * Fraction(14, 15)
    assert Channels("hbm2_1800", 16, 32, 256, 450_000_000).rate == Fraction(14_400_000_000 * 425, 460 * 450_000_000)
    assert U280.peak == Fraction(460_800_000_000, 225_000_000)
    assert U280.buses == 32


@pytest.mark.parametrize(
    ("memory", "size", "runs", "pitch", "cycles"),
    [
        # a word of 32 bytes in 15/14 of a cycle
        (0, 1, 1, 0, 1),
        (0, 28, 1, 0, 1),
        (0, 32, 1, 0, 2),
        (0, 256, 1, 0, 9),
        (0, 257, 1, 0, 9),
        (192, 128, 1, 0, 3),  # half of it in the next port
        (0, 8192, 1, 0, 9),
        (0, 8192 + 32, 1, 0, 10),
        (32, 8192, 1, 0, 9),  # 7 words of the first port's first piece, and one of its second
        (8000, 8192, 1, 0, 9),
        (0, 64, 3, 256, 3),  # three ports
        (0, 64, 3, TURN, 7),  # one port, one row
        (0, 64, 33, 256, 5),  # the first port twice
        # 8 ns from the opening of a page's two rows to the next page's, 1.8 cycles
        (0, 256, 3, NEXT_SET, 26),
        (0, 32, 3, NEXT_SET, 5),  # begins at 0, 1.8 and 3.6
        # 42 ns from one opening of a bank to the next, 9.45 cycles; 19 ns to close a row behind its bytes, 12 to open it
        (0, 32, 2, SAME_SET, 11),  # 9.45, and the word
        (0, 256, 2, SAME_SET, 25),  # 8.57 + 4.275 + 2.7 + 8.57
        (0, 256, 3, SAME_SET, 40),  # two changes
        (0, 64, 2, NEXT_SET + 256, 3),  # the next page and the next port
    ],
)
def test_cycles_by_hand(memory: int, size: int, runs: int, pitch: int, cycles: int) -> None:
    assert U280.cycles(memory, size, runs, pitch) == cycles
    assert U280.latency == 32


def test_a_row_that_has_been_written_closes_later() -> None:
    """35 ns: 8.57 + 7.875 + 2.7 + 8.57."""
    assert U280.cycles(0, 256, 2, SAME_SET, write=True) == 28


def test_six_ports_of_one_channel_by_hand() -> None:
    """A port takes 16 bytes a cycle, the channel has 18 GB/s, 80 bytes a cycle."""
    assert KV260.rate == Fraction(80, 6)
    assert KV260.cycles(0, 256) == 16
    assert KV260.cycles(0, 6 * 256) == 20  # of the channel, where each port takes 16
    assert KV260.cycles(0, 256, 4, 6 * 256) == 64  # one port
    assert KV260.cycles(0, 1 << 20) == -(-(1 << 20) // 80)


def test_one_port_of_many_channels_has_no_more_than_its_width() -> None:
    assert ONE_PORT.rate == 32
    assert ONE_PORT.cycles(0, 8192) == 256
    assert ONE_PORT.cycles(0, 64, 16, 256) == 32
    assert ONE_PORT.hold(0, 8192) == 0


def test_what_a_store_takes_of_a_load_by_hand() -> None:
    """Ports take 29.9 of the 59.1 bytes a cycle that a channel sustains, so both directions lack 1.0 %; a turnaround is 32 ns,
    from reads to writes 18 - 2, back 7 + 9: 8 cycles for each page. DDR4 is full with loads alone."""
    assert U280.hold(0, 128, 32, 256) == 8 + 1
    assert U280.hold(0, TURN * 8) == 8 + 1  # 69 cycles
    assert U280.hold(0, TURN * 16) == 16 + 2
    assert KV260.hold(0, 8000) == 6 + 100


def test_many_transfers_are_those_one_by_one(rng: np.random.Generator) -> None:
    given = [rng.integers(0, 1 << 22, 50), rng.integers(1, 3000, 50), rng.integers(1, 5, 50), rng.integers(0, 1 << 20, 50)]
    for channels in (U280, KV260, ONE_PORT):
        assert channels.cycles(*given).tolist() == [int(channels.cycles(*one)) for one in zip(*given, strict=True)]


def test_the_efficiency_of_short_bursts() -> None:
    """At one port of 32 until there are pieces for more, a word in 1.071 cycles. Two rows are opened in 8 ns, 1.8 cycles, a
    bank's next one in 42 ns, 9.45 cycles, or 6.975 behind its bytes."""
    word = 15 / 14
    banks, bank = ([U280.efficiency(1 << bits, where) for bits in range(5, 24)] for where in ("banks", "bank"))
    assert banks == sorted(banks)
    assert bank == sorted(bank)
    assert banks[:4] == pytest.approx([word / 1.8 / 32, 1 / 32, 1 / 32, 1 / 32], rel=2e-3)
    shares = word / 9.45, 2 * word / 9.45, 4 * word / (4 * word + 6.975), 8 * word / (8 * word + 6.975)
    assert bank[:4] == pytest.approx([share / 32 for share in shares], rel=2e-3)
    assert [banks[8], bank[-1]] == pytest.approx([1, 1], rel=1e-3)
    with pytest.raises(InputError, match="place of bursts"):
        U280.efficiency(32, "rows")


@pytest.mark.parametrize("memory", LATENCIES)
def test_every_memory_has_its_rates(memory: str) -> None:
    found = Channels(memory, 2, 2, 512, 300_000_000)
    assert 0 < found.rate <= 64
    assert found.rate <= MEMORIES[memory].sustained_bits_per_second / 8 / 300_000_000
    assert found.latency > 0
    assert found.cycles(0, 1 << 20) == pytest.approx((1 << 20) / float(2 * found.rate), rel=0.01)
