"""Bits by layer, output or K-block, within a budget of the hardware, and what that gains over one width for all."""
