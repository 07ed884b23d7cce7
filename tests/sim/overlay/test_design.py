"""What of an overlay's design cannot be built."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from sim.errors import InputError
from sim.overlay.design import OverlayDesign, load_overlay
from sim.overlay.memory import Channels


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"special_lanes": 48}, "a power of two, at most 4096, not 48"),
        ({"slots": 4, "slot_kib": 1 << 16}, "at most 128 MiB, not the 256 of the weight buffer"),
        ({"activation_buffer_kib": 1 << 18}, "activation_buffer_kib of an overlay is between 1 and 65536, not 262144"),
        ({"weight_format": "uint4"}, "sparse weights have no zero points, as uint4 has"),
        ({"formats": (("up", "bipolar2"),)}, "pruned weights are 0, which bipolar2 does not have"),
        ({"kept": 8, "sparse": False}, "16 without multiplexers, not 8"),
        ({"kept": 6}, "is 2, 4, 8, 16, not 6"),
        ({"kept": 12, "per_block": True}, "is 1, 2, 3, 4, 5, 6, 7, 8, not 12"),
        ({"kept": 6, "per_block": True, "group_size": 16}, "have a mean such as 4, not 6"),
        ({"kept": 16, "per_block": True, "sparse": False}, "per_block of an overlay goes with multiplexers"),
    ],
)
def test_what_cannot_be_built_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OverlayDesign("wrong", **fields)


def test_dense_weights_may_have_zero_points() -> None:
    assert OverlayDesign("dense", kept=16, weight_format="uint4").engine.weight_formats == ("uint4", "int8")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prefill_step": 16}, "an engine of fp16_tree takes one token, so prefill_step is 1, not 16"),
        ({"group_size": 96}, "whole trees of 64 products, such as 64, not 96"),
        ({"weight_format": "int4"}, "unknown weight format of an overlay 'int4'; known are fp16"),
        ({"element": "dsp", "chain": 8}, "unknown weight format of an overlay 'fp16'"),
    ],
)
def test_what_does_not_go_with_fp16_numbers_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(load_overlay("dfx-u280"), **fields)


def test_dfx_takes_what_its_memory_gives() -> None:
    """32 channels of 512 bit a cycle are the 64 x 16 numbers of 16 bit that DFX's matrix unit takes.

    Each waits while it is refreshed, 260 ns of 3.9 us (ramulator2, HBM2.cpp).
    """
    design = load_overlay("dfx-u280")
    assert design.engine.macs_per_cycle("mv") * 16 == 32 * 512
    assert design.channels_off_chip == Channels("hbm2_1800", 16, 32, 512, 200_000_000)
    assert design.channels_off_chip.rate == Fraction(512, 8) * (1 - Fraction(260, 3900))
