"""Measurements of speed and size; each prints what it found beside the bar that it must reach."""

import shiftwise  # noqa: F401 - it keeps torch's idle threads from spinning, for users as for these measurements
