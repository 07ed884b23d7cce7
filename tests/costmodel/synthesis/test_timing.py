"""Arrival times, by hand on an adder chain and by another program's longest path on a PE."""

from collections import defaultdict
from itertools import pairwise

import networkx
import pytest

from costmodel.measure import synthesise_component
from costmodel.synthesis.liberty import sky130_cells
from costmodel.synthesis.timing import BUFFER, Spread, timing
from costmodel.synthesis.wires import NET_UM, SIGNAL_FF_PER_UM
from sim.design import load_design

PREFIX = "sky130_fd_sc_hd__"


def cell(kind, **pins):
    return {"type": PREFIX + kind, "connections": {pin: [bit] for pin, bit in pins.items()}}


def adder_chain(bits):
    """``{carry, sum} <= a + b + carry_in``, its ripple carry of majority gates, its sums of three-input XORs."""
    clock, a, b = 2, range(100, 100 + bits), range(200, 200 + bits)
    carry, total, held = range(300, 301 + bits), [*range(400, 400 + bits), 300 + bits], range(500, 501 + bits)
    cells = {}
    for i in range(bits):
        cells[f"carry_{i}"] = cell("maj3_1", A=a[i], B=b[i], C=carry[i], X=carry[i + 1])
        cells[f"sum_{i}"] = cell("xor3_1", A=a[i], B=b[i], C=carry[i], X=total[i])
    cells |= {f"held_{i}": cell("dfxtp_1", CLK=clock, D=total[i], Q=held[i]) for i in range(bits + 1)}
    inputs = {"clk": [clock], "a": list(a), "b": list(b), "carry_in": [carry[0]]}
    ports = {name: {"direction": "input", "bits": nets} for name, nets in inputs.items()}
    return {"ports": ports | {"held": {"direction": "output", "bits": list(held)}}, "cells": cells, "netnames": {}}


def test_an_adder_chain_by_hand():
    """Of three bits. Of its 17 nets 9 have two sinks (a, b, three carries), 8 one (the last carry, sums, held): 26 sinks.

    The wire of a sink is 17/26 of a net's 3.3765 fF (19.588 um of 0.172375 fF): 2.20772 fF. From a register outside b[0] comes
    after 282.18 ps + 5.1677 ps/fF x (2.538 + 5.280 + 2 x 2.20772) fF; two carries take 220.65 ps + 6.604 ps/fF x (3.052 + 3.485
    + 2 x 2.20772) fF each, the last sum 233.97 ps + 7.2006 ps/fF x (1.678 + 2.20772) fF, and the register wants it 83.45 ps
    before its clock.
    """
    found = timing(adder_chain(3))
    wire = 2.20772
    from_b = 282.18 + 5.1677 * (2.538 + 5.280 + 2 * wire)
    carry = 220.65 + 6.604 * (3.052 + 3.485 + 2 * wire)
    total = 233.97 + 7.2006 * (1.678 + wire)
    assert found.delay_ps == pytest.approx(from_b + 2 * carry + total + 83.45, abs=0.01)
    assert [(step.name, step.kind.removeprefix(PREFIX)) for step in found.path] == [
        ("b[0]", ""),
        ("carry_0", "maj3_1"),
        ("carry_1", "maj3_1"),
        ("sum_2", "xor3_1"),
    ]
    arrivals = [from_b, from_b + carry, from_b + 2 * carry, from_b + 2 * carry + total]
    assert [step.arrival for step in found.path] == pytest.approx(arrivals, abs=0.01)


def test_each_bit_takes_another_carry():
    """Longer chains differ by their carries, and by the share of nets with one sink, which nears 2 of 5 from above."""
    delays = [timing(adder_chain(bits)).delay_ps for bits in (8, 9, 10, 11)]
    steps = [later - earlier for earlier, later in pairwise(delays)]
    assert steps == pytest.approx([220.65 + 6.604 * (3.052 + 3.485 + 2 * 2.15)] * 3, rel=0.01)


def test_between_registers_by_hand():
    """Two registers and an inverter, all nets with one sink: a wire of 3.3765 fF each. The output's register is outside."""
    ports = {"clk": {"direction": "input", "bits": [2]}, "q": {"direction": "output", "bits": [5]}}
    cells = {
        "first": cell("dfxtp_1", CLK=2, D="0", Q=3),
        "not": cell("inv_1", A=3, Y=4),
        "second": cell("dfrtp_1", CLK=2, D=4, RESET_B="1", Q=5),
    }
    found = timing({"ports": ports, "cells": cells, "netnames": {}})
    to_second = 282.18 + 5.1677 * (2.302 + 3.3765) + 31.01 + 4.583 * (1.977 + 3.3765) + 88.22
    to_output = 270.74 + 5.3881 * (1.678 + 3.3765) + 83.45
    assert found.delay_ps == pytest.approx(to_second, abs=0.01)
    assert to_second > to_output
    assert [step.name for step in found.path] == ["first", "not"]


