"""Wires between standard cells of sky130 as they are after placement and routing: length and capacitance."""

SIGNAL_FF_PER_UM, CLOCK_FF_PER_UM = 0.172375, 0.214962
"""[fF/um] Of wires on metal 1 and of clock wires on metal 3 (OpenROAD-flow-scripts, flow/platforms/sky130hd/setRC.tcl at
83021aa, which was fitted to extracted layouts of seven designs)."""

NET_UM = 1_167_473 / 59_601
"""[um] Mean length of a net: wires and nets of the routed ``jpeg``, a datapath of multipliers and adders, of 59,726 cells
(OpenROAD-flow-scripts, flow/designs/sky130hd/jpeg/metadata-base-ok.json at 2f572bc). The routed ``riscv32i`` there has 53.9,
``gcd``, of which 6 % of the area is cells, 31.7."""
