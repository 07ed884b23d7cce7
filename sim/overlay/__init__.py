"""The overlay: an accelerator for whole models on an FPGA, whose work is decided by instructions that a compiler writes."""
