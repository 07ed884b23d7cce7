"""``verify``: the design's hardware against the model, on all operand pairs and on traced operands."""

ARRAY = 4
"""Rows and columns of the array that is simulated."""

TILES = 3
"""Tiles in each direction: enough for one to begin while another's results are still under way."""
