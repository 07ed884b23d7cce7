"""FPGA boards: what they have, what a design takes of it, what it spends there."""
