"""Programs that are run: Yosys and Verilator."""
