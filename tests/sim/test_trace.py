"""Counts that the simulator hands over, and their sums."""

import pytest

from sim.trace import ACTIONS, Trace, add


def test_a_trace_is_frozen_from_its_counts() -> None:
    counts = {"mac": 1}
    trace = Trace(5, counts)
    counts["mac"] = 2
    assert dict(trace.counts) == {"mac": 1}
    with pytest.raises(TypeError):
        trace.counts["mac"] = 3  # type: ignore[index]


@pytest.mark.parametrize("counts", [{"mca": 1}, {"mac": 1, "dram_read": -1}])
def test_unknown_actions_and_negative_counts_are_refused(counts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"^counts are non-negative and of the actions mac, .*, dram_write; got \w+: -?1$"):
        Trace(1, counts)


def test_traces_one_after_the_other() -> None:
    """Absent actions did not happen, and those that did not happen are absent."""
    total = add([Trace(3, {"mac": 4, "row_sum": 0}), Trace(0, {}), Trace(10, {"mac": 1, "dram_read": 7})])
    assert total == Trace(13, {"mac": 5, "dram_read": 7})
    assert add(iter([Trace(2, {"mac": 1})])) == Trace(2, {"mac": 1})
    assert add([]) == Trace(0, {})


def test_every_action_says_what_is_counted() -> None:
    assert all(meaning.startswith("one ") for meaning in ACTIONS.values())
    assert {action.rpartition("_")[0] for action in ACTIONS if action.endswith(("_read", "_write"))} == {
        "weight_buffer",
        "activation_buffer",
        "output_buffer",
        "dram",
    }
