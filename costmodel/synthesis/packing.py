"""How many LUT sites of an UltraScale+ device a mapped netlist takes.

A slice of UltraScale+ has eight sites with a 6-input LUT each, and one carry chain (AMD UG574, chapter 2). A carry bit takes
its ``S``, a constant too, from the LUT of its own site and its ``DI`` from that LUT's second output or from outside, so

    sites = carry bits + LUTs that feed no carry bit, two of them in one site where five inputs are enough + LUTs as memory

The LUT behind ``DI`` comes along with the one behind ``S`` when both together have at most five inputs. Yosys's own
``estimated_num_lc`` pairs small LUTs without looking at the carry chains, and so can fall below the number of carry
bits; this count cannot. It ignores that a carry bit's unused second output could serve another LUT.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

LUT = re.compile("LUT([1-6])|INV")

CARRIES = ("CARRY4", "CARRY8")

MEMORY_SITES: dict[str, int] = {
    **dict.fromkeys(("SRL16E", "SRLC32E", "RAM32X1S", "RAM64X1S"), 1),
    **dict.fromkeys(("RAM32X1D", "RAM64X1D", "RAM128X1S"), 2),
    **dict.fromkeys(("RAM32M", "RAM64M", "RAM128X1D", "RAM256X1S"), 4),
    **dict.fromkeys(("RAM32M16", "RAM64M8", "RAM256X1D"), 8),
}
"""LUT sites of shift registers and distributed memories (AMD UG974)."""


def _paired(inputs: Counter[int]) -> int:
    """Sites of LUTs counted by their number of inputs, larger ones first taking the largest partner that fits."""
    left = Counter(inputs)
    sites = 0
    for large in (6, 5, 4, 3, 2, 1):
        while left[large]:
            left[large] -= 1
            sites += 1
            partner = next((small for small in range(min(large, 5 - large), 0, -1) if left[small]), 0)
            left[partner] -= 1 if partner else 0
    return sites


def memory_sites(cells: Mapping[str, int]) -> int:
    """LUT sites used as memory or shift register, from cells counted by type."""
    return sum(MEMORY_SITES.get(kind, 0) * number for kind, number in cells.items())


def lut_sites(netlist: Mapping[str, Mapping[str, Any]], outputs: Iterable[int] = ()) -> int:
    """LUT sites of a flat netlist: its cells by name, each as Yosys's ``write_json`` describes it, and nets of output ports."""
    driver: dict[int, str] = {}
    inputs: dict[str, set[int]] = {}
    for name, cell in netlist.items():
        if LUT.fullmatch(cell["type"]):
            pins = cell["connections"]
            driver[pins["O"][0]] = name
            inputs[name] = {bit for pin, bits in pins.items() if pin != "O" for bit in bits if isinstance(bit, int)}
    pins_of = Counter(bit for cell in netlist.values() for bits in cell["connections"].values() for bit in bits)
    pins_of.update(outputs)
    carry_bits = 0
    placed: set[str] = set()
    for cell in netlist.values():
        if cell["type"] not in CARRIES:
            continue
        for propagate, generate in _carry_bits(cell["connections"], pins_of):
            carry_bits += 1
            first, second = driver.get(propagate), driver.get(generate)
            if first:
                placed.add(first)
            along = inputs[first] if first else {propagate} if isinstance(propagate, int) else set()
            if second and len(inputs[second] | along) <= 5:
                placed.add(second)
    others = Counter(max(1, len(inputs[name])) for name in inputs if name not in placed)
    kinds = Counter(cell["type"] for cell in netlist.values())
    return carry_bits + _paired(others) + memory_sites(kinds)


def _carry_bits(pins: Mapping[str, Any], pins_of: Mapping[Any, int]) -> list[tuple[Any, Any]]:
    """``S`` and ``DI`` of a carry cell's bits, up to the last one whose ``S`` is a signal or whose output is read."""
    bits = list(zip(pins["S"], pins["DI"], strict=True))
    used = [isinstance(propagate, int) for propagate, _ in bits]
    for name in ("O", "CO"):
        for place, net in enumerate(pins.get(name, ())):
            used[place] |= pins_of[net] > 1
    return bits[: max((place + 1 for place, is_used in enumerate(used) if is_used), default=0)]