def test_many_readers_are_reached_through_buffers_by_hand():
    """300 inverters behind a register, all else with one sink: 301 nets beside the clock's with 600 sinks.

    A sink's wire has 301/600 of 3.3765 fF, the net 300 x (2.302 + 1.69388) = 1198.76 fF, 6.2 ns of the register alone. 60
    buffers with 20 fF each, 105.09 + 1.6698 x 19.979 ps, have 60 x (2.4 + 1.69388) = 245.63 fF in front of them; 7 buffers of
    35.09 fF in front of these leave 28.657 fF. Of 10, 20, 40 and 80 fF for each buffer of a level no choice is faster.
    """
    ports = {"clk": {"direction": "input", "bits": [2]}}
    cells = {"held": cell("dfxtp_1", CLK=2, D="0", Q=3)}
    for i in range(300):
        cells[f"not_{i}"] = cell("inv_1", A=3, Y=1000 + i)
        cells[f"then_{i}"] = cell("dfxtp_1", CLK=2, D=1000 + i, Q=2000 + i)
    wire = 3.3765 * 301 / 600
    load = 300 * (2.302 + wire)

    def through(*counts):
        """A tree of so many buffers, level by level from the leaves."""
        delay, driven = 0.0, load
        for count in counts:
            delay += 105.09 + 1.6698 * driven / count
            driven = count * (2.4 + wire)
        return 282.18 + 5.1677 * driven + delay

    trees = [through(), *(through(first) for first in (120, 60, 30, 15))]
    for first in (120, 60, 30, 15):
        inner = first * (2.4 + wire)
        trees += [through(first, -(-inner // share)) for share in (10, 20, 40, 80) if inner > share]
    found = timing({"ports": ports, "cells": cells, "netnames": {}})
    inverter = 31.01 + 4.583 * (1.678 + wire)
    assert found.delay_ps == pytest.approx(min(trees) + inverter + 83.45, abs=0.05)
    assert min(trees) < through() / 5


def test_a_reset_is_not_data():
    ports = {"clk": {"direction": "input", "bits": [2]}, "rst_n": {"direction": "input", "bits": [3]}}
    cells = {"held": cell("dfrtp_1", CLK=2, D="0", RESET_B=3, Q=4)}
    assert timing({"ports": ports, "cells": cells, "netnames": {}}).delay_ps == 0


def test_a_loop_of_gates_has_no_time():
    cells = {"one": cell("inv_1", A=2, Y=3), "two": cell("inv_1", A=3, Y=2), "three": cell("inv_1", A=4, Y=5)}
    with pytest.raises(ValueError, match="2 gates of a netlist are in loops"):
        timing({"ports": {}, "cells": cells, "netnames": {}})


def loads(module, facts):
    """Wire of a sink and capacitance of each net [fF], an output's register included, the clock's left out."""
    sinks = defaultdict(list)
    for found in module["cells"].values():
        for pin, capacitance in facts[found["type"]].inputs.items():
            if pin != "CLK":
                sinks[found["connections"][pin][0]].append(capacitance)
    for port in module["ports"].values():
        for bit in port["bits"] if port["direction"] == "output" else ():
            sinks[bit].append(1.678)
    nets = {bit: pins for bit, pins in sinks.items() if isinstance(bit, int)}
    wire = NET_UM * SIGNAL_FF_PER_UM * len(nets) / sum(map(len, nets.values()))
    return wire, defaultdict(float, {bit: sum(pins) + wire * len(pins) for bit, pins in nets.items()})


def test_a_pe_takes_as_long_as_the_longest_path_through_its_graph():
    module = synthesise_component(load_design("mixpe-w4a8"), "pe", "sky130").module
    facts = {cell.name: cell for cell in sky130_cells()}
    wire, load = loads(module, facts)
    spread, edges = Spread(facts[BUFFER], wire), []
    register = facts["sky130_fd_sc_hd__dfxtp_1"]
    for port in module["ports"].values():
        for bit in port["bits"]:
            outside = ("start", bit, spread.delay(register, load[bit])) if port["direction"] == "input" else (bit, "end", 83.45)
            edges.append(outside)
    for found in module["cells"].values():
        kind = facts[found["type"]]
        (output,) = found["connections"][kind.output]
        delay = spread.delay(kind, load[output])
        inputs = [found["connections"][pin][0] for pin in kind.inputs if pin != "CLK"]
        if kind.flip_flop:
            edges += [("start", output, delay), *((bit, "end", kind.setup) for bit in inputs)]
        else:
            edges += [(bit, output, delay) for bit in inputs]
    graph = networkx.DiGraph()
    for source, sink, weight in sorted(edges, key=lambda edge: edge[2]):  # of parallel edges the longest stays
        graph.add_edge(source, sink, weight=weight)
    graph.remove_nodes_from([node for node in ("0", "1", "x") if node in graph])
    clock = module["ports"]["clk"]["bits"][0]
    graph.remove_node(clock)
    assert timing(module).delay_ps == pytest.approx(networkx.dag_longest_path_length(graph), abs=1e-6)
