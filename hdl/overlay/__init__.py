"""Hardware of the overlay: vector units, dequantization, buffers, and an accelerator that executes its instructions."""
