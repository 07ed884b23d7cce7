"""Sums, products, roundings and divisions of numbers that are not a PE's own."""
