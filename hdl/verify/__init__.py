"""Components under Verilator against the model: what is fed, and what must come out in which cycle."""
