"""Measurements of speed and size; each prints what it found beside the bar that it must reach."""
