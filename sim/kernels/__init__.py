"""Exact whole-matrix kernels: the bits of the processing elements, at the speed of the machine."""
