"""Hardware of a design point: Amaranth components, their Verilog, and benches that compare it with the model."""
