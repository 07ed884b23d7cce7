"""Bits by layer, output or K-block: what each width costs in accuracy, and which widths are chosen within a budget."""
