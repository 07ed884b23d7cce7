"""An engine's shape and latency against hand calculations."""

from typing import Any

import pytest

from sim.errors import InputError
from sim.overlay.engine import Engine


def test_trees_of_fp16_numbers_by_hand() -> None:
    """DFX's tile of 64 x 16 a cycle, of 1,024 multipliers with three slices each.

    A product takes 6 cycles, each of the tree's 6 levels and the running sum 11.
    """
    engine = Engine(1, 1, 512, "fp16_tree", sparse=False, weight_formats=("fp16",))
    assert (engine.width, engine.dsps, engine.macs_per_cycle("mv")) == (64, 3072, 1024)
    assert engine.drain_cycles == 6 + 6 * 11 + 11


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sparse": True}, "an engine of fp16_tree has no multiplexers, so sparse is False, not True"),
        ({"chain": 8}, "groups of a chain of fp16_tree are 16, 32, 64, 128, 256, 512, not 8"),
        ({"weight_formats": ("int8",)}, "unknown weight format of an overlay 'int8'; known are fp16"),
    ],
)
def test_what_trees_do_not_take_is_refused(fields: dict[str, Any], message: str) -> None:
    given = {"chain": 512, "element": "fp16_tree", "sparse": False, "weight_formats": ("fp16",)}
    with pytest.raises(InputError, match=message):
        Engine(**given | fields)


def test_latencies() -> None:
    """Multiplexer 1, slice 4, cascade of four 3, split 1, two levels of adders for the four runs of 16, way 1, sums 1."""
    assert Engine(chain=8).latency == 1 + 4 + 3 + 1 + 2 + 1 + 2
    assert Engine(chain=16).latency == Engine(chain=8).latency
    assert Engine(chain=8, sparse=False).latency == Engine(chain=8).latency - 1
    assert Engine(chain=1).latency == 1 + 4 + 1 + 1 + 0 + 1 + 2
    assert Engine(chain=8, element="shift_add").latency == 1 + 2 + 4 + 1 + 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"units": 0}, "number of units is at least 1, not 0"),
        ({"chain": 3}, "groups of a chain are 1, 2, 4, 8, 16, not 3"),
        ({"element": "lut"}, "unknown element of an engine 'lut'; known are dsp, shift_add"),
        ({"weight_formats": ("fp16",)}, "unknown weight format of an overlay 'fp16'"),
    ],
)
def test_wrong_engines(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Engine(**wrong)
