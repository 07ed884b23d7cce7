"""What a netlist spends on given operands, gate by gate, and estimated from words."""
