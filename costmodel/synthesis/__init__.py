"""Verilog on a target: how large, how fast, and proved to be the same."""
